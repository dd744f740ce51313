#include "jobs/policy_folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/folder.h"
#include "base/json_text.h"
#include "base/version.h"
#include "core/align/reward_scorer.h"
#include "core/lm/checkpoint.h"
#include "core/lm/checkpoint_digest.h"
#include "store/policy_place.h"

static int count_parameters(const struct lm_shape *shape, int64_t *ret, struct err *err)
{
    struct lm_layout layout;
    if (lm_layout_make(shape, &layout, err) < 0)
        return -1;
    *ret = 0;
    for (int i = 0; i < layout.tensor_count; i++)
        *ret += (int64_t)lm_tensor_count(&layout.tensors[i]);
    lm_layout_free(&layout);
    return 0;
}

/* The shapes of the models in the folder: one of a language model; K + 1 of reward models. How many, or -1. */
static int shapes_of(const char *folder, enum policy_role role, struct lm_shape ret[REWARD_SCORER_MODELS_MAX],
                     struct err *err)
{
    int groups;
    if (role == POLICY_REWARDS)
        return reward_scorer_shapes(folder, ret, &groups, err) < 0 ? -1 : groups + 1;
    if (checkpoint_shape(folder, ret, err) < 0)
        return -1;
    if (ret->scalars > 0) /* PPO would take its head for that of the values */
        return err_set(err, ERR_BAD_FILE,
                       "%s is a reward model: it has %d scalar head(s) in score.weight, and a policy has none", folder,
                       ret->scalars);
    return 1;
}

static int digest(const char *folder, enum policy_role role, uint8_t ret[SHA256_SIZE], int64_t *ret_bytes,
                  struct err *err)
{
    return (role == POLICY_REWARDS ? reward_scorer_digest : checkpoint_digest)(folder, ret, ret_bytes, err);
}

int policy_folder_facts(const char *folder, enum policy_role role, struct policy_facts *ret, struct err *err)
{
    struct lm_shape shapes[REWARD_SCORER_MODELS_MAX];
    int models = shapes_of(folder, role, shapes, err);
    ret->parameters = 0;
    for (int i = 0; i < models; i++) {
        int64_t parameters;
        if (count_parameters(&shapes[i], &parameters, err) < 0)
            return -1;
        ret->parameters += parameters;
        ret->family = lm_family_name(shapes[i].family);
    }
    return models < 0 ? -1 : digest(folder, role, ret->digest, &ret->bytes, err);
}

int policy_folder_check(const struct policy *policy, struct err *err)
{
    uint8_t now[SHA256_SIZE];
    int64_t bytes;
    if (digest(policy->folder, policy->role, now, &bytes, err) < 0)
        return -1;
    if (memcmp(now, policy->digest, sizeof now) != 0)
        return err_set(err, ERR_BAD_FILE, "%s has changed since it became the policy %s", policy->folder, policy->name);
    return 0;
}

/* ---- removing ---- */

int policy_folder_discard(struct pg *pg, const char *model_folder, struct err *err)
{
    struct arena arena = {0};
    struct policy policy = {0};
    int removed = 0, found;
    while ((found = policy_discarded(pg, policy.name ? &policy.id : NULL, &arena, &policy, err)) > 0) {
        char own[PLACE_PATH];
        if (policy_place_own(model_folder, &policy.id, own, err) < 0 || strcmp(policy.folder, own) != 0 ||
            folder_remove(own, NULL) < 0)
            continue; /* another machine's, or not to be removed now */
        found = policy_folder_gone(pg, &policy.id, err);
        if (found < 0)
            break;
        removed++;
    }
    arena_free(&arena);
    return found < 0 ? -1 : removed;
}

/* ---- publishing ---- */

/* Moves the folder to its place. What lies there is of an earlier attempt that got no further. */
static int move(const char *written, const char *own, const char *model_folder, struct err *err)
{
    char parent[PLACE_PATH];
    if (place_file(model_folder, "policies", parent, err) < 0)
        return -1;
    if (mkdir(parent, 0755) < 0 && errno != EEXIST)
        return err_errno(err, "cannot make %s", parent);
    if (folder_flush(written, err) < 0 || folder_remove(own, err) < 0)
        return -1;
    if (rename(written, own) < 0)
        return err_errno(err, "cannot move %s to %s", written, own);
    return folder_flush(parent, err);
}

int policy_folder_finish(struct reporter *reporter, const char *folder, const struct policy_facts *facts,
                         struct err *err)
{
    int tried = 0;
    do {
        struct pg *pg = reporter_pg(reporter, 0, err);
        if (pg && policy_publish(pg, reporter->job->lease, folder, facts, err) == 0)
            return 0;
    } while (reporter_again(reporter, ++tried, err));
    return -1;
}

static int publish(struct reporter *reporter, const char *written, struct err *err)
{
    const struct job_context *job = reporter->job;
    struct arena arena = {0};
    struct policy policy;
    struct policy_facts facts = {0};
    char own[PLACE_PATH];
    struct pg *pg = reporter_pg(reporter, 0, err);
    int result = pg ? policy_of_job(pg, job->lease, &arena, &policy, err) : -1;
    if (result == 0 && policy.ready) /* by a later attempt: its files must stay */
        result = err_set(err, ERR_LEASE_LOST, "the policy %s was published by another attempt", policy.name);
    if (result == 0)
        result = policy_place_own(job->model_folder, &policy.id, own, err);
    if (result == 0)
        result = move(written, own, job->model_folder, err);
    if (result == 0)
        result = policy_folder_facts(own, policy.role, &facts, err);
    if (result == 0)
        result = policy_folder_finish(reporter, own, &facts, err);
    arena_free(&arena);
    return result;
}

static int complete_recipe(struct reporter *reporter, struct buf *recipe, struct err *err)
{
    char program[96];
    snprintf(program, sizeof program, "%s (%s)", version_number, version_revision);
    json_member_text(recipe, "program", program);
    json_close(recipe, '}');
    if (recipe->failed)
        return err_memory(err);
    int tried = 0;
    do {
        struct pg *pg = reporter_pg(reporter, 0, err);
        struct str members = {recipe->data, recipe->length};
        if (pg && policy_recipe_add(pg, reporter->job->lease, members, err) == 0)
            return 0;
    } while (reporter_again(reporter, ++tried, err));
    return -1;
}

int policy_folder_publish(struct reporter *reporter, struct buf *recipe, const char *written, const char *work,
                          struct err *err)
{
    struct err ignored;
    if (complete_recipe(reporter, recipe, err) < 0 || publish(reporter, written, err) < 0)
        return -1;
    folder_remove(work, &ignored); /* what is left of it costs room, not correctness */
    return 0;
}
