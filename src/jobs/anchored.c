#include "jobs/anchored.h"

#include <string.h>

#include "base/mem.h"
#include "core/align/encode.h"
#include "core/align/language_model.h"
#include "core/align/reward_scorer.h"
#include "core/scorer.h"
#include "jobs/machine.h"
#include "jobs/policy_folder.h"

struct anchored {
    struct scorer *scorer;
    struct language_model lm; /* of the features, when the fit needs one */
    struct encode *encode;
    struct reward_scorer *models; /* in place of all that */
    size_t model_bytes;
    struct group_rewards *rewards;
    const struct reference_set *references;
    double *reference_scores; /* [references][K + 1], anchored */
};

/* Lends the scorer the states of the policy that the fit was made with. */
static int lend(struct anchored *a, struct reporter *reporter, const struct fit_published *fit, struct err *err)
{
    const struct job_context *job = reporter->job;
    struct arena arena = {0};
    struct policy policy;
    struct encode_options options = {.memory_limit = machine_memory()};
    uint8_t identity[SHA256_SIZE];
    struct pg *pg = reporter_pg(reporter, 0, err);
    struct str name = {fit->encoder_policy.data ? fit->encoder_policy.data : "", fit->encoder_policy.length};
    int result = pg ? policy_read(pg, &job->lease->project, name, POLICY_WRITES, &arena, &policy, err) : -1;
    if (result == 0)
        result = policy_folder_check(&policy, err);
    if (result == 0)
        result = language_model_open(&a->lm, job->threads, err);
    if (result == 0)
        result = machine_load_model(&a->lm, policy.folder, err);
    if (result == 0) {
        options.gemm = a->lm.gemm;
        result = encode_open(a->lm.model, &a->lm.dialogue, &options, &a->encode, err);
    }
    if (result == 0) {
        encode_identity(policy.digest, &a->lm.model->shape, identity);
        struct scorer_encoder encoder = encode_for_scorer(a->encode, identity);
        result = scorer_lend_encoder(a->scorer, &encoder, err);
    }
    arena_free(&arena);
    return result;
}

static int open_models(struct anchored *a, const char *folder, int groups, int threads, struct err *err)
{
    struct lm_shape shapes[REWARD_SCORER_MODELS_MAX];
    int found;
    if (reward_scorer_shapes(folder, shapes, &found, err) < 0)
        return -1;
    if (found != groups)
        return err_set(err, ERR_BAD_FILE, "the fit has %d groups, and %s reward models of %d", groups, folder, found);
    a->model_bytes = reward_scorer_bytes(shapes, groups);
    if (machine_fits(a->model_bytes, err) < 0)
        return -1;
    return reward_scorer_open(folder, threads, &a->models, err);
}

int anchored_open(struct reporter *reporter, const struct fit_published *fit, const struct policy *models,
                  struct anchored **ret, struct err *err)
{
    struct anchored *a = mem_zeroed(1, sizeof *a);
    *ret = a;
    if (!a)
        return err_memory(err);
    if (models)
        return open_models(a, models->folder, fit->groups, reporter->job->threads, err);
    if (scorer_open(fit->model.data, fit->model.length, &a->scorer, err) < 0)
        return -1;
    if (scorer_groups(a->scorer) != fit->groups)
        return err_set(err, ERR_BAD_FILE, "the fit has %d groups and its model %d", fit->groups,
                       scorer_groups(a->scorer));
    return scorer_needs_encoder(a->scorer, NULL) ? lend(a, reporter, fit, err) : 0;
}

size_t anchored_bytes(const struct anchored *a)
{
    return a->model_bytes;
}

void anchored_free(struct anchored *a)
{
    if (!a)
        return;
    group_rewards_free(a->rewards);
    reward_scorer_free(a->models);
    scorer_free(a->scorer);
    encode_close(a->encode);
    language_model_close(&a->lm);
    mem_free(a->reference_scores);
    mem_free(a);
}

/* The references' own anchored scores. */
static int score_references(struct anchored *a, struct err *err)
{
    const struct reference_set *set = a->references;
    int n = set->start[set->prompts];
    size_t columns = (size_t)group_rewards_groups(a->rewards) + 1;
    int *prompt = mem_array((size_t)n, sizeof *prompt);
    a->reference_scores = mem_array((size_t)n * columns, sizeof *a->reference_scores);
    if (!prompt || !a->reference_scores) {
        mem_free(prompt);
        return err_memory(err);
    }
    for (int x = 0; x < set->prompts; x++)
        for (int i = set->start[x]; i < set->start[x + 1]; i++)
            prompt[i] = x;
    int result = group_rewards_score_all(a->rewards, n, prompt, set->response, a->reference_scores, err);
    mem_free(prompt);
    return result;
}

int anchored_on(struct anchored *a, enum anchor anchor, const struct reference_set *references, struct err *err)
{
    struct response_scorer scorer = a->models ? reward_scorer_as_response(a->models) : response_scorer_of(a->scorer);
    a->references = references;
    if (group_rewards_new(&scorer, anchor, references, &a->rewards, err) < 0)
        return -1;
    return score_references(a, err);
}

/* Views of the episodes' texts as people would see them, in `text`. */
static int readable(int n, const struct ppo_episode *episodes, struct buf *text, struct str *ret, struct err *err)
{
    for (int i = 0; i < n; i++) {
        size_t before = text->length;
        buf_readable(text, episodes[i].text.ptr, episodes[i].text.len);
        ret[i].len = text->length - before;
    }
    const char *at = text->data ? text->data : "";
    for (int i = 0; i < n; i++) {
        ret[i].ptr = at;
        at += ret[i].len;
    }
    return text->failed ? err_memory(err) : 0;
}

int anchored_score(void *context, int n, const struct ppo_episode *episodes, double *scores, struct err *err)
{
    struct anchored *a = context;
    struct buf text = {0};
    struct str *response = mem_array((size_t)n, sizeof *response);
    int *prompt = mem_array((size_t)n, sizeof *prompt);
    int result = response && prompt ? readable(n, episodes, &text, response, err) : err_memory(err);
    for (int i = 0; i < n && result == 0; i++)
        prompt[i] = episodes[i].prompt;
    if (result == 0)
        result = group_rewards_score_all(a->rewards, n, prompt, response, scores, err);
    mem_free(response);
    mem_free(prompt);
    buf_free(&text);
    return result;
}

void anchored_win_rates(const struct anchored *a, int n, const struct ppo_episode *episodes, const double *scores,
                        double *ret)
{
    int groups = group_rewards_groups(a->rewards);
    size_t columns = (size_t)groups + 1;
    const int *start = a->references->start;
    for (int u = 0; u < groups; u++) {
        double wins = 0;
        long pairs = 0;
        for (int i = 0; i < n; i++) {
            double mine = scores[(size_t)i * columns + (size_t)u];
            for (int k = start[episodes[i].prompt]; k < start[episodes[i].prompt + 1]; k++, pairs++) {
                double theirs = a->reference_scores[(size_t)k * columns + (size_t)u];
                wins += mine > theirs ? 1 : mine == theirs ? 0.5 : 0;
            }
        }
        ret[u] = wins / (double)pairs;
    }
}
