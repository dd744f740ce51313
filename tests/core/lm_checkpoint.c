/* lm_checkpoint: model directories of both families, in and out, and the ones that must be refused. */
#include "unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lm/checkpoint.h"
#include "core/lm/checkpoint_digest.h"
#include "core/lm_support.h"

static char folder[] = "/tmp/egalign-checkpoint-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    FILE *f = fopen(in_folder(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Loads, saves, loads: the same shape and weights; and the saved file has the names and shapes of the first one. */
static void round_trip(const char *fixture)
{
    struct err err = {0};
    struct lm_model *m = checkpoint_load(fixture, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(checkpoint_save(m, folder, fixture, DTYPE_F32, &err), 0);
    struct lm_model *again = checkpoint_load(folder, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(memcmp(&m->shape, &again->shape, sizeof m->shape), 0);
    assert_memory_equal(m->weights, again->weights, m->layout.count * sizeof *m->weights);
    char path[200];
    snprintf(path, sizeof path, "%s/model.safetensors", fixture);
    struct safetensors *first = safetensors_open(path, &err), *second = safetensors_open_folder(folder, &err);
    assert_int_equal(safetensors_count(first), safetensors_count(second));
    for (size_t i = 0; i < safetensors_count(first); i++) {
        const struct safetensor *a = safetensors_at(first, i), *b = safetensors_at(second, i);
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->rank, b->rank);
        assert_memory_equal(a->shape, b->shape, sizeof a->shape);
        assert_memory_equal(a->data, b->data, a->bytes);
    }
    safetensors_free(first);
    safetensors_free(second);
    lm_model_free(m);
    lm_model_free(again);
}

static void directories_come_back_as_they_were(void **state)
{
    (void)state;
    round_trip("tests/fixtures/lm_gpt2");
    round_trip("tests/fixtures/lm_llama");
}

static void scalar_heads_and_companions_are_kept(void **state)
{
    (void)state;
    struct err err = {0};
    struct lm_shape shape;
    assert_int_equal(checkpoint_shape("tests/fixtures/lm_gpt2", &shape, &err), 0);
    shape.scalars = 3;
    struct lm_model *m = lm_model_new(&shape, &err);
    lm_model_randomize(m, 5);
    m->weights[m->layout.scalar.weight + 7] = 0.5f;
    m->weights[m->layout.scalar.bias + 2] = -1;
    char source[] = "/tmp/egalign-companions-XXXXXX", path[200];
    assert_non_null(mkdtemp(source));
    snprintf(path, sizeof path, "%s/merges.txt", source);
    FILE *f = fopen(path, "w");
    fputs("#version: 0.2\na b\n", f);
    fclose(f);
    assert_int_equal(checkpoint_save(m, folder, source, DTYPE_BF16, &err), 0);
    struct lm_model *again = checkpoint_load(folder, &err);
    assert_int_equal(again->shape.scalars, 3);
    assert_true(again->weights[m->layout.scalar.weight + 7] == 0.5f);
    assert_true(again->weights[m->layout.scalar.bias + 2] == -1);
    assert_close_f(m->layout.count, again->weights, m->weights, 0.004);
    char line[40];
    f = fopen(in_folder("merges.txt"), "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    assert_string_equal(line, "#version: 0.2\n");
    fclose(f);
    unlink(path);
    rmdir(source);
    lm_model_free(m);
    lm_model_free(again);
}

/* Names without the prefix, a mask buffer, and a repeated tied head are accepted, as in OpenAI's own gpt2. */
static void other_spellings_are_accepted(void **state)
{
    (void)state;
    struct err err = {0};
    struct lm_model *m = checkpoint_load("tests/fixtures/lm_gpt2", &err);
    struct safetensor tensors[64];
    int n = m->layout.tensor_count;
    for (int i = 0; i < n; i++) {
        const struct lm_tensor *t = &m->layout.tensors[i];
        tensors[i] = (struct safetensor){.name = t->name + strlen("transformer."), .rank = t->columns ? 2 : 1,
                                         .shape = {t->rows, t->columns}, .data = m->weights + t->offset,
                                         .count = lm_tensor_count(t)};
    }
    tensors[n] = tensors[0];
    tensors[n].name = "lm_head.weight";
    tensors[n + 1] = (struct safetensor){.name = "h.0.attn.bias", .rank = 1, .shape = {4}, .count = 4};
    tensors[n + 1].data = m->weights;
    assert_int_equal(safetensors_write(in_folder("model.safetensors"), tensors, (size_t)n + 2, DTYPE_F32, &err), 0);
    assert_int_equal(checkpoint_save(m, folder, NULL, DTYPE_F32, &err), 0); /* for its config.json */
    assert_int_equal(safetensors_write(in_folder("model.safetensors"), tensors, (size_t)n + 2, DTYPE_F32, &err), 0);
    struct lm_model *again = checkpoint_load(folder, &err);
    assert_string_equal(err.message, "");
    assert_memory_equal(m->weights, again->weights, m->layout.count * sizeof *m->weights);
    lm_model_free(again);
    tensors[n + 1].name = "h.0.attn.query_norm";
    safetensors_write(in_folder("model.safetensors"), tensors, (size_t)n + 2, DTYPE_F32, &err);
    assert_null(checkpoint_load(folder, &err));
    assert_non_null(strstr(err.message, "query_norm"));
    safetensors_write(in_folder("model.safetensors"), tensors + 1, (size_t)n, DTYPE_F32, &err);
    assert_null(checkpoint_load(folder, &err));
    assert_non_null(strstr(err.message, "missing"));
    m->weights[40] = NAN;
    safetensors_write(in_folder("model.safetensors"), tensors, (size_t)n, DTYPE_F32, &err);
    assert_null(checkpoint_load(folder, &err));
    assert_int_equal(err.code, ERR_NUMERICAL);
    lm_model_free(m);
}

#define GPT2 "{\"model_type\":\"gpt2\",\"vocab_size\":9,\"n_embd\":8,\"n_layer\":1,\"n_head\":2"
#define LLAMA                                                                                                          \
    "{\"model_type\":\"llama\",\"vocab_size\":9,\"hidden_size\":8,\"intermediate_size\":8,"                     \
    "\"num_hidden_layers\":1,\"num_attention_heads\":4"

static void configs_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        {GPT2 "}", NULL},
        {LLAMA ",\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":5e5},\"eos_token_id\":[7,8]}", NULL},
        {"", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"{\"model_type\":\"bert\"}", "bert"},
        {GPT2 ",\"n_head\":2}", "not a JSON object"},
        {GPT2 ",\"activation_function\":\"relu\"}", "relu"},
        {GPT2 ",\"scale_attn_by_inverse_layer_idx\":true}", "inverse_layer"},
        {GPT2 ",\"n_positions\":0}", "n_positions"},
        {GPT2 ",\"n_positions\":1e3}", "n_positions"},
        {GPT2 ",\"n_inner\":4294967296}", "n_inner"},
        {GPT2 ",\"layer_norm_epsilon\":0}", "norm_eps"},
        {GPT2 ",\"layer_norm_epsilon\":\"x\"}", "layer_norm_epsilon"},
        {"{\"model_type\":\"gpt2\",\"vocab_size\":9,\"n_embd\":9,\"n_layer\":1,\"n_head\":2}", "does not divide"},
        {"{\"model_type\":\"gpt2\",\"vocab_size\":9,\"n_embd\":2147483647,\"n_layer\":1,\"n_head\":2}", "width"},
        {LLAMA ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}}", "rope_scaling"},
        {LLAMA ",\"rope_parameters\":{\"rope_type\":\"yarn\"}}", "yarn"},
        {LLAMA ",\"attention_bias\":true}", "attention_bias"},
        {LLAMA ",\"num_key_value_heads\":3}", "share"},
        {LLAMA ",\"head_dim\":3}", "even"},
        {LLAMA ",\"hidden_act\":\"gelu\"}", "gelu"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        struct lm_shape s;
        int result = checkpoint_config(cases[i].text, strlen(cases[i].text), &s, &err);
        if ((result == 0) != !cases[i].complaint || (result < 0 && !strstr(err.message, cases[i].complaint)))
            fail_msg("%s: \"%s\"", cases[i].text, err.message);
        assert_true(result == 0 || err.code == ERR_BAD_FILE);
        if (i == 1)
            assert_true(s.rope_theta == 5e5 && s.eos == 7 && s.kv_heads == 4 && s.head_width == 2 && !s.tied);
    }
}

/* A config of 10^13 parameters over a small file is refused before anything of that size is allocated. */
static void a_huge_config_costs_nothing(void **state)
{
    (void)state;
    struct err err = {0};
    struct lm_model *m = checkpoint_load("tests/fixtures/lm_gpt2", &err);
    assert_int_equal(checkpoint_save(m, folder, NULL, DTYPE_F32, &err), 0);
    lm_model_free(m);
    write_text("config.json", "{\"model_type\":\"gpt2\",\"vocab_size\":4000000,\"n_embd\":131072,\"n_layer\":1000,"
                              "\"n_head\":64}");
    assert_null(checkpoint_load(folder, &err));
    assert_int_equal(err.code, ERR_BAD_FILE);
    assert_non_null(strstr(err.message, "wrong shape"));
}

static void a_digest_is_of_what_the_model_computes_with(void **state)
{
    (void)state;
    struct err err = {0};
    uint8_t digest[4][SHA256_SIZE];
    int64_t bytes[4];
    unlink(in_folder("merges.txt")); /* of the tests before */
    unlink(in_folder("expected.safetensors"));
    write_text("config.json", "{}");
    write_text("model.safetensors", "weights");
    assert_int_equal(checkpoint_digest(folder, digest[0], &bytes[0], &err), 0);
    assert_int_equal(bytes[0], 9);
    write_text("README.md", "does not count");
    assert_int_equal(checkpoint_digest(folder, digest[1], &bytes[1], &err), 0);
    assert_memory_equal(digest[0], digest[1], SHA256_SIZE);
    write_text("model.safetensors", "Weights");
    assert_int_equal(checkpoint_digest(folder, digest[2], &bytes[2], &err), 0);
    assert_memory_not_equal(digest[0], digest[2], SHA256_SIZE);
    write_text("config.json", "{}w"); /* the same bytes one after the other, cut elsewhere */
    write_text("model.safetensors", "eights");
    assert_int_equal(checkpoint_digest(folder, digest[3], &bytes[3], &err), 0);
    assert_memory_not_equal(digest[0], digest[3], SHA256_SIZE);
    assert_int_equal(checkpoint_digest("/nonexistent", digest[0], NULL, &err), -1);
    assert_int_equal(err.code, ERR_SYSTEM);
    unlink(in_folder("README.md"));
    assert_int_equal(checkpoint_digest("tests", digest[0], NULL, &err), -1);
    assert_int_equal(err.code, ERR_BAD_FILE);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(in_folder("config.json"));
    unlink(in_folder("model.safetensors"));
    unlink(in_folder("merges.txt"));
    unlink(in_folder("expected.safetensors"));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directories_come_back_as_they_were), cmocka_unit_test(scalar_heads_and_companions_are_kept),
        cmocka_unit_test(other_spellings_are_accepted),       cmocka_unit_test(configs_are_judged),
        cmocka_unit_test(a_huge_config_costs_nothing),
        cmocka_unit_test(a_digest_is_of_what_the_model_computes_with),
    };
    return cmocka_run_group_tests_name("lm_checkpoint", tests, make_folder, remove_folder);
}
