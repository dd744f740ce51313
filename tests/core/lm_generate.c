/* lm_generate: sampling from a distribution, and completions that depend on their key alone. */
#include "unit/test.h"

#include <string.h>

#include "core/blas.h"
#include "core/lm/checkpoint.h"
#include "core/lm/generate.h"
#include "core/lm/transformer.h"
#include "core/lm_support.h"

enum { V = 700, DRAWS = 20000 };

/* Frequencies of many draws fit the probabilities that remain allowed: chi-square over the tokens of `allowed`. */
static void check_frequencies(struct sampling how, const double *p, int allowed)
{
    static int counts[V];
    int order[V];
    memset(counts, 0, sizeof counts);
    double sum = 0, chi = 0;
    for (int i = 0; i < allowed; i++)
        sum += p[i];
    for (int d = 0; d < DRAWS; d++) {
        float logits[V], logp;
        for (int i = 0; i < V; i++)
            logits[i] = (float)log(p[i]) * how.temperature + 3;
        double u = sampling_uniform(1, 2, 3, (uint32_t)d);
        int token = sampling_draw(kernels_best(), &how, V, logits, u, order, &logp);
        assert_in_range(token, 0, allowed - 1);
        assert_true(fabs(logp - log(p[token])) < 1e-4);
        counts[token]++;
    }
    for (int i = 0; i < allowed; i++) {
        double want = DRAWS * p[i] / sum;
        chi += (counts[i] - want) * (counts[i] - want) / want;
    }
    assert_true(chi < allowed + 6 * sqrt(2.0 * allowed)); /* six standard deviations */
}

static void draws_follow_the_distribution(void **state)
{
    (void)state;
    double p[V], sum = 0, reached = 0;
    int enough = 0;
    for (int i = 0; i < V; i++)
        sum += p[i] = exp(-i / 90.0); /* falling, so the likeliest k are the first k */
    for (int i = 0; i < V; i++)
        p[i] /= sum;
    while (reached < 0.5)
        reached += p[enough++];
    check_frequencies((struct sampling){.temperature = 1, .top_p = 1}, p, V);
    check_frequencies((struct sampling){.temperature = 0.5f, .top_p = 1}, p, V);
    check_frequencies((struct sampling){.temperature = 1, .top_k = 5, .top_p = 1}, p, 5);
    check_frequencies((struct sampling){.temperature = 1, .top_p = 0.5f}, p, enough);
    check_frequencies((struct sampling){.temperature = 1, .top_k = 300, .top_p = 0.5f}, p, enough);
}

static void temperature_zero_takes_the_likeliest(void **state)
{
    (void)state;
    float logits[] = {1, 2, 5, 2, 4}, logp;
    struct sampling how = {.temperature = 0, .top_p = 1};
    assert_int_equal(sampling_draw(kernels_best(), &how, 5, logits, 0.999, NULL, &logp), 2);
    assert_true(fabs(logp + log(exp(-4) + 2 * exp(-3) + 1 + exp(-1))) < 1e-5);
}

enum { PROMPTS = 11, NEW = 9 };

struct result {
    int32_t tokens[PROMPTS * NEW];
    float logp[PROMPTS * NEW];
    int count[PROMPTS];
    bool ended[PROMPTS];
};

static int32_t prompt_tokens[PROMPTS][12];

/* Prompts of 1 .. 11 tokens, the last two the same prompt with other sample numbers. */
static void make_prompts(struct generate_prompt *prompts)
{
    struct rng rng;
    rng_init(&rng, 31, 0);
    for (int i = 0; i < PROMPTS; i++) {
        for (int t = 0; t < 12; t++)
            prompt_tokens[i][t] = (int32_t)rng_below(&rng, 70);
        prompts[i] = (struct generate_prompt){.id = 100 + (uint64_t)i, .tokens = prompt_tokens[i], .length = i + 1};
    }
    prompts[PROMPTS - 1] = prompts[PROMPTS - 2];
    prompts[PROMPTS - 1].sample = 1;
}

static struct generate_options options_of(int slots, struct threads *threads)
{
    return (struct generate_options){.gemm = {gemm_backend(NULL, NULL), threads}, .max_new = NEW, .eos = 11,
                                     .slots = slots, .sampling = {.seed = 5, .temperature = 1.2f, .top_p = 1}};
}

static void complete(const struct lm_model *m, const struct generate_options *o, int n,
                     const struct generate_prompt *prompts, struct result *r)
{
    struct err err = {0};
    struct generated out = {r->tokens, r->logp, r->count, r->ended};
    assert_int_equal(generate(m, o, n, prompts, &out, &err), 0);
}

/* The same completions whatever the slots and threads, and for a prompt alone as among others. */
static void completions_depend_on_their_key_alone(void **state)
{
    (void)state;
    struct threads *two = threads_new(2, NULL);
    for (int f = 0; f < 2; f++) {
        struct lm_model *m = checkpoint_load(f ? "tests/fixtures/lm_llama" : "tests/fixtures/lm_gpt2", NULL);
        struct generate_prompt prompts[PROMPTS];
        struct result all, other;
        make_prompts(prompts);
        struct generate_options o = options_of(PROMPTS, NULL);
        complete(m, &o, PROMPTS, prompts, &all);
        struct generate_options variants[] = {options_of(1, NULL), options_of(3, two), options_of(100, two)};
        for (int v = 0; v < 3; v++) {
            complete(m, &variants[v], PROMPTS, prompts, &other);
            for (int i = 0; i < PROMPTS; i++) {
                size_t n = (size_t)all.count[i];
                assert_int_equal(other.count[i], n);
                assert_int_equal(other.ended[i], all.ended[i]);
                assert_memory_equal(other.tokens + i * NEW, all.tokens + i * NEW, n * sizeof(int32_t));
                assert_close_f(n, other.logp + i * NEW, all.logp + i * NEW, 1e-5);
            }
        }
        complete(m, &o, 1, &prompts[7], &other);
        assert_memory_equal(other.tokens, all.tokens + 7 * NEW, (size_t)all.count[7] * sizeof(int32_t));
        assert_memory_not_equal(all.tokens + 9 * NEW, all.tokens + 10 * NEW, 4 * sizeof(int32_t)); /* two samples */
        lm_model_free(m);
    }
    threads_free(two);
}

/* The log-probabilities told are those of a full pass over prompt and completion. */
static void log_probabilities_are_those_of_a_full_pass(void **state)
{
    (void)state;
    struct lm_model *m = checkpoint_load("tests/fixtures/lm_llama", NULL);
    struct generate_prompt prompts[PROMPTS];
    struct result r;
    make_prompts(prompts);
    struct generate_options o = options_of(4, NULL);
    complete(m, &o, PROMPTS, prompts, &r);
    struct lm_options options = {.gemm = o.gemm, .max_tokens = 32};
    struct lm_run *run = lm_run_new(m, &options, NULL);
    int stops = 0;
    for (int i = 0; i < PROMPTS; i++) {
        int length = prompts[i].length, starts[] = {0, length + r.count[i]}, rows[NEW];
        int32_t tokens[32], targets[NEW];
        float logp[NEW];
        memcpy(tokens, prompts[i].tokens, (size_t)length * sizeof *tokens);
        memcpy(tokens + length, r.tokens + i * NEW, (size_t)r.count[i] * sizeof *tokens);
        for (int t = 0; t < r.count[i]; t++) {
            rows[t] = length + t - 1;
            targets[t] = r.tokens[i * NEW + t];
            assert_true((targets[t] == o.eos) == (r.ended[i] && t == r.count[i] - 1));
        }
        struct lm_batch batch = {.sequences = 1, .starts = starts, .tokens = tokens};
        assert_int_equal(lm_forward(run, &batch, NULL, NULL), 0);
        lm_head(run, &(struct lm_head_request){.count = r.count[i], .rows = rows, .targets = targets,
                                               .temperature = 1.2f, .logp = logp});
        assert_close_f((size_t)r.count[i], r.logp + i * NEW, logp, 2e-5);
        assert_true(r.ended[i] || r.count[i] == NEW);
        stops += r.ended[i];
    }
    assert_true(stops > 0 && stops < PROMPTS);
    lm_run_free(run);
    lm_model_free(m);
}

static bool stop_at_ten(void *context, long tokens)
{
    *(long *)context = tokens;
    return tokens >= 10;
}

static void limits_are_kept(void **state)
{
    (void)state;
    struct lm_model *m = checkpoint_load("tests/fixtures/lm_gpt2", NULL); /* context 20 */
    struct err err;
    struct generate_prompt prompts[PROMPTS];
    struct result r;
    struct generated out = {r.tokens, r.logp, r.count, r.ended};
    make_prompts(prompts);
    prompts[0].length = 12;
    struct generate_options o = options_of(4, NULL);
    o.eos = -1;
    int32_t many[64];
    float logp[64];
    struct generated wide = {many, logp, r.count, r.ended};
    o.max_new = 64;
    assert_int_equal(generate(m, &o, 1, prompts, &wide, &err), 0);
    assert_int_equal(r.count[0], 9); /* the last token drawn needs no place in the context */
    o.max_new = NEW;
    long tokens = 0;
    o.stop = stop_at_ten;
    o.context = &tokens;
    assert_int_equal(generate(m, &o, PROMPTS, prompts, &out, &err), -1);
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_in_range(tokens, 10, 13);
    o.stop = NULL;
    o.memory_limit = generate_bytes(&m->shape, &o, 12) - 1;
    assert_int_equal(generate(m, &o, PROMPTS, prompts, &out, &err), -1);
    assert_int_equal(err.code, ERR_NO_MEMORY);
    o.memory_limit++;
    assert_int_equal(generate(m, &o, PROMPTS, prompts, &out, &err), 0);
    prompts[1].length = 20;
    assert_int_equal(generate(m, &o, PROMPTS, prompts, &out, &err), -1);
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    o.sampling.top_p = 0;
    assert_int_equal(generate(m, &o, 1, prompts, &out, &err), -1);
    lm_model_free(m);
}

static int start(void **state)
{
    (void)state;
    return blas_start(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(temperature_zero_takes_the_likeliest),
        cmocka_unit_test(completions_depend_on_their_key_alone),
        cmocka_unit_test(log_probabilities_are_those_of_a_full_pass),
        cmocka_unit_test(limits_are_kept),
    };
    return cmocka_run_group_tests_name("lm_generate", tests, start, NULL);
}
