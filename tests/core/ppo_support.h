/* What the tests of PPO share: a tiny random model, ragged prompts, and scores that count tokens. */
#ifndef EGALIGN_TEST_PPO_SUPPORT_H
#define EGALIGN_TEST_PPO_SUPPORT_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

#endif
