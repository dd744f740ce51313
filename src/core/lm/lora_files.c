/* Adapters in PEFT's files: adapter_config.json and adapter_model.safetensors. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/lm/lora.h"
#include "core/lm/replace.h"
#include "core/lm/safetensors.h"

enum { MAX_PATH = 4096, NAME_SIZE = 160, MAX_CONFIG = 1 << 20 };

/* "base_model.model." + the module + ".lora_A.weight" or ".lora_B.weight". */
static void peft_name(char *name, const struct lm_adapter *a, char which)
{
    snprintf(name, NAME_SIZE, "base_model.model.%.*s.lora_%c.weight", (int)(strlen(a->tensor) - strlen(".weight")),
             a->tensor, which);
}

static int join(char *path, const char *folder, const char *name, struct err *err)
{
    if ((size_t)snprintf(path, MAX_PATH, "%s/%s", folder, name) >= MAX_PATH)
        return err_set(err, ERR_BAD_FILE, "the name of the folder is too long");
    return 0;
}

static char *compose_config(const struct lm_adapters *a)
{
    json_t *targets = json_array();
    for (int i = 0; i < a->target_count; i++)
        json_array_append_new(targets, json_string(a->targets[i]));
    json_t *config = json_pack("{s:s,s:s,s:i,s:f,s:f,s:s,s:b,s:b,s:o,s:n}", "peft_type", "LORA", "task_type",
                               "CAUSAL_LM", "r", a->rank, "lora_alpha", (double)a->alpha, "lora_dropout", 0.0, "bias",
                               "none", "fan_in_fan_out", (int)(a->shape.family == LM_GPT2), "inference_mode", 1,
                               "target_modules", targets, "base_model_name_or_path");
    char *text = json_dumps(config, JSON_INDENT(2));
    json_decref(config);
    return text;
}

static int write_text(FILE *file, void *context, struct err *err)
{
    return fputs(context, file) < 0 ? err_errno(err, "cannot write") : 0;
}

int lora_save(const struct lm_adapters *a, const char *folder, struct err *err)
{
    char path[MAX_PATH], *config = compose_config(a);
    size_t count = 2 * (size_t)a->count;
    struct safetensor *tensors = mem_zeroed(count, sizeof *tensors);
    char(*names)[NAME_SIZE] = mem_zeroed(count, sizeof *names);
    int result = -1;
    if (!config || !tensors || !names) {
        err_memory(err);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        const struct lm_adapter *one = &a->items[i / 2];
        bool is_b = i % 2;
        peft_name(names[i], one, is_b ? 'B' : 'A');
        tensors[i] = (struct safetensor){.name = names[i], .rank = 2, .data = a->weights + (is_b ? one->b : one->a),
                                         .shape = {is_b ? one->out : a->rank, is_b ? a->rank : one->in}};
        tensors[i].count = (size_t)(tensors[i].shape[0] * tensors[i].shape[1]);
    }
    if (mkdir(folder, 0755) < 0 && errno != EEXIST) {
        err_errno(err, "cannot make the folder %s", folder);
        goto out;
    }
    if (join(path, folder, "adapter_config.json", err) < 0 || replace_file(path, write_text, config, err) < 0 ||
        join(path, folder, "adapter_model.safetensors", err) < 0)
        goto out;
    result = safetensors_write(path, tensors, count, DTYPE_F32, err);
out:
    free(config);
    mem_free(tensors);
    mem_free(names);
    return result;
}

/* Settings that must be off: absent, null, false, 0, "none", [] or {}. */
static int refuse_extras(json_t *config, struct err *err)
{
    const char *const names[] = {"use_dora",      "use_rslora",         "rank_pattern",    "alpha_pattern",
                                 "layers_pattern", "layers_to_transform", "modules_to_save", "lora_bias"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_t *v = json_object_get(config, names[i]);
        bool off = !v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && json_array_size(v) == 0) ||
                   (json_is_object(v) && json_object_size(v) == 0);
        if (!off)
            return err_set(err, ERR_BAD_FILE, "adapter_config.json: %s is not supported", names[i]);
    }
    const char *bias = json_string_value(json_object_get(config, "bias"));
    if (bias && strcmp(bias, "none") != 0)
        return err_set(err, ERR_BAD_FILE, "adapter_config.json: bias \"%.40s\" is not supported", bias);
    return 0;
}

/* target_modules as a comma-separated list. */
static int list_targets(json_t *config, struct buf *out, struct err *err)
{
    json_t *list = json_object_get(config, "target_modules"), *one;
    size_t i;
    json_array_foreach(list, i, one) {
        const char *name = json_string_value(one);
        if (!name || strchr(name, ','))
            return err_set(err, ERR_BAD_FILE, "adapter_config.json: target_modules holds no list of names");
        buf_printf(out, "%s%s", i ? "," : "", name);
    }
    if (out->failed)
        return err_memory(err);
    if (out->length == 0)
        return err_set(err, ERR_BAD_FILE, "adapter_config.json: target_modules holds no list of names");
    return 0;
}

static struct lm_adapters *adapters_of(json_t *config, const struct lm_shape *shape, struct err *err)
{
    struct buf targets = {0};
    struct lm_adapters *a = NULL;
    json_t *r = json_object_get(config, "r"), *alpha = json_object_get(config, "lora_alpha");
    const char *type = json_string_value(json_object_get(config, "peft_type"));
    if (!type || strcmp(type, "LORA") != 0)
        err_set(err, ERR_BAD_FILE, "adapter_config.json: peft_type is not LORA");
    else if (!json_is_integer(r) || json_integer_value(r) < 1 || json_integer_value(r) > LORA_MAX_RANK ||
             !json_is_number(alpha))
        err_set(err, ERR_BAD_FILE, "adapter_config.json: r or lora_alpha is not usable");
    else if (refuse_extras(config, err) == 0 && list_targets(config, &targets, err) == 0)
        a = lora_new(shape, targets.data, (int)json_integer_value(r), (float)json_number_value(alpha), 0, err);
    buf_free(&targets);
    return a;
}

static int read_one(const struct safetensors *files, const struct lm_adapter *a, char which, int rows, int columns,
                    float *out, struct err *err)
{
    char name[NAME_SIZE];
    peft_name(name, a, which);
    const struct safetensor *t = safetensors_find(files, name);
    if (!t)
        return err_set(err, ERR_BAD_FILE, "tensor \"%s\" is missing", name);
    if (t->rank != 2 || t->shape[0] != rows || t->shape[1] != columns)
        return err_set(err, ERR_BAD_FILE, "tensor \"%s\" has the wrong shape; %d x %d is right", name, rows, columns);
    return safetensors_read(t, out, err);
}

static int read_weights(struct lm_adapters *a, const char *path, struct err *err)
{
    struct safetensors *files = safetensors_open(path, err);
    if (!files)
        return -1;
    int result = 0;
    if (safetensors_count(files) != 2 * (size_t)a->count)
        result = err_set(err, ERR_BAD_FILE, "%s holds %zu tensors, not %d", path, safetensors_count(files),
                         2 * a->count);
    for (int i = 0; i < a->count && result == 0; i++) {
        const struct lm_adapter *one = &a->items[i];
        if (read_one(files, one, 'A', a->rank, one->in, a->weights + one->a, err) < 0 ||
            read_one(files, one, 'B', one->out, a->rank, a->weights + one->b, err) < 0)
            result = -1;
    }
    safetensors_free(files);
    return result;
}

struct lm_adapters *lora_load(const struct lm_shape *shape, const char *folder, struct err *err)
{
    char path[MAX_PATH];
    json_error_t where;
    struct stat st;
    if (join(path, folder, "adapter_config.json", err) < 0)
        return NULL;
    if (stat(path, &st) < 0 || st.st_size > MAX_CONFIG) {
        err_set(err, ERR_BAD_FILE, "%s is not there, or too large", path);
        return NULL;
    }
    json_t *config = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(config))
        err_set(err, ERR_BAD_FILE, "%s: %s", path, config ? "not an object" : where.text);
    struct lm_adapters *a = json_is_object(config) ? adapters_of(config, shape, err) : NULL;
    json_decref(config);
    if (a && (join(path, folder, "adapter_model.safetensors", err) < 0 || read_weights(a, path, err) < 0)) {
        lora_free(a);
        a = NULL;
    }
    return a;
}
