/* lm_transformer: parity with PyTorch (fixtures of tests/fixtures/make_lm_fixtures.py): logits, every gradient, 20
 * steps of AdamW; and what must not matter: packing, threads, recomputation, the size of a chunk of logits, a frozen
 * trunk. */
#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "core/blas.h"
#include "core/lm/adamw.h"
#include "core/lm/checkpoint.h"
#include "core/lm/transformer.h"
#include "core/lm_support.h"

enum { MOST = 64 }; /* tokens of a fixture */
static const char *const fixtures[] = {"tests/fixtures/lm_gpt2", "tests/fixtures/lm_llama"};
static const double PARITY = 1e-4;

/* A model with its batch, and what PyTorch says of them. */
struct example {
    struct lm_model *model;
    struct safetensors *expected;
    int32_t tokens[MOST];
    int starts[MOST];
    struct lm_batch batch;
    int rows[MOST], count; /* tokens that have a next one */
    int32_t targets[MOST];
    float logp[MOST];
};

static float *expectation(const struct example *x, const char *name, size_t *ret_count)
{
    const struct safetensor *t = safetensors_find(x->expected, name);
    assert_non_null(t);
    float *values = mem_aligned(t->count, sizeof *values);
    assert_int_equal(safetensors_read(t, values, NULL), 0);
    if (ret_count)
        *ret_count = t->count;
    return values;
}

static struct example load_example(const char *folder)
{
    struct example x = {0};
    struct err err = {0};
    char path[100];
    size_t T, S;
    x.model = checkpoint_load(folder, &err);
    assert_string_equal(err.message, "");
    snprintf(path, sizeof path, "%s/expected.safetensors", folder);
    x.expected = safetensors_open(path, &err);
    float *tokens = expectation(&x, "tokens", &T), *lengths = expectation(&x, "lengths", &S);
    for (size_t t = 0; t < T; t++)
        x.tokens[t] = (int32_t)tokens[t];
    for (size_t s = 0; s < S; s++)
        x.starts[s + 1] = x.starts[s] + (int)lengths[s];
    for (size_t s = 0; s < S; s++)
        for (int t = x.starts[s]; t + 1 < x.starts[s + 1]; t++) {
            x.rows[x.count] = t;
            x.targets[x.count++] = x.tokens[t + 1];
        }
    x.batch = (struct lm_batch){.sequences = (int)S};
    mem_free(tokens);
    mem_free(lengths);
    return x;
}

/* The struct holds its own arrays, so the batch points into it once it has its place. */
static void settle(struct example *x)
{
    x->batch.starts = x->starts;
    x->batch.tokens = x->tokens;
}

static void free_example(struct example *x)
{
    lm_model_free(x->model);
    safetensors_free(x->expected);
}

static const char *backend_name; /* of the runs; NULL: fp32 */

static struct lm_options options_of(int tokens, struct threads *threads)
{
    return (struct lm_options){.gemm = {gemm_backend(backend_name, NULL), threads}, .max_tokens = tokens,
                               .train = true};
}

static struct lm_run *run_of(const struct lm_model *m, struct lm_options options)
{
    struct err err = {0};
    struct lm_run *run = lm_run_new(m, &options, &err);
    assert_string_equal(err.message, "");
    return run;
}

/* d (mean of -logp) / d logp */
static void weigh_mean(void *context, int first, int count, const float *logp, const float *entropy, float *dlogp,
                       float *dentropy)
{
    (void)first, (void)logp, (void)entropy, (void)dentropy;
    for (int i = 0; i < count; i++)
        dlogp[i] = -1 / *(const float *)context;
}

/* Forward and backward of the mean loss; returns it. */
static double pass(struct lm_run *run, struct example *x)
{
    float n = (float)x->count;
    struct err err = {0};
    assert_int_equal(lm_forward(run, &x->batch, NULL, &err), 0);
    lm_head(run, &(struct lm_head_request){.count = x->count, .rows = x->rows, .targets = x->targets, .temperature = 1,
                                           .logp = x->logp, .weigh = weigh_mean, .context = &n});
    lm_backward(run);
    double loss = 0;
    for (int i = 0; i < x->count; i++)
        loss -= x->logp[i] / n;
    return loss;
}

static void logits_are_pytorchs(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct example x = load_example(fixtures[f]);
        settle(&x);
        struct lm_run *run = run_of(x.model, options_of(MOST, NULL));
        assert_int_equal(lm_forward(run, &x.batch, NULL, NULL), 0);
        int rows[MOST], T = batch_tokens(&x.batch);
        for (int t = 0; t < T; t++)
            rows[t] = t;
        size_t n;
        float *want = expectation(&x, "logits", &n);
        assert_int_equal(n, T * x.model->shape.vocabulary);
        assert_close_f(n, lm_logits(run, T, rows), want, PARITY);
        mem_free(want);
        lm_run_free(run);
        free_example(&x);
    }
}

static void check_gradients(void)
{
    for (int f = 0; f < 2; f++) {
        struct example x = load_example(fixtures[f]);
        settle(&x);
        struct lm_run *run = run_of(x.model, options_of(MOST, NULL));
        double loss = pass(run, &x);
        float *losses = expectation(&x, "losses", NULL);
        assert_true(fabs(loss - losses[0]) < PARITY * losses[0]);
        mem_free(losses);
        for (int i = 0; i < x.model->layout.tensor_count; i++) {
            const struct lm_tensor *t = &x.model->layout.tensors[i];
            char name[100];
            snprintf(name, sizeof name, "grad.%s", t->name);
            float *want = expectation(&x, name, NULL);
            double error = relative_error_f(lm_tensor_count(t), lm_trained(run).gradients + t->offset, want);
            if (!(error < PARITY))
                fail_msg("%s: %g", name, error);
            mem_free(want);
        }
        lm_run_free(run);
        free_example(&x);
    }
}

static void every_gradient_is_pytorchs(void **state)
{
    (void)state;
    check_gradients();
}

static void the_split_of_bf16_keeps_the_precision_of_gradients(void **state)
{
    (void)state;
    backend_name = "bf16x3";
    check_gradients();
    backend_name = NULL;
}

/* The loss of 20 steps of AdamW stays within `limit` of PyTorch's. */
static void check_steps(double limit)
{
    struct adamw_options how = {.form = ADAM_PYTORCH, .beta1 = 0.9f, .beta2 = 0.99f, .epsilon = 1e-8f,
                                .weight_decay = 0.1f};
    for (int f = 0; f < 2; f++) {
        struct example x = load_example(fixtures[f]);
        settle(&x);
        struct lm_run *run = run_of(x.model, options_of(MOST, NULL));
        struct adamw *adam = adamw_new(x.model, run, &how, NULL);
        size_t steps;
        float *losses = expectation(&x, "losses", &steps);
        assert_int_equal(steps, 20);
        for (size_t i = 0; i < steps; i++) {
            double norm, loss;
            lm_zero_gradients(run);
            loss = pass(run, &x);
            if (!(fabs(loss - losses[i]) < limit * fmax(1, losses[i])))
                fail_msg("step %zu: %g, PyTorch %g", i, loss, losses[i]);
            assert_int_equal(adamw_step(adam, 1e-2f, &norm, NULL), 0);
        }
        mem_free(losses);
        adamw_free(adam);
        lm_run_free(run);
        free_example(&x);
    }
}

static void twenty_steps_follow_pytorch(void **state)
{
    (void)state;
    check_steps(PARITY);
}

/* bf16 keeps 8 significant bits of each operand, so its course is near that of fp32, and not the same. */
static void twenty_steps_in_bf16_stay_near(void **state)
{
    (void)state;
    backend_name = "bf16";
    check_steps(0.02);
    backend_name = "bf16x3";
    check_steps(PARITY);
    backend_name = NULL;
}

static void packed_equals_one_by_one(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct example x = load_example(fixtures[f]);
        settle(&x);
        int D = x.model->shape.width;
        struct lm_run *run = run_of(x.model, options_of(MOST, NULL)), *single = run_of(x.model, options_of(MOST, NULL));
        assert_int_equal(lm_forward(run, &x.batch, NULL, NULL), 0);
        for (int s = 0; s < x.batch.sequences; s++) {
            int starts[] = {0, x.starts[s + 1] - x.starts[s]};
            struct lm_batch one = {.sequences = 1, .starts = starts, .tokens = x.tokens + x.starts[s]};
            assert_int_equal(lm_forward(single, &one, NULL, NULL), 0);
            assert_close_f((size_t)starts[1] * D, lm_hidden(single), lm_hidden(run) + (size_t)x.starts[s] * D, 2e-6);
        }
        lm_run_free(run);
        lm_run_free(single);
        free_example(&x);
    }
}

/* A model and a batch large enough that every loop has several blocks. */
static struct lm_model *larger_model(enum lm_family family)
{
    struct lm_shape shape = {.family = family, .vocabulary = 1100, .context = 200, .layers = 2, .width = 192,
                             .heads = 6, .kv_heads = family == LM_GPT2 ? 6 : 2, .head_width = 32, .hidden = 600,
                             .norm_eps = 1e-5,
                             .rope_theta = 1e4, .tied = family == LM_GPT2, .scalars = 2, .bos = -1, .eos = -1};
    struct lm_model *m = lm_model_new(&shape, NULL);
    assert_non_null(m);
    lm_model_randomize(m, 3);
    struct rng rng;
    rng_init(&rng, 4, 0);
    for (int i = 0; i < 2 * shape.width; i++)
        m->weights[m->layout.scalar.weight + (size_t)i] = (float)rng_normal(&rng);
    return m;
}

enum { LARGE = 420 };
static int large_starts[] = {0, 130, 131, 290, 420};
static int32_t large_tokens[LARGE];
static int large_rows[LARGE];

static struct lm_batch larger_batch(void)
{
    struct rng rng;
    rng_init(&rng, 5, 0);
    for (int i = 0; i < LARGE; i++) {
        large_tokens[i] = (int32_t)rng_below(&rng, 1100);
        large_rows[i] = i;
    }
    return (struct lm_batch){.sequences = 4, .starts = large_starts, .tokens = large_tokens};
}

/* Weights that differ from row to row, on log-probabilities and entropies. */
static void weigh_unevenly(void *context, int first, int count, const float *logp, const float *entropy, float *dlogp,
                           float *dentropy)
{
    (void)context, (void)logp, (void)entropy;
    for (int i = 0; i < count; i++) {
        dlogp[i] = (float)((first + i) % 7 - 3) / LARGE;
        dentropy[i] = (float)((first + i) % 3 - 1) / LARGE;
    }
}

/* Forward and backward with both kinds of heads; the objective's value. */
static double large_pass(struct lm_run *run, const struct lm_batch *batch, bool backward)
{
    float logp[LARGE], entropy[LARGE], values[2 * LARGE], dvalues[2 * LARGE], dlogp[LARGE] = {0}, dentropy[LARGE] = {0};
    struct err err = {0};
    assert_int_equal(lm_forward(run, batch, NULL, &err), 0);
    lm_head(run, &(struct lm_head_request){.count = LARGE, .rows = large_rows, .targets = large_tokens,
                                           .temperature = 0.7f, .logp = logp, .entropy = entropy,
                                           .weigh = backward ? weigh_unevenly : NULL});
    lm_scalars(run, LARGE, large_rows, values);
    weigh_unevenly(NULL, 0, LARGE, NULL, NULL, dlogp, dentropy);
    double sum = 0;
    for (int i = 0; i < 2 * LARGE; i++) {
        dvalues[i] = (float)(i % 5 - 2) / LARGE;
        sum += (double)dvalues[i] * values[i];
    }
    for (int i = 0; i < LARGE; i++)
        sum += (double)dlogp[i] * logp[i] + (double)dentropy[i] * entropy[i];
    if (backward) {
        lm_scalars_backward(run, LARGE, large_rows, dvalues);
        lm_backward(run);
    }
    return sum;
}

/* The gradients of the large pass under `options`; the caller frees. */
static float *large_gradients(const struct lm_model *m, struct lm_options options, size_t *ret_count)
{
    struct lm_batch batch = larger_batch();
    struct lm_run *run = run_of(m, options);
    large_pass(run, &batch, true);
    struct lm_trained t = lm_trained(run);
    float *copy = mem_aligned(t.count, sizeof *copy);
    memcpy(copy, t.gradients, t.count * sizeof *copy);
    *ret_count = t.count;
    lm_run_free(run);
    return copy;
}

/* The gradients of the mean loss over the example's rows; the caller frees. */
static float *example_gradients(struct example *x, struct lm_options options, size_t *ret_count)
{
    struct lm_run *run = run_of(x->model, options);
    pass(run, x);
    struct lm_trained t = lm_trained(run);
    float *copy = mem_aligned(t.count, sizeof *copy);
    memcpy(copy, t.gradients, t.count * sizeof *copy);
    *ret_count = t.count;
    lm_run_free(run);
    return copy;
}

/* A loss on some tokens has the same gradients whether the others' hidden states are worked out or not. */
static void tokens_that_nobody_wants_change_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct example x = load_example(fixtures[i % 2]);
        struct lm_options options = options_of(MOST, NULL);
        options.recompute = i >= 2;
        settle(&x);
        int kept = 0;
        for (int r = 0; r < x.count; r++)
            if (r % 3 == 1) {
                x.rows[kept] = x.rows[r];
                x.targets[kept++] = x.targets[r];
            }
        x.count = kept;
        size_t n;
        float *whole = example_gradients(&x, options, &n);
        x.batch.wanted = x.rows;
        x.batch.wanted_count = kept;
        float *part = example_gradients(&x, options, &n);
        assert_close_f(n, whole, part, 1e-6);
        mem_free(whole);
        mem_free(part);
        free_example(&x);
    }
}

static void threads_change_nothing(void **state)
{
    (void)state;
    struct threads *two = threads_new(2, NULL);
    for (int i = 0; i < 4; i++) {
        struct lm_model *m = larger_model(i % 2);
        size_t n;
        backend_name = i < 2 ? "fp32" : "bf16";
        float *a = large_gradients(m, options_of(LARGE, NULL), &n), *b = large_gradients(m, options_of(LARGE, two), &n);
        assert_memory_equal(a, b, n * sizeof *a);
        mem_free(a);
        mem_free(b);
        lm_model_free(m);
    }
    backend_name = NULL;
    threads_free(two);
}

static void recomputation_changes_nothing(void **state)
{
    (void)state;
    for (int family = 0; family < 2; family++) {
        struct lm_model *m = larger_model(family);
        struct lm_options kept = options_of(LARGE, NULL), again = kept;
        again.recompute = true;
        size_t n;
        float *a = large_gradients(m, kept, &n), *b = large_gradients(m, again, &n);
        assert_memory_equal(a, b, n * sizeof *a);
        assert_true(lm_run_bytes(&m->shape, &again) < lm_run_bytes(&m->shape, &kept));
        mem_free(a);
        mem_free(b);
        lm_model_free(m);
    }
}

static void chunks_of_logits_do_not_matter(void **state)
{
    (void)state;
    struct lm_model *m = larger_model(LM_GPT2);
    struct lm_options whole = options_of(LARGE, NULL), chunks = whole;
    chunks.head_rows = 50;
    size_t n;
    float *a = large_gradients(m, whole, &n), *b = large_gradients(m, chunks, &n);
    assert_close_f(n, a, b, 1e-5);
    mem_free(a);
    mem_free(b);
    lm_model_free(m);
}

/* The derivative along a random direction in all parameters, of log-probabilities, entropies and values together. */
static void gradients_match_a_finite_difference(void **state)
{
    (void)state;
    for (int family = 0; family < 2; family++) {
        struct lm_model *m = larger_model(family);
        struct lm_batch batch = larger_batch();
        struct lm_run *run = run_of(m, options_of(LARGE, NULL));
        large_pass(run, &batch, true);
        struct lm_trained t = lm_trained(run);
        assert_int_equal(t.count, m->layout.count);
        struct rng rng;
        rng_init(&rng, 6, 0);
        float *way = random_floats(&rng, t.count, 1), *before = mem_aligned(t.count, sizeof *before);
        memcpy(before, t.weights, t.count * sizeof *before);
        double along = 0, sides[2], h = 5e-6;
        for (size_t i = 0; i < t.count; i++)
            way[i] = before[i] == 0 && t.gradients[i] == 0 ? 0 : way[i] * 0.1f + (t.gradients[i] > 0 ? 1 : -1);
        for (size_t i = 0; i < t.count; i++)
            along += (double)t.gradients[i] * way[i];
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < t.count; i++)
                t.weights[i] = before[i] + (float)(side ? -h : h) * way[i];
            sides[side] = large_pass(run, &batch, false);
        }
        double difference = (sides[0] - sides[1]) / (2 * h);
        if (!(fabs(difference - along) < 0.001 * fabs(along)))
            fail_msg("family %d: %g by differences, %g by backward", family, difference, along);
        mem_free(way);
        mem_free(before);
        lm_run_free(run);
        lm_model_free(m);
    }
}

static void a_frozen_trunk_is_a_suffix(void **state)
{
    (void)state;
    for (int family = 0; family < 2; family++) {
        struct lm_model *m = larger_model(family);
        struct lm_batch batch = larger_batch();
        struct lm_options all = options_of(LARGE, NULL), top = all;
        top.frozen = 1;
        size_t n, k, D = (size_t)m->shape.width;
        float *whole = large_gradients(m, all, &n), *suffix = large_gradients(m, top, &k);
        size_t start = lm_layout_start(&m->layout, &m->shape, 1);
        assert_int_equal(n - k, start);
        assert_memory_equal(whole + start, suffix, k * sizeof *suffix);
        struct lm_run *run = run_of(m, top);
        assert_int_equal(lm_forward(run, &batch, NULL, NULL), 0);
        float *hidden = mem_aligned(LARGE * D, sizeof *hidden), *trunk = mem_aligned(LARGE * D, sizeof *trunk);
        memcpy(hidden, lm_hidden(run), LARGE * D * sizeof *hidden);
        assert_int_equal(lm_forward_trunk(run, &batch, trunk, NULL), 0);
        for (int twice = 0; twice < 2; twice++) {
            assert_int_equal(lm_forward_from(run, &batch, trunk, NULL), 0);
            assert_memory_equal(lm_hidden(run), hidden, LARGE * D * sizeof *hidden);
        }
        void *blocks[] = {whole, suffix, hidden, trunk};
        for (size_t i = 0; i < 4; i++)
            mem_free(blocks[i]);
        lm_run_free(run);
        lm_model_free(m);
    }
}

/* Prompts go in together, later tokens one at a time or several, in other slots and another order. */
static void a_cached_pass_equals_a_full_one(void **state)
{
    (void)state;
    for (int family = 0; family < 2; family++) {
        struct lm_model *m = larger_model(family);
        struct lm_batch batch = larger_batch();
        struct lm_options options = options_of(LARGE, NULL);
        options.train = false;
        struct lm_run *full = run_of(m, options), *cached = run_of(m, options);
        size_t D = (size_t)m->shape.width;
        assert_int_equal(lm_forward(full, &batch, NULL, NULL), 0);
        struct lm_cache cache = {.slots = 5, .length = 160};
        struct attention a = {.kv_heads = m->shape.kv_heads, .head_width = m->shape.head_width};
        cache.values = mem_aligned(2 * attention_cache_size(&a, 5, 160), sizeof(float));
        int pieces[] = {57, 70, 1, 1, 30}, pasts[3] = {0}, slots[] = {4, 0, 2}, order[] = {0, 2, 3};
        for (size_t p = 0; p < 5; p++) { /* sequences 0, 2 and 3 have at least 130 tokens */
            int starts[4] = {0}, n = 0;
            int32_t tokens[LARGE];
            for (int s = 0; s < 3; s++) {
                int from = large_starts[order[s]] + pasts[s], left = large_starts[order[s] + 1] - from;
                int take = pieces[p] < left ? pieces[p] : left;
                take = take < 1 ? 1 : take;
                from = left < 1 ? from - 1 : from;
                pasts[s] -= left < 1;
                memcpy(tokens + n, large_tokens + from, (size_t)take * sizeof *tokens);
                starts[s + 1] = n += take;
            }
            struct lm_batch part = {.sequences = 3, .starts = starts, .tokens = tokens, .pasts = pasts, .slots = slots};
            assert_int_equal(lm_forward(cached, &part, &cache, NULL), 0);
            for (int s = 0; s < 3; s++) {
                size_t rows = (size_t)(starts[s + 1] - starts[s]);
                assert_close_f(rows * D, lm_hidden(cached) + (size_t)starts[s] * D,
                               lm_hidden(full) + (size_t)(large_starts[order[s]] + pasts[s]) * D, 5e-6);
                pasts[s] += (int)rows;
            }
        }
        mem_free(cache.values);
        lm_run_free(full);
        lm_run_free(cached);
        lm_model_free(m);
    }
}

static void impossible_batches_are_refused(void **state)
{
    (void)state;
    struct example x = load_example(fixtures[0]);
    settle(&x);
    struct err err;
    struct lm_options options = options_of(24, NULL);
    struct lm_run *run = run_of(x.model, options);
    assert_int_equal(lm_forward(run, &x.batch, NULL, &err), -1);
    assert_non_null(strstr(err.message, "the run holds 24"));
    int starts[] = {0, 21}, past = 3;
    struct lm_batch one = {.sequences = 1, .starts = starts, .tokens = x.tokens};
    assert_int_equal(lm_forward(run, &one, NULL, &err), -1); /* the context is 20 */
    starts[1] = 2;
    one.pasts = &past;
    assert_int_equal(lm_forward(run, &one, NULL, &err), -1); /* no cache */
    one.pasts = NULL;
    x.tokens[1] = x.model->shape.vocabulary;
    assert_int_equal(lm_forward(run, &one, NULL, &err), -1);
    assert_non_null(strstr(err.message, "vocabulary"));
    x.tokens[1] = -1;
    assert_int_equal(lm_forward(run, &one, NULL, &err), -1);
    starts[1] = 0;
    assert_int_equal(lm_forward(run, &one, NULL, &err), -1);
    starts[1] = 2;
    x.tokens[1] = 0;
    int backwards[] = {1, 0}, beyond[] = {0, 2};
    one.wanted = backwards;
    assert_int_equal(lm_forward(run, &one, NULL, &err), -1); /* none is wanted */
    one.wanted_count = 2;
    assert_int_equal(lm_forward(run, &one, NULL, &err), -1);
    assert_non_null(strstr(err.message, "ascend"));
    one.wanted = beyond;
    assert_int_equal(lm_forward(run, &one, NULL, &err), -1);
    one.wanted = NULL;
    assert_int_equal(lm_forward(run, &one, NULL, &err), 0);
    lm_run_free(run);
    free_example(&x);
}

static void memory_is_known_before_it_is_taken(void **state)
{
    (void)state;
    struct lm_model *m = larger_model(LM_LLAMA);
    struct lm_options options = options_of(LARGE, NULL);
    struct err err;
    options.memory_limit = lm_run_bytes(&m->shape, &options);
    struct lm_run *run = lm_run_new(m, &options, &err);
    assert_non_null(run);
    lm_run_free(run);
    options.memory_limit--;
    assert_null(lm_run_new(m, &options, &err));
    assert_int_equal(err.code, ERR_NO_MEMORY);
    assert_non_null(strstr(err.message, "are allowed"));
    options.memory_limit = 0;
    options.frozen = 3;
    assert_null(lm_run_new(m, &options, &err));
    for (int n = 1; n < 4; n++) {
        options.frozen = 0;
        mem_fail_nth(n);
        assert_null(lm_run_new(m, &options, &err));
        mem_fail_nth(0);
        assert_int_equal(err.code, ERR_NO_MEMORY);
    }
    lm_model_free(m);
}

/* Clipping, the other form of Adam, and a gradient that is not finite. */
static void the_optimiser_keeps_its_word(void **state)
{
    (void)state;
    struct example x = load_example(fixtures[0]);
    settle(&x);
    struct lm_run *run = run_of(x.model, options_of(MOST, NULL));
    struct adamw_options how = {.form = ADAM_TENSORFLOW, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-5f,
                                .clip = 0.01f};
    struct adamw *adam = adamw_new(x.model, run, &how, NULL);
    pass(run, &x);
    struct lm_trained t = lm_trained(run);
    double norm, square = 0;
    for (size_t i = 0; i < t.count; i++)
        square += (double)t.gradients[i] * t.gradients[i];
    float before = t.weights[100], g = t.gradients[100];
    assert_int_equal(adamw_step(adam, 0.1f, &norm, NULL), 0);
    assert_true(fabs(norm - sqrt(square)) < 1e-9 * norm && norm > 0.01);
    double clipped = g * 0.01 / norm, m = 0.1 * clipped, v = 0.001 * clipped * clipped;
    double want = before - 0.1 * sqrt(0.001) / 0.1 * m / (sqrt(v) + 1e-5);
    assert_true(fabs(t.weights[100] - want) < 1e-6);
    t.gradients[7] = NAN;
    before = t.weights[100];
    struct err err;
    assert_int_equal(adamw_step(adam, 0.1f, &norm, &err), -1);
    assert_int_equal(err.code, ERR_NUMERICAL);
    assert_true(t.weights[100] == before && adam->step == 1);
    adamw_free(adam);
    lm_run_free(run);
    free_example(&x);
}

static int start(void **state)
{
    (void)state;
    return blas_start(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_pytorchs),
        cmocka_unit_test(every_gradient_is_pytorchs),
        cmocka_unit_test(the_split_of_bf16_keeps_the_precision_of_gradients),
        cmocka_unit_test(twenty_steps_follow_pytorch),
        cmocka_unit_test(twenty_steps_in_bf16_stay_near),
        cmocka_unit_test(packed_equals_one_by_one),
        cmocka_unit_test(tokens_that_nobody_wants_change_nothing),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(recomputation_changes_nothing),
        cmocka_unit_test(chunks_of_logits_do_not_matter),
        cmocka_unit_test(gradients_match_a_finite_difference),
        cmocka_unit_test(a_frozen_trunk_is_a_suffix),
        cmocka_unit_test(a_cached_pass_equals_a_full_one),
        cmocka_unit_test(impossible_batches_are_refused),
        cmocka_unit_test(memory_is_known_before_it_is_taken),
        cmocka_unit_test(the_optimiser_keeps_its_word),
    };
    return cmocka_run_group_tests_name("lm_transformer", tests, start, NULL);
}
