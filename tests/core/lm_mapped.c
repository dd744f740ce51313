/* lm_mapped: a model whose matrices stay in BF16 files gives what the same files give when loaded, bit for bit. */
#include "unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/blas.h"
#include "core/lm/checkpoint.h"
#include "core/lm/generate.h"
#include "core/lm/transformer.h"
#include "core/lm_support.h"

enum { T = 17, NEW = 6 };
static const char *const fixtures[] = {"tests/fixtures/lm_gpt2", "tests/fixtures/lm_llama"};
static const char *const modules[] = {"c_attn,c_fc", "k_proj,o_proj,gate_proj"};
static char folder[] = "/tmp/egalign-mapped-XXXXXX";
static int starts[] = {0, 11, T}, rows[T];
static int32_t tokens[T];

/* The fixture again, stored as BF16, with two scalar heads. */
static void store(const char *fixture)
{
    struct err err = {0};
    struct lm_model *m = checkpoint_load(fixture, &err);
    struct lm_shape shape = m->shape;
    shape.scalars = 2;
    struct lm_model *wider = lm_model_new(&shape, &err);
    memcpy(wider->weights, m->weights, m->layout.count * sizeof *m->weights);
    for (int i = 0; i < 2 * shape.width; i++)
        wider->weights[wider->layout.scalar.weight + (size_t)i] = (float)(i % 9 - 4);
    assert_int_equal(checkpoint_save(wider, folder, NULL, DTYPE_BF16, &err), 0);
    lm_model_free(m);
    lm_model_free(wider);
}

static void weigh_evenly(void *context, int first, int count, const float *logp, const float *entropy, float *dlogp,
                         float *dentropy)
{
    (void)context, (void)first, (void)logp, (void)entropy, (void)dentropy;
    for (int i = 0; i < count; i++)
        dlogp[i] = -1;
}

struct outcome {
    float hidden[T * 64], logp[T], values[2 * T], *gradients;
    int32_t drawn[NEW];
    float drawn_logp[NEW];
};

/* Everything that a mapped model can do. */
static void use(const struct lm_model *m, const char *targets, struct threads *threads, struct outcome *o)
{
    struct err err = {0};
    struct lm_adapters *a = lora_new(&m->shape, targets, 2, 4, 3, &err);
    for (size_t i = 0; i < a->total; i++)
        a->weights[i] = (float)(i % 7) * 0.01f;
    struct lm_options options = {.gemm = {gemm_backend(NULL, NULL), threads}, .max_tokens = T, .train = true,
                                 .recompute = true, .adapters = a};
    struct lm_run *run = lm_run_new(m, &options, &err);
    assert_string_equal(err.message, "");
    struct lm_batch batch = {.sequences = 2, .starts = starts, .tokens = tokens};
    assert_int_equal(lm_forward(run, &batch, NULL, &err), 0);
    memcpy(o->hidden, lm_hidden(run), (size_t)(T * m->shape.width) * sizeof(float));
    lm_head(run, &(struct lm_head_request){.count = T, .rows = rows, .targets = tokens, .temperature = 1,
                                           .logp = o->logp, .weigh = weigh_evenly});
    lm_scalars(run, T, rows, o->values);
    lm_scalars_backward(run, T, rows, o->values);
    lm_backward(run);
    o->gradients = mem_array(a->total, sizeof(float));
    memcpy(o->gradients, lm_trained(run).gradients, a->total * sizeof(float));
    struct generate_options sampling = {.gemm = options.gemm, .max_new = NEW, .eos = -1, .slots = 2,
                                        .sampling = {.seed = 1, .temperature = 1, .top_p = 1}};
    struct generate_prompt prompt = {.tokens = tokens, .length = 5};
    int count;
    bool ended;
    struct generated to = {o->drawn, o->drawn_logp, &count, &ended};
    assert_int_equal(generate(m, &sampling, 1, &prompt, &to, &err), 0);
    lm_run_free(run);
    lora_free(a);
}

static void mapped_equals_loaded(void **state)
{
    (void)state;
    struct threads *two = threads_new(2, NULL);
    for (int f = 0; f < 2; f++) {
        struct err err = {0};
        static struct outcome loaded, mapped;
        store(fixtures[f]);
        struct lm_model *a = checkpoint_load(folder, &err), *b = checkpoint_map(folder, &err);
        assert_string_equal(err.message, "");
        assert_null(b->weights);
        use(a, modules[f], NULL, &loaded);
        use(b, modules[f], two, &mapped);
        size_t D = (size_t)a->shape.width;
        assert_memory_equal(loaded.hidden, mapped.hidden, T * D * sizeof(float));
        assert_memory_equal(loaded.logp, mapped.logp, sizeof loaded.logp);
        assert_memory_equal(loaded.values, mapped.values, sizeof loaded.values);
        assert_memory_equal(loaded.drawn, mapped.drawn, sizeof loaded.drawn);
        assert_memory_equal(loaded.drawn_logp, mapped.drawn_logp, sizeof loaded.drawn_logp);
        assert_memory_equal(loaded.gradients, mapped.gradients, 100 * sizeof(float));
        mem_free(loaded.gradients);
        mem_free(mapped.gradients);
        lm_model_free(a);
        lm_model_free(b);
    }
    threads_free(two);
}

static void what_cannot_be_mapped_is_refused(void **state)
{
    (void)state;
    struct err err = {0};
    assert_null(checkpoint_map(fixtures[0], &err));
    assert_non_null(strstr(err.message, "not BF16"));
    store(fixtures[1]);
    struct lm_model *m = checkpoint_map(folder, &err);
    struct lm_options options = {.gemm = {gemm_backend(NULL, NULL), NULL}, .max_tokens = T, .train = true};
    assert_null(lm_run_new(m, &options, &err));
    assert_non_null(strstr(err.message, "adapters only"));
    assert_int_equal(checkpoint_save(m, folder, NULL, DTYPE_F32, &err), -1);
    options.train = false;
    size_t without = lm_run_bytes(&m->shape, &options);
    options.mapped = true;
    assert_true(lm_run_bytes(&m->shape, &options) > without);
    lm_model_free(m);
    for (int n = 1; n < 12; n++) {
        mem_fail_nth(n);
        m = checkpoint_map(folder, &err);
        mem_fail_nth(0);
        assert_true(m || err.code == ERR_NO_MEMORY);
        lm_model_free(m);
    }
    char path[200];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    FILE *file = fopen(path, "r+");
    fseek(file, -6, SEEK_END); /* before the two numbers of score.bias: the last of score.weight */
    fwrite("\xc0\x7f", 1, 2, file);
    fclose(file);
    assert_null(checkpoint_map(folder, &err));
    assert_int_equal(err.code, ERR_NUMERICAL);
}

static int start(void **state)
{
    (void)state;
    for (int i = 0; i < T; i++) {
        tokens[i] = i * 13 % 70;
        rows[i] = i;
    }
    return mkdtemp(folder) ? blas_start(NULL) : -1;
}

static int finish(void **state)
{
    (void)state;
    char path[200];
    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mapped_equals_loaded),
        cmocka_unit_test(what_cannot_be_mapped_is_refused),
    };
    return cmocka_run_group_tests_name("lm_mapped", tests, start, finish);
}
