#include "core/align/reward_scorer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/align/encode.h"
#include "core/align/snapshot.h"
#include "core/lm/checkpoint.h"
#include "core/lm/checkpoint_digest.h"
#include "core/lm/transformer.h"

struct reward_scorer {
    struct language_model lm; /* the single model, with what all share */
    int groups, longest;
    struct lm_model *model[REWARD_SCORER_MODELS_MAX]; /* the last one is lm's */
    struct lm_run *run[REWARD_SCORER_MODELS_MAX];
    struct token_list text;
};

enum { NAME_SIZE = 32 };

/* group-U, or single for the last. */
static const char *name_of(char name[NAME_SIZE], int model, int groups)
{
    snprintf(name, NAME_SIZE, model == groups ? "single" : "group-%d", model);
    return name;
}

static int folder_of(char path[PATH_MAX], const char *folder, int model, int groups, struct err *err)
{
    char name[NAME_SIZE];
    return snapshot_path(path, folder, name_of(name, model, groups), err);
}

/* How many groups have a model in the folder; none is an error. */
static int count_groups(const char *folder, struct err *err)
{
    char path[PATH_MAX];
    for (int groups = 0; groups <= RESPONSE_SCORER_GROUPS_MAX; groups++) {
        if (folder_of(path, folder, groups, -1, err) < 0)
            return -1;
        if (access(path, F_OK) != 0)
            return groups ? groups : err_set(err, ERR_BAD_FILE, "%s holds no reward model of a group", folder);
    }
    return err_set(err, ERR_BAD_FILE, "%s holds more than %d groups", folder, RESPONSE_SCORER_GROUPS_MAX);
}

int reward_scorer_save(const char *folder, int groups, struct lm_model *const *models, const struct dialogue *dialogue,
                       const char *like, struct err *err)
{
    char path[PATH_MAX];
    if (mkdir(folder, 0777) < 0 && errno != EEXIST)
        return err_errno(err, "cannot make %s", folder);
    for (int u = 0; u <= groups; u++)
        if (folder_of(path, folder, u, groups, err) < 0 ||
            checkpoint_save(models[u], path, like, DTYPE_F32, err) < 0 || dialogue_save(dialogue, path, err) < 0)
            return -1;
    return 0;
}

/* ---- what a folder holds ---- */

int reward_scorer_shapes(const char *folder, struct lm_shape ret[REWARD_SCORER_MODELS_MAX], int *ret_groups,
                         struct err *err)
{
    char path[PATH_MAX];
    int groups = count_groups(folder, err);
    for (int u = 0; u <= groups && groups > 0; u++)
        if (folder_of(path, folder, u, groups, err) < 0 || checkpoint_shape(path, &ret[u], err) < 0)
            return -1;
    *ret_groups = groups;
    return groups < 0 ? -1 : 0;
}

static struct lm_options run_options(const struct lm_shape *single, struct gemm gemm)
{
    int longest = single->context < ENCODE_LONGEST ? single->context : ENCODE_LONGEST;
    return (struct lm_options){.gemm = gemm, .max_tokens = longest, .max_sequence = longest, .head_rows = 1};
}

size_t reward_scorer_bytes(const struct lm_shape *shapes, int groups)
{
    struct lm_options options = run_options(&shapes[groups], (struct gemm){NULL, NULL});
    size_t bytes = 0;
    for (int u = 0; u <= groups; u++) {
        struct lm_layout layout;
        if (lm_layout_make(&shapes[u], &layout, NULL) < 0)
            return SIZE_MAX;
        bytes += layout.count * sizeof(float) + lm_run_bytes(&shapes[u], &options);
        lm_layout_free(&layout);
    }
    return bytes;
}

int reward_scorer_digest(const char *folder, uint8_t ret[SHA256_SIZE], int64_t *ret_bytes, struct err *err)
{
    char path[PATH_MAX], name[NAME_SIZE];
    struct sha256 hash;
    int groups = count_groups(folder, err);
    *ret_bytes = 0;
    sha256_init(&hash);
    for (int u = 0; u <= groups && groups > 0; u++) {
        uint8_t digest[SHA256_SIZE];
        int64_t bytes;
        if (folder_of(path, folder, u, groups, err) < 0 || checkpoint_digest(path, digest, &bytes, err) < 0)
            return -1;
        name_of(name, u, groups);
        sha256_update(&hash, name, strlen(name) + 1);
        sha256_update(&hash, digest, sizeof digest);
        *ret_bytes += bytes;
    }
    sha256_final(&hash, ret);
    return groups < 0 ? -1 : 0;
}

/* ---- scoring ---- */

/* Working memory for model `u`, which must have one head and the shape of the single one. */
static int open_run(struct reward_scorer *s, int u, struct err *err)
{
    const struct lm_shape *shape = &s->model[u]->shape, *single = &s->lm.model->shape;
    struct lm_options options = run_options(single, s->lm.gemm);
    if (shape->scalars != 1 || shape->vocabulary != single->vocabulary || shape->context != single->context)
        return err_set(err, ERR_BAD_FILE, "reward model %d does not fit the single one, or has no reward head", u);
    s->run[u] = lm_run_new(s->model[u], &options, err);
    return s->run[u] ? 0 : -1;
}

static int open_all(struct reward_scorer *s, const char *folder, int threads, struct err *err)
{
    char path[PATH_MAX];
    int groups = count_groups(folder, err);
    if (groups < 0 || language_model_open(&s->lm, threads, err) < 0 ||
        folder_of(path, folder, groups, groups, err) < 0 || language_model_load(&s->lm, path, err) < 0)
        return -1;
    s->groups = groups;
    s->longest = run_options(&s->lm.model->shape, s->lm.gemm).max_sequence;
    for (int u = 0; u < groups; u++) {
        if (folder_of(path, folder, u, groups, err) < 0)
            return -1;
        s->model[u] = checkpoint_load(path, err);
        if (!s->model[u] || open_run(s, u, err) < 0)
            return -1;
    }
    s->model[groups] = s->lm.model;
    return open_run(s, groups, err);
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

int reward_scorer_groups(const struct reward_scorer *s)
{
    return s->groups;
}

void reward_scorer_free(struct reward_scorer *s)
{
    if (!s)
        return;
    for (int u = 0; u < REWARD_SCORER_MODELS_MAX; u++) {
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
