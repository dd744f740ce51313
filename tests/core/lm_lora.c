/* lm_lora: low-rank adapters: nothing at the start, the merged matrix in effect, gradients, and PEFT's files. */
#include "unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/blas.h"
#include "core/lm/adamw.h"
#include "core/lm/checkpoint.h"
#include "core/lm/lora.h"
#include "core/lm/transformer.h"
#include "core/lm_support.h"
#include "formats/lora_options.h"

static const char *const fixtures[] = {"tests/fixtures/lm_gpt2", "tests/fixtures/lm_llama"};
static const char *const modules[] = {"c_attn,mlp.c_proj", "q_proj,v_proj,up_proj,down_proj"};
enum { T = 18, RANK = 3 };
static int starts[] = {0, 7, T};
static int32_t tokens[T];
static int rows[T];

static struct lm_batch batch_of(void)
{
    for (int i = 0; i < T; i++) {
        tokens[i] = i * 31 % 70;
        rows[i] = i;
    }
    return (struct lm_batch){.sequences = 2, .starts = starts, .tokens = tokens};
}

static struct lm_run *run_of(const struct lm_model *m, struct lm_adapters *adapters)
{
    struct err err = {0};
    struct lm_options options = {.gemm = {gemm_backend(NULL, NULL), NULL}, .max_tokens = T, .train = adapters != NULL,
                                 .adapters = adapters};
    struct lm_run *run = lm_run_new(m, &options, &err);
    assert_string_equal(err.message, "");
    return run;
}

static struct lm_adapters *adapters_of(const struct lm_model *m, int fixture, bool trained)
{
    struct err err = {0};
    struct lm_adapters *a = lora_new(&m->shape, modules[fixture], RANK, 6, 9, &err);
    assert_string_equal(err.message, "");
    struct rng rng;
    rng_init(&rng, 10, 0);
    for (int i = 0; trained && i < a->count; i++) /* A, B; the gaps behind them stay 0 */
        for (int j = 0; j < RANK * (a->items[i].in + a->items[i].out); j++)
            a->weights[a->items[i].a + (size_t)j] = (float)(0.1 * rng_normal(&rng));
    return a;
}

static void weigh_evenly(void *context, int first, int count, const float *logp, const float *entropy, float *dlogp,
                         float *dentropy)
{
    (void)context, (void)first, (void)logp, (void)entropy, (void)dentropy;
    for (int i = 0; i < count; i++)
        dlogp[i] = -1;
}

/* -sum of log-probabilities of each token as its own target. */
static double loss_of(struct lm_run *run, bool backward)
{
    struct lm_batch batch = batch_of();
    float logp[T];
    assert_int_equal(lm_forward(run, &batch, NULL, NULL), 0);
    lm_head(run, &(struct lm_head_request){.count = T, .rows = rows, .targets = tokens, .temperature = 1, .logp = logp,
                                           .weigh = backward ? weigh_evenly : NULL});
    if (backward)
        lm_backward(run);
    double sum = 0;
    for (int i = 0; i < T; i++)
        sum -= logp[i];
    return sum;
}

static void a_new_adapter_changes_nothing(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lm_model *m = checkpoint_load(fixtures[f], NULL);
        struct lm_adapters *a = adapters_of(m, f, false);
        struct lm_run *with = run_of(m, a), *without = run_of(m, NULL);
        assert_true(loss_of(with, false) == loss_of(without, false));
        assert_int_equal(a->count, f == 0 ? 4 : 8);
        lm_run_free(with);
        lm_run_free(without);
        lora_free(a);
        lm_model_free(m);
    }
}

static void an_adapter_acts_as_the_merged_matrix(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lm_model *m = checkpoint_load(fixtures[f], NULL);
        struct lm_adapters *a = adapters_of(m, f, true);
        struct lm_run *with = run_of(m, a), *merged = run_of(m, NULL);
        double adapted = loss_of(with, false), plain = loss_of(merged, false);
        lora_merge(a, m);
        double want = loss_of(merged, false);
        assert_true(fabs(adapted - want) < 1e-5 * want && fabs(plain - want) > 0.01);
        lm_run_free(with);
        lm_run_free(merged);
        lora_free(a);
        lm_model_free(m);
    }
}

static void gradients_match_finite_differences(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lm_model *m = checkpoint_load(fixtures[f], NULL);
        struct lm_adapters *a = adapters_of(m, f, true);
        struct lm_run *run = run_of(m, a);
        loss_of(run, true);
        struct lm_trained t = lm_trained(run);
        assert_int_equal(t.count, a->total);
        for (int i = 0; i < a->count; i++) { /* along the gradient of each A and each B by itself */
            const struct lm_adapter *one = &a->items[i];
            size_t from[] = {one->a, one->b}, size[] = {(size_t)(RANK * one->in), (size_t)(RANK * one->out)};
            for (int part = 0; part < 2; part++) {
                float *w = t.weights + from[part], *g = t.gradients + from[part];
                double square = 0, h = 2e-3, sides[2];
                for (size_t j = 0; j < size[part]; j++)
                    square += (double)g[j] * g[j];
                float *before = mem_array(size[part], sizeof *before);
                memcpy(before, w, size[part] * sizeof *w);
                for (int side = 0; side < 2; side++) {
                    for (size_t j = 0; j < size[part]; j++)
                        w[j] = before[j] + (float)((side ? -h : h) * g[j] / sqrt(square));
                    sides[side] = loss_of(run, false);
                }
                memcpy(w, before, size[part] * sizeof *w);
                mem_free(before);
                double difference = (sides[0] - sides[1]) / (2 * h);
                if (!(fabs(difference - sqrt(square)) < 0.01 * sqrt(square)))
                    fail_msg("%s %c: %g by differences, %g", one->tensor, "AB"[part], difference, sqrt(square));
            }
        }
        lm_run_free(run);
        lora_free(a);
        lm_model_free(m);
    }
}

/* Training touches the adapters and leaves the base alone. */
static void only_adapters_learn(void **state)
{
    (void)state;
    struct lm_model *m = checkpoint_load(fixtures[1], NULL), *base = checkpoint_load(fixtures[1], NULL);
    struct lm_adapters *a = adapters_of(m, 1, false);
    struct lm_run *run = run_of(m, a);
    struct adamw_options how = {.beta1 = 0.9f, .beta2 = 0.99f, .epsilon = 1e-8f, .clip = 1};
    struct adamw *adam = adamw_new(m, run, &how, NULL);
    double first = loss_of(run, false), norm;
    for (int i = 0; i < 15; i++) {
        lm_zero_gradients(run);
        loss_of(run, true);
        assert_int_equal(adamw_step(adam, 0.02f, &norm, NULL), 0);
    }
    assert_true(loss_of(run, false) < 0.7 * first);
    assert_memory_equal(m->weights, base->weights, m->layout.count * sizeof *m->weights);
    adamw_free(adam);
    lm_run_free(run);
    lora_free(a);
    lm_model_free(m);
    lm_model_free(base);
}

static void files_are_pefts(void **state)
{
    (void)state;
    char folder[] = "/tmp/egalign-lora-XXXXXX", path[200];
    assert_non_null(mkdtemp(folder));
    static const char *const names[] = {"base_model.model.transformer.h.1.mlp.c_proj.lora_B.weight",
                                        "base_model.model.model.layers.0.self_attn.v_proj.lora_A.weight"};
    struct err err = {0};
    for (int f = 0; f < 2; f++) {
        struct lm_model *m = checkpoint_load(fixtures[f], NULL);
        struct lm_adapters *a = adapters_of(m, f, true);
        assert_int_equal(lora_save(a, folder, &err), 0);
        snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
        struct safetensors *files = safetensors_open(path, &err);
        assert_int_equal(safetensors_count(files), 2 * a->count);
        const struct safetensor *t = safetensors_find(files, names[f]);
        assert_non_null(t);
        assert_int_equal(t->shape[0], f == 0 ? m->shape.width : RANK);
        assert_int_equal(t->shape[1], f == 0 ? RANK : m->shape.width);
        safetensors_free(files);
        err = (struct err){0};
        struct lm_adapters *again = lora_load(&m->shape, folder, &err);
        assert_string_equal(err.message, "");
        assert_memory_equal(a->weights, again->weights, a->total * sizeof *a->weights);
        lora_free(again);
        lora_free(a);
        struct lm_shape other = m->shape;
        other.layers = 1;
        assert_null(lora_load(&other, folder, &err));
        assert_int_equal(err.code, ERR_BAD_FILE);
        lm_model_free(m);
    }
    snprintf(path, sizeof path, "%s/adapter_config.json", folder);
    FILE *file = fopen(path, "w");
    fputs("{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6,\"use_dora\":true,\"target_modules\":[\"q_proj\"]}", file);
    fclose(file);
    struct lm_shape shape;
    assert_int_equal(checkpoint_shape(fixtures[1], &shape, &err), 0);
    assert_null(lora_load(&shape, folder, &err));
    assert_non_null(strstr(err.message, "use_dora"));
    unlink(path);
    assert_null(lora_load(&shape, folder, &err));
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

/* Blocks that get none, and scalar heads, come back from the files as they were. */
static void heads_and_top_blocks_have_their_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/egalign-lora-XXXXXX", path[200];
    assert_non_null(mkdtemp(folder));
    struct err err = {0};
    for (int f = 0; f < 2; f++) {
        struct lm_model *m = checkpoint_load(fixtures[f], NULL);
        struct lora_options how = {.targets = modules[f], .rank = RANK, .alpha = 6, .frozen = 1, .heads = 2};
        struct lm_adapters *a = lora_plan(&m->shape, &how, &err);
        assert_string_equal(err.message, "");
        assert_null(a->weights);
        assert_int_equal(a->count, f == 0 ? 2 : 4); /* of the upper block */
        assert_int_equal(lora_start(a, 3, &err), 0);
        for (int i = 0; i < 2 * m->shape.width; i++)
            a->weights[a->head_weight + (size_t)i] = (float)i;
        a->weights[a->head_bias + 1] = -5;
        assert_int_equal(lora_save(a, folder, &err), 0);
        struct lm_adapters *again = lora_load(&m->shape, folder, &err);
        assert_string_equal(err.message, "");
        assert_true(again->frozen == 1 && again->heads == 2 && again->total == a->total);
        assert_memory_equal(a->weights, again->weights, a->total * sizeof *a->weights);
        how.heads = 1;
        struct lm_adapters *other = lora_plan(&m->shape, &how, &err);
        assert_int_equal(lora_start(other, 3, &err), 0);
        assert_int_equal(lora_reload(other, folder, &err), -1);
        assert_int_equal(err.code, ERR_CONFLICT);
        err = (struct err){0};
        lora_free(other);
        lora_free(again);
        lora_free(a);
        lm_model_free(m);
    }
    static const char *const refused[] = {"\"layers_to_transform\":[0]", "\"layers_to_transform\":[1,1,1]",
                                          "\"layers_to_transform\":\"all\"", "\"modules_to_save\":[\"lm_head\"]",
                                          "\"modules_to_save\":[\"score\",\"lm_head\"]",
                                          "\"modules_to_save\":\"score\""};
    struct lm_shape shape;
    assert_int_equal(checkpoint_shape(fixtures[1], &shape, &err), 0);
    snprintf(path, sizeof path, "%s/adapter_config.json", folder);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        FILE *file = fopen(path, "w");
        fprintf(file, "{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6,\"target_modules\":[\"q_proj\"],%s}",
                refused[i]);
        fclose(file);
        assert_null(lora_load(&shape, folder, &err));
        assert_int_equal(err.code, ERR_BAD_FILE);
        assert_non_null(strstr(err.message, "is not supported"));
    }
    unlink(path);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

/* A run may freeze no block that has an adapter; decay leaves the heads' biases alone. */
static void frozen_blocks_and_decay(void **state)
{
    (void)state;
    struct lm_model *m = checkpoint_load(fixtures[1], NULL);
    struct err err = {0};
    struct lora_options how = {.targets = "q_proj", .rank = RANK, .alpha = 6, .frozen = 1, .heads = 1};
    struct lm_adapters *all = adapters_of(m, 1, false), *top = lora_plan(&m->shape, &how, &err);
    assert_int_equal(lora_start(top, 1, &err), 0);
    struct lm_options o = {.gemm = {gemm_backend(NULL, NULL), NULL}, .max_tokens = T, .train = true, .frozen = 1,
                           .adapters = all};
    assert_null(lm_run_new(m, &o, &err));
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    o.adapters = top;
    struct lm_run *run = lm_run_new(m, &o, &err);
    assert_non_null(run);
    struct adamw_options decaying = {.beta1 = 0.9f, .beta2 = 0.99f, .epsilon = 1e-8f, .weight_decay = 0.5f};
    struct adamw *adam = adamw_new(m, run, &decaying, &err);
    top->weights[top->head_weight] = top->weights[top->head_bias] = 1;
    float first = top->weights[0];
    double norm;
    assert_int_equal(adamw_step(adam, 0.1f, &norm, &err), 0); /* gradients are 0: there is decay only */
    assert_true(norm == 0 && top->weights[top->head_bias] == 1);
    assert_true(fabsf(top->weights[top->head_weight] - 0.95f) < 1e-6 &&
                fabsf(top->weights[0] - 0.95f * first) < 1e-6);
    adamw_free(adam);
    lm_run_free(run);
    lora_free(all);
    lora_free(top);
    how.frozen = 2;
    assert_null(lora_plan(&m->shape, &how, &err));
    lm_model_free(m);
}

/* What a job's options take for modules of a family is what its models have. */
static void the_options_know_the_modules_of_each_family(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct err err = {0};
        struct lm_model *m = checkpoint_load(fixtures[i], &err);
        assert_non_null(m);
        for (int at = 0; lora_settings_targets[at]; at++) {
            struct lora_settings s = {.targets = {.items = &at, .count = 1}};
            struct lm_adapters *a = lora_new(&m->shape, lora_settings_targets[at], RANK, 6, 9, &err);
            bool has = lora_settings_check_family(&s, lm_family_name(m->shape.family), "", &err) == 0;
            assert_int_equal(has, a != NULL);
            assert_int_equal(lora_settings_check_family(&s, "", "", &err), 0); /* not known yet */
            lora_free(a);
        }
        lm_model_free(m);
    }
}

static void unknown_modules_are_refused(void **state)
{
    (void)state;
    struct lm_shape shape;
    struct err err;
    checkpoint_shape(fixtures[1], &shape, &err);
    static const char *const wrong[] = {"", "q_proj,k", "proj", "lm_head", ",", "q_proj,c_attn", "input_layernorm"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_null(lora_new(&shape, wrong[i], 4, 8, 1, &err));
        assert_int_equal(err.code, ERR_INVALID_VALUE);
    }
    assert_null(lora_new(&shape, "q_proj", 0, 8, 1, &err));
    assert_null(lora_new(&shape, "q_proj", 4, -1, 1, &err));
}

static int start(void **state)
{
    (void)state;
    return blas_start(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_adapter_changes_nothing),      cmocka_unit_test(an_adapter_acts_as_the_merged_matrix),
        cmocka_unit_test(gradients_match_finite_differences), cmocka_unit_test(only_adapters_learn),
        cmocka_unit_test(files_are_pefts),                    cmocka_unit_test(unknown_modules_are_refused),
        cmocka_unit_test(frozen_blocks_and_decay),            cmocka_unit_test(heads_and_top_blocks_have_their_files),
        cmocka_unit_test(the_options_know_the_modules_of_each_family),
    };
    return cmocka_run_group_tests_name("lm_lora", tests, start, NULL);
}
