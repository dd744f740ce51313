#include "core/lab/reviews_policy.h"

#include <math.h>

#include "base/check.h"
#include "base/mem.h"
#include "core/align/ppo_presets.h"

enum { SLOTS = 128 };

int reviews_rewards(const struct reviews_writer *w, const struct reviews_judge *judge,
                    const struct reviews_samples *references, struct group_rewards **ret, struct err *err)
{
    int failed = -1;
    struct str *prompt = mem_array((size_t)references->prompts, sizeof *prompt);
    struct str *response = mem_array((size_t)references->count, sizeof *response);
    int *start = mem_array((size_t)references->prompts + 1, sizeof *start);
    *ret = NULL;
    if (!prompt || !response || !start) {
        err_memory(err);
        goto out;
    }
    for (int i = 0; i < references->prompts; i++)
        prompt[i] = reviews_writer_prompt(w, references->prompt[i]);
    for (int i = 0; i <= references->prompts; i++)
        start[i] = i * references->each;
    for (int i = 0; i < references->count; i++)
        response[i] = reviews_sampled(references, i);
    struct reference_set set = {references->prompts, prompt, start, response};
    struct response_scorer scorer = response_scorer_of(judge->scorer);
    failed = group_rewards_new(&scorer, ANCHOR_CENTRED, &set, ret, err);
out:
    mem_free(prompt);
    mem_free(response);
    mem_free(start);
    return failed;
}

static int score(void *context, int n, const struct ppo_episode *episodes, double *scores, struct err *err)
{
    const struct group_rewards *g = context;
    int width = group_rewards_groups(g) + 1;
    for (int i = 0; i < n; i++)
        if (group_rewards_score(g, episodes[i].prompt, episodes[i].text, scores + (size_t)i * (size_t)width, err) < 0)
            return -1;
    return 0;
}

void reviews_ppo_options(const struct reviews_writer *w, const struct reviews_training *t, struct ppo_options *ret)
{
    *ret = ppo_preset_of("small")->options;
    ret->gemm = w->gemm;
    ret->seed = t->seed;
    ret->updates = t->updates;
    ret->response_tokens = w->response_tokens;
    ret->slots = SLOTS;
    ret->score_clip = 3; /* further out than three s.d. of the references a reward is not to be trusted */
    ret->beta = 0.15;
    ret->adaptive_beta = false;
    ret->rate = 5e-4; /* a model this small learns nothing at the rates of large ones */
}

static int keep_snapshot(struct reviews_course *c, const struct ppo *p, struct err *err)
{
    CHECK(c->snapshots < REVIEWS_SNAPSHOTS_MAX);
    struct lm_model *policy = ppo_policy(p, err);
    if (!policy)
        return -1;
    c->snapshot[c->snapshots].policy = policy;
    c->snapshot[c->snapshots++].kl = NAN;
    return 0;
}

/* All updates; the KL that an update reports is that of the policy before it. */
static int run(struct ppo *p, const struct reviews_training *t, struct reviews_course *c, struct err *err)
{
    for (int i = 1; i <= t->updates; i++) {
        if (ppo_update(p, &c->last, err) < 0)
            return -1;
        if (c->snapshots > 0 && isnan(c->snapshot[c->snapshots - 1].kl))
            c->snapshot[c->snapshots - 1].kl = c->last.kl;
        if (t->tell)
            t->tell(t->context, &c->last);
        if ((i % t->snapshot_every == 0 || i == t->updates) && keep_snapshot(c, p, err) < 0)
            return -1;
    }
    return 0;
}

int reviews_train(const struct reviews_writer *w, const struct reviews_judge *judge,
                  const struct reviews_samples *references, const struct reviews_training *training,
                  struct reviews_course *ret, struct err *err)
{
    struct group_rewards *rewards = NULL;
    struct ppo_options options;
    struct objective_options objective;
    struct ppo *p = NULL;
    struct ppo_prompt *prompts = mem_array((size_t)references->prompts, sizeof *prompts);
    *ret = (struct reviews_course){0};
    int failed = prompts ? reviews_rewards(w, judge, references, &rewards, err) : err_memory(err);
    if (failed < 0)
        goto out;
    for (int i = 0; i < references->prompts; i++)
        prompts[i].length = reviews_writer_tokens(w, references->prompt[i], &prompts[i].tokens);
    reviews_ppo_options(w, training, &options);
    objective_options_default(training->mode, judge->fit->k, &objective);
    for (int u = 0; u < judge->fit->k; u++) {
        objective.eta[u] = judge->fit->group[u].weight;
        objective.size[u] = judge->fit->group[u].expected_size;
    }
    p = ppo_new(&(struct ppo_inputs){.policy = w->model,
                                     .tokenizer = w->tokenizer,
                                     .prompts = prompts,
                                     .prompt_count = references->prompts,
                                     .eos = w->dialogue.end,
                                     .groups = judge->fit->k,
                                     .score = score,
                                     .score_context = rewards,
                                     .objective = &objective},
                &options, err);
    failed = p ? run(p, training, ret, err) : -1;
out:
    ppo_free(p);
    group_rewards_free(rewards);
    mem_free(prompts);
    return failed;
}

void reviews_course_free(struct reviews_course *c)
{
    for (int i = 0; i < c->snapshots; i++)
        lm_model_free(c->snapshot[i].policy);
}
