/* What the tests of PPO share: a tiny random model, ragged prompts, and scores that count tokens. */
#ifndef EGALIGN_TEST_PPO_SUPPORT_H
#define EGALIGN_TEST_PPO_SUPPORT_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "core/align/ppo_parts.h"
#include "core/blas.h"
#include "core/model_support.h"

enum { VOCABULARY = 30, END = 29, FIRST_WANTED = 3, SECOND_WANTED = 4, PROMPTS = 11, RESPONSE = 6 };

struct ppo_fixture {
    struct lm_model *model;
    struct ppo_prompt prompts[PROMPTS];
    int32_t tokens[PROMPTS * 5];
    struct objective_options objective;
    struct ppo_options options;
    struct ppo_inputs inputs;
    int scored;     /* calls */
    int fail_from;  /* the call from which on a score is NaN; 0: none */
};

/* Group 0 likes FIRST_WANTED, group 1 SECOND_WANTED: the share of the response that it is. The pooled reward is .8 of
 * group 0 and .2 of group 1. */
static int count_tokens(void *context, int n, const struct ppo_episode *episodes, double *scores, struct err *err)
{
    struct ppo_fixture *f = context;
    (void)err;
    f->scored++;
    for (int i = 0; i < n; i++) {
        double first = 0, second = 0;
        for (int t = 0; t < episodes[i].count; t++) {
            first += (episodes[i].tokens[t] == FIRST_WANTED) / (double)RESPONSE;
            second += (episodes[i].tokens[t] == SECOND_WANTED) / (double)RESPONSE;
        }
        scores[3 * i] = first;
        scores[3 * i + 1] = second;
        scores[3 * i + 2] = 0.8 * first + 0.2 * second;
    }
    if (f->fail_from && f->scored >= f->fail_from)
        scores[4] = NAN;
    return 0;
}

static struct lm_model *tiny_model(int layers, int width, uint64_t seed)
{
    return tiny_gpt2(VOCABULARY, 16, layers, width, END, seed);
}

static void ppo_fixture_make(struct ppo_fixture *f, enum objective_mode mode)
{
    *f = (struct ppo_fixture){.model = tiny_model(2, 32, 3)};
    for (int i = 0; i < PROMPTS; i++) {
        f->prompts[i] = (struct ppo_prompt){f->tokens + 5 * i, 1 + i % 5};
        for (int t = 0; t < 5; t++)
            f->tokens[5 * i + t] = (7 * i + 3 * t) % (VOCABULARY - 1);
    }
    objective_options_default(mode, 2, &f->objective);
    f->options = (struct ppo_options){.gemm = {.backend = gemm_backend(NULL, NULL)},
                                      .seed = 7,
                                      .updates = 6,
                                      .episodes = 24,
                                      .samples = 2,
                                      .response_tokens = RESPONSE,
                                      .temperature = 0.7,
                                      .cut_token = -1,
                                      .slots = 5,
                                      .gamma = 1,
                                      .lambda = 0.95,
                                      .beta = 0.05,
                                      .epochs = 3,
                                      .minibatches = 4,
                                      .ratio_clip = 0.2,
                                      .value_clip = 0.2,
                                      .value_coefficient = 0.1,
                                      .rate = 1e-3,
                                      .schedule = PPO_LINEAR,
                                      .adam_form = ADAM_TENSORFLOW,
                                      .beta1 = 0.9,
                                      .beta2 = 0.999,
                                      .epsilon = 1e-5,
                                      .gradient_clip = 1};
    f->inputs = (struct ppo_inputs){.policy = f->model,
                                    .prompts = f->prompts,
                                    .prompt_count = PROMPTS,
                                    .eos = END,
                                    .groups = 2,
                                    .score = count_tokens,
                                    .score_context = f,
                                    .objective = &f->objective};
}

static struct ppo *ppo_open(const struct ppo_fixture *f)
{
    struct err err = {0};
    struct ppo *p = ppo_new(&f->inputs, &f->options, &err);
    if (!p)
        fail_msg("%s", err.message);
    return p;
}

static void must_update(struct ppo *p, struct ppo_metrics *m)
{
    struct err err = {0};
    if (ppo_update(p, m, &err) < 0)
        fail_msg("%s", err.message);
}

__attribute__((unused)) static void run_updates(struct ppo *p, int count)
{
    struct ppo_metrics m;
    for (int i = 0; i < count; i++)
        must_update(p, &m);
}

/* Runs the passes of one minibatch without moving the weights; the gradient is left behind. Returns the whole loss. */
__attribute__((unused)) static double loss_here(struct ppo *p)
{
    struct err err = {0};
    struct ppo_metrics m = {.rate = 0};
    if (ppo_learn(p, &m, &err) < 0)
        fail_msg("%s", err.message);
    return m.policy_loss + p->options.value_coefficient * m.value_loss -
           p->options.entropy_coefficient * m.policy_entropy;
}

__attribute__((unused)) static void move_along(struct ppo *p, double step, const double *direction)
{
    struct lm_trained t = lm_trained(p->run);
    for (size_t i = 0; i < t.count; i++)
        t.weights[i] = (float)(t.weights[i] + step * direction[i]);
}

/* Both losses and the entropy, over one minibatch of several packs that is sampled, scored and rewarded. */
__attribute__((unused)) static struct ppo *ppo_of_one_minibatch(struct ppo_fixture *f)
{
    struct err err = {0};
    struct ppo_metrics m = {0};
    f->options.epochs = f->options.minibatches = 1;
    f->options.pack_tokens = 40;
    f->options.value_coefficient = 1;
    f->options.entropy_coefficient = 0.1;
    struct ppo *p = ppo_open(f);
    assert_int_equal(ppo_sample(p, &err), 0);
    assert_int_equal(ppo_ask_scores(p, &err), 0);
    assert_int_equal(ppo_prepare(p, &err), 0);
    assert_int_equal(ppo_reward(p, &m, &err), 0);
    return p;
}

/* Moves what is trained away from the policy that sampled; returns its size. */
__attribute__((unused)) static size_t move_away(struct ppo *p)
{
    struct lm_trained t = lm_trained(p->run);
    struct rng rng;
    rng_init(&rng, 5, 0);
    for (size_t i = 0; i < t.count; i++)
        t.weights[i] += (float)(0.01 * rng_normal(&rng));
    return t.count;
}

/* The gradient of elements from .. to - 1 of what is trained beside central differences: along itself, and along random
 * directions. */
__attribute__((unused)) static void gradient_beside_differences(struct ppo *p, size_t from, size_t to)
{
    struct lm_trained t = lm_trained(p->run);
    double *direction = calloc(t.count, sizeof *direction), *gradient = malloc(t.count * sizeof *gradient);
    struct rng rng;
    rng_init(&rng, 6, 0);
    loss_here(p);
    for (size_t i = 0; i < t.count; i++)
        gradient[i] = t.gradients[i];
    for (int trial = 0; trial < 4; trial++) {
        double norm = 0, slope = 0;
        const double h = 2e-3;
        for (size_t i = from; i < to; i++) {
            direction[i] = trial == 0 ? gradient[i] : gradient[i] * (1 + rng_normal(&rng));
            norm += direction[i] * direction[i];
        }
        for (size_t i = from; i < to; i++) {
            direction[i] /= sqrt(norm);
            slope += direction[i] * gradient[i];
        }
        move_along(p, h, direction);
        double above = loss_here(p);
        move_along(p, -2 * h, direction);
        double below = loss_here(p);
        move_along(p, h, direction);
        assert_true(slope > 0.01);
        if (!(fabs((above - below) / (2 * h) / slope - 1) < 0.01))
            fail_msg("%g by differences, %g", (above - below) / (2 * h), slope);
    }
    free(direction);
    free(gradient);
}

/* An update with each of its first `most` allocations failed once. Each time it either ends with ERR_NO_MEMORY or,
 * where only a prediction of memory was lost, is done; returns how often it ended. */
static inline int ppo_fail_allocations(const struct ppo_fixture *f, long most)
{
    struct ppo_metrics m;
    int failures = 0;
    for (long n = 1; n <= most; n++) {
        struct err err = {0};
        mem_fail_nth(n);
        struct ppo *p = ppo_new(&f->inputs, &f->options, &err);
        bool done = p && ppo_update(p, &m, &err) == 0;
        mem_fail_nth(0);
        assert_int_equal(err.code, done ? ERR_OK : ERR_NO_MEMORY);
        failures += !done;
        ppo_free(p);
    }
    return failures;
}

#endif
