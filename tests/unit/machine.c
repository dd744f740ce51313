/* Which checkpoints stay in their files and which are refused: told by their size and their numbers' format, before
 * anything is loaded. The checkpoints here are holes: files of the right length without a block on the disk. */
#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "core/lm/config_json.h"
#include "jobs/lora_settings.h"
#include "jobs/machine.h"

static char folder[] = "/tmp/egalign-machine-XXXXXX";

/* One LLaMA block under an embedding that makes the fp32 weights `share` of the machine's memory. */
static struct lm_shape shape_of(double share)
{
    struct lm_shape s = {.family = LM_LLAMA, .context = 64, .layers = 1, .width = 1024, .heads = 8, .kv_heads = 8,
                         .head_width = 128, .hidden = 64, .norm_eps = 1e-5, .rope_theta = 1e4, .tied = true, .bos = 1,
                         .eos = 2};
    double rows = share * (double)machine_memory() / sizeof(float) / s.width;
    while (rows > 1 << 21) {
        s.width *= 2;
        s.heads *= 2;
        s.kv_heads *= 2;
        rows /= 2;
    }
    s.vocabulary = (int)rows;
    return s;
}

static void put(const char *name, const char *text, size_t length, size_t hole)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(truncate(path, (off_t)(length + hole)), 0);
}

static void make(double share, const char *format, size_t size)
{
    struct lm_shape s = shape_of(share);
    struct lm_layout l;
    struct buf header = {0};
    struct err err = {0};
    size_t at = 0;
    char *config = config_json_compose(&s, DTYPE_F32, &err);
    assert_int_equal(lm_layout_make(&s, &l, &err), 0);
    buf_add(&header, (char[8]){0}, 8);
    for (int i = 0; i < l.tensor_count; i++) {
        const struct lm_tensor *t = &l.tensors[i];
        size_t bytes = size * lm_tensor_count(t);
        buf_printf(&header, "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[%d", i ? ',' : '{', t->name, format, t->rows);
        if (t->columns)
            buf_printf(&header, ",%d", t->columns);
        buf_printf(&header, "],\"data_offsets\":[%zu,%zu]}", at, at + bytes);
        at += bytes;
    }
    buf_char(&header, '}');
    uint64_t length = header.length - 8;
    memcpy(header.data, &length, sizeof length);
    put("config.json", config, strlen(config), 0);
    put("model.safetensors", header.data, header.length, at);
    lm_layout_free(&l);
    buf_free(&header);
    free(config);
}

static void large_checkpoints_stay_in_their_files(void **state)
{
    (void)state;
    struct err err = {0};
    make(0.4, "BF16", 2);
    assert_false(machine_leaves_in_files(folder));
    assert_int_equal(machine_may_load(folder, &err), 0);
    make(0.7, "BF16", 2);
    assert_true(machine_leaves_in_files(folder));
    assert_int_equal(machine_may_load(folder, &err), 0);
    make(0.7, "F16", 2); /* which cannot be mapped */
    assert_false(machine_leaves_in_files(folder));
    assert_int_equal(machine_may_load(folder, &err), 0);
    assert_false(machine_leaves_in_files("/nowhere"));
}

static void what_cannot_be_loaded_is_not_begun(void **state)
{
    (void)state;
    struct err err = {0};
    struct language_model lm = {0};
    make(1.2, "F32", 4);
    assert_int_equal(machine_load_model(&lm, folder, &err), -1);
    assert_int_equal(err.code, ERR_NO_MEMORY);
    assert_non_null(strstr(err.message, folder));
    assert_true(!lm.model && !lm.tokenizer && !lm.leave_in_files);
    make(1.2, "BF16", 2);
    assert_int_equal(machine_may_load(folder, &err), -1);
    assert_true(machine_leaves_in_files(folder));
}

/* What was said goes before what the machine would choose; a base in its files gives a result that can stay there. */
static void a_job_may_say_otherwise(void **state)
{
    (void)state;
    enum { FIRST = 5 };
    const struct json_seen silent = {0}, said = {.given = UINT64_C(1) << (FIRST + LORA_MAPPED)};
    const struct lora_settings no = {.mapped = false}, yes = {.mapped = true};
    make(0.7, "BF16", 2);
    assert_true(lora_settings_mapped(&silent, FIRST, &no, folder));
    assert_false(lora_settings_mapped(&said, FIRST, &no, folder));
    make(0.4, "BF16", 2);
    assert_false(lora_settings_mapped(&silent, FIRST, &no, folder));
    assert_true(lora_settings_mapped(&said, FIRST, &yes, folder));
    assert_int_equal(lora_settings_stored(false, 0, true), DTYPE_BF16);
    assert_int_equal(lora_settings_stored(false, 0, false), DTYPE_F32);
    assert_int_equal(lora_settings_stored(true, 0, true), DTYPE_F32);
    assert_int_equal(lora_settings_stored(true, 1, false), DTYPE_BF16);
}

static int start(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int finish(void **state)
{
    (void)state;
    char path[100];
    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_checkpoints_stay_in_their_files),
        cmocka_unit_test(what_cannot_be_loaded_is_not_begun),
        cmocka_unit_test(a_job_may_say_otherwise),
    };
    return cmocka_run_group_tests_name("machine", tests, start, finish);
}
