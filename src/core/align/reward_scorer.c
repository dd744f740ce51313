#include "core/align/reward_scorer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/align/encode.h"
#include "core/align/snapshot.h"
#include "core/lm/checkpoint.h"
#include "core/lm/transformer.h"

struct reward_scorer {
    struct language_model lm; /* the single model, with what all share */
    int groups, longest;
    struct lm_model *model[RESPONSE_SCORER_GROUPS_MAX + 1]; /* the last one is lm's */
    struct lm_run *run[RESPONSE_SCORER_GROUPS_MAX + 1];
    struct token_list text;
};

/* path = folder/group-U, or folder/single for the last. */
static int folder_of(char path[PATH_MAX], const char *folder, int model, bool single, struct err *err)
{
    char name[32];
    snprintf(name, sizeof name, single ? "single" : "group-%d", model);
    return snapshot_path(path, folder, name, err);
}

int reward_scorer_save(const char *folder, int groups, struct lm_model *const *models, const struct dialogue *dialogue,
                       const char *like, struct err *err)
{
    char path[PATH_MAX];
    if (mkdir(folder, 0777) < 0 && errno != EEXIST)
        return err_errno(err, "cannot make %s", folder);
    for (int u = 0; u <= groups; u++)
        if (folder_of(path, folder, u, u == groups, err) < 0 ||
            checkpoint_save(models[u], path, like, DTYPE_F32, err) < 0 || dialogue_save(dialogue, path, err) < 0)
            return -1;
    return 0;
}

/* Working memory for model `u`, which must have one head and the shape of the single one. */
static int open_run(struct reward_scorer *s, int u, struct err *err)
{
    const struct lm_shape *shape = &s->model[u]->shape, *single = &s->lm.model->shape;
    struct lm_options options = {.gemm = s->lm.gemm, .max_tokens = s->longest, .max_sequence = s->longest,
                                 .head_rows = 1};
    if (shape->scalars != 1 || shape->vocabulary != single->vocabulary || shape->context != single->context)
        return err_set(err, ERR_BAD_FILE, "reward model %d does not fit the single one, or has no reward head", u);
    s->run[u] = lm_run_new(s->model[u], &options, err);
    return s->run[u] ? 0 : -1;
}

static int open_all(struct reward_scorer *s, const char *folder, int threads, struct err *err)
{
    char path[PATH_MAX];
    if (language_model_open(&s->lm, threads, err) < 0 || folder_of(path, folder, 0, true, err) < 0 ||
        language_model_load(&s->lm, path, err) < 0)
        return -1;
    int context = s->lm.model->shape.context;
    s->longest = context < ENCODE_LONGEST ? context : ENCODE_LONGEST;
    for (;; s->groups++) {
        if (folder_of(path, folder, s->groups, false, err) < 0)
            return -1;
        if (access(path, F_OK) != 0)
            break;
        if (s->groups == RESPONSE_SCORER_GROUPS_MAX)
            return err_set(err, ERR_BAD_FILE, "%s holds more than %d groups", folder, RESPONSE_SCORER_GROUPS_MAX);
        s->model[s->groups] = checkpoint_load(path, err);
        if (!s->model[s->groups] || open_run(s, s->groups, err) < 0)
            return -1;
    }
    if (s->groups == 0)
        return err_set(err, ERR_BAD_FILE, "%s holds no reward model of a group", folder);
    s->model[s->groups] = s->lm.model;
    return open_run(s, s->groups, err);
}

int reward_scorer_open(const char *folder, int threads, struct reward_scorer **ret, struct err *err)
{
    struct reward_scorer *s = mem_zeroed(1, sizeof *s);
    if (!s)
        return err_memory(err);
    if (open_all(s, folder, threads, err) < 0) {
        reward_scorer_free(s);
        return -1;
    }
    *ret = s;
    return 0;
}

void reward_scorer_free(struct reward_scorer *s)
{
    if (!s)
        return;
    for (int u = 0; u <= RESPONSE_SCORER_GROUPS_MAX; u++) {
        lm_run_free(s->run[u]);
        if (s->model[u] != s->lm.model)
            lm_model_free(s->model[u]);
    }
    token_list_free(&s->text);
    language_model_close(&s->lm);
    mem_free(s);
}

/* ret[groups + 1] of the sequence in s->text. */
static int score_sequence(struct reward_scorer *s, double *ret, struct err *err)
{
    int starts[2] = {0, (int)s->text.count}, last = starts[1] - 1;
    struct lm_batch batch = {
        .sequences = 1, .starts = starts, .tokens = s->text.ids, .wanted = &last, .wanted_count = 1};
    for (int u = 0; u <= s->groups; u++) {
        float reward;
        if (lm_forward(s->run[u], &batch, NULL, err) < 0)
            return -1;
        lm_scalars(s->run[u], 1, &last, &reward);
        if (!isfinite(reward))
            return err_set(err, ERR_NUMERICAL, "the reward of a response is not finite");
        ret[u] = reward;
    }
    return 0;
}

static int score(void *context, int n, const struct str *prompt, const struct str *response, double *ret,
                 struct err *err)
{
    struct reward_scorer *s = context;
    int read;
    for (int i = 0; i < n; i++)
        if (dialogue_sequence(&s->lm.dialogue, prompt[i], response[i], s->longest, &s->text, &read, err) < 0 ||
            score_sequence(s, ret + (size_t)i * ((size_t)s->groups + 1), err) < 0)
            return -1;
    return 0;
}

struct response_scorer reward_scorer_as_response(struct reward_scorer *s)
{
    return (struct response_scorer){s->groups, score, s};
}
