#include "formats/ppo_job_options.h"

#include <stdio.h>
#include <string.h>

#include "formats/sft_options.h"

enum { NAME_MOST = 63, GROUPS_MOST = 12, ITEMS_MOST = 10000, PROMPTS_MOST = 100000 };

/* In the order of enum objective_mode. */
const char *const ppo_job_objectives[] = {"single", "average", "nash", "alpha", "maxmin", "maxmin_argmin",
                                          "min_per_sample", "regret", NULL};
enum { SINGLE, AVERAGE, NASH, ALPHA, MAXMIN, REGRET = 7 };
const char *const ppo_job_anchors[] = {"centred", "win", NULL};

static const struct json_field best_item = JSON_ITEM(REAL, .low = -1e6, .high = 1e6);
static const struct json_field item_item = JSON_ITEM(UUID);

static const struct json_field fields[] = {
    [PPO_JOB_NAME] = JSON_FIELD(STR, struct ppo_job_settings, name, "name", .flags = JSON_REQUIRED, .least = 1,
                                .most = NAME_MOST, .about = "Of the policy that is made.", .example = "\"fair-1\""),
    [PPO_JOB_POLICY] = JSON_FIELD(STR, struct ppo_job_settings, policy, "policy", .flags = JSON_REQUIRED, .least = 1,
                                  .most = NAME_MOST,
                                  .about = "Where training starts, and what it is anchored on, by name or id.",
                                  .example = "\"answers-1\""),
    [PPO_JOB_FIT] = JSON_FIELD(UUID, struct ppo_job_settings, fit, "fit",
                               .about = "The fit whose groups reward; the published one when absent."),
    [PPO_JOB_REWARDS] = JSON_FIELD(STR, struct ppo_job_settings, rewards, "rewards", .least = 1, .most = NAME_MOST,
                                   .about = "The reward models of the fit's groups, by name or id of the set that a "
                                            "reward job made of this fit; the fit's own heads when absent.",
                                   .example = "\"rm-1\""),
    [PPO_JOB_OBJECTIVE] = JSON_FIELD(ENUM, struct ppo_job_settings, objective, "objective",
                                     .names = ppo_job_objectives,
                                     .about = "What the policy is trained for; that of the preset when absent.",
                                     .example = "\"maxmin\""),
    [PPO_JOB_ALPHA] = JSON_FIELD(REAL, struct ppo_job_settings, alpha, "alpha", .low = 0, .high = 100,
                                 .about = "Aversion to inequality of the objective `alpha`; 2 when absent."),
    [PPO_JOB_STEP] = JSON_FIELD(REAL, struct ppo_job_settings, step, "weight_step", .low = 1e-6, .high = 100,
                                .about = "Step of the group weights of `maxmin` and `regret`."),
    [PPO_JOB_EMA] = JSON_FIELD(REAL, struct ppo_job_settings, ema, "utility_smoothing", .low = 0, .high = 0.999,
                               .about = "Share of the former utilities that stays at an update."),
    [PPO_JOB_FLOOR] = JSON_FIELD(REAL, struct ppo_job_settings, floor, "weight_floor", .low = 0, .high = 1,
                                 .about = "Least weight of a group in `maxmin` and `regret`."),
    [PPO_JOB_DISAGREEMENT] = JSON_FIELD(REAL, struct ppo_job_settings, disagreement, "disagreement", .low = -1000,
                                        .high = 1000,
                                        .about = "Utility of a group where nothing is agreed on, for `nash`, `alpha`."),
    [PPO_JOB_BEST] = JSON_FIELD(LIST, struct ppo_job_settings, best, "best_utilities", .least = 1, .most = GROUPS_MOST,
                                .item = &best_item, .item_size = sizeof(double),
                                .about = "Utility of each group under the best policy for it alone, for `regret`."),
    [PPO_JOB_MIN_SIZE] = JSON_FIELD(REAL, struct ppo_job_settings, min_group_size, "min_group_size", .low = 0,
                                    .high = 1e6,
                                    .about = "A group of fewer expected annotators is too small to take a minimum "
                                             "over; 2 when absent."),
    [PPO_JOB_ANCHOR] = JSON_FIELD(ENUM, struct ppo_job_settings, anchor, "anchor", .names = ppo_job_anchors,
                                  .about = "How rewards of groups become comparable: centred and scaled by the "
                                           "references (default), or the probability to win against them."),
    [PPO_JOB_REFERENCE_COUNT] = JSON_FIELD(INT, struct ppo_job_settings, references, "references", .least = 1,
                                           .most = 64,
                                           .about = "Responses of the policy as it starts to each prompt, that rewards "
                                                    "are anchored on; 4 when absent."),
    [PPO_JOB_ITEMS] = JSON_FIELD(LIST, struct ppo_job_settings, items, "items", .flags = JSON_DISTINCT, .least = 1,
                                 .most = ITEMS_MOST, .item = &item_item, .item_size = sizeof(struct uuid),
                                 .about = "Items whose prompts are used; a sample of the project's when absent."),
    [PPO_JOB_PROMPT_COUNT] = JSON_FIELD(INT, struct ppo_job_settings, prompts, "prompts", .least = 1,
                                        .most = PROMPTS_MOST,
                                        .about = "Items of the sample at most; 1000 when absent."),
    [PPO_JOB_FORCE] = JSON_FIELD(BOOL, struct ppo_job_settings, force, "force",
                                 .about = "Train even where one group suffices or a group is too small."),
    [PPO_JOB_SAMPLED_EVERY] = JSON_FIELD(INT, struct ppo_job_settings, sample_every, "sample_every", .least = 0,
                                         .most = INT32_MAX,
                                         .about = "Updates between shown completions; 0: none; 10 when absent."),
    [PPO_JOB_SAMPLE_COUNT] = JSON_FIELD(INT, struct ppo_job_settings, samples, "samples", .least = 1, .most = 100,
                                        .about = "How many are shown then; 4 when absent."),
    [PPO_JOB_CHECKPOINT_EVERY] = JSON_FIELD(INT, struct ppo_job_settings, checkpoint_every, "checkpoint_every",
                                            .least = 1, .most = INT32_MAX,
                                            .about = "Updates between checkpoints; every two minutes when absent."),
    [PPO_JOB_STORE] = JSON_FIELD(ENUM, struct ppo_job_settings, store, "store", .names = sft_settings_stores,
                                 .about = "How the weights are stored; fp32 when absent, bf16 where they stayed in "
                                           "their files."),
    [PPO_JOB_PPO] = JSON_FIELD_OBJECT(struct ppo_job_settings, ppo, "ppo", &ppo_settings_shape,
                                      .about = "Hyperparameters of PPO.", .example = "{\"preset\":\"small\"}"),
};

const struct json_shape ppo_job_settings_shape =
    JSON_SHAPE(struct ppo_job_settings, fields, "PpoOptions",
               "Training of a policy by PPO for the groups of a fit; what is not given keeps its default.");

static int wrong(struct err *err, const char *pointer, const char *member, const char *what)
{
    char at[sizeof err->pointer];
    snprintf(at, sizeof at, "%s%s", pointer, member);
    return err_at(err, ERR_INVALID_VALUE, at, "%s", what);
}

bool ppo_job_takes_minimum(const struct ppo_job_settings *s)
{
    return !json_given(&s->seen, PPO_JOB_OBJECTIVE) || s->objective >= MAXMIN;
}

int ppo_job_check_groups(const struct ppo_job_settings *s, bool one_suffices, int groups, const double *sizes,
                         const char *pointer, struct err *err)
{
    double least = json_given(&s->seen, PPO_JOB_MIN_SIZE) ? s->min_group_size : PPO_JOB_MIN_GROUP_SIZE;
    if (s->best.count > 0 && s->best.count != (size_t)groups)
        return wrong(err, pointer, "/best_utilities", "there must be one for each group of the fit");
    if (!ppo_job_takes_minimum(s) || s->force)
        return 0;
    if (one_suffices || groups == 1)
        return err_set(err, ERR_CONFLICT, "the fit found that one group suffices, so there is no worst-off group: "
                                          "train with the objective single, or say force");
    for (int u = 0; u < groups; u++)
        if (sizes[u] < least)
            return err_set(err, ERR_INSUFFICIENT_DATA,
                           "group %d has an effective size of %.2f annotators, below the minimum of %g: collect more "
                           "comparisons, or say force to leave it out",
                           u, sizes[u], least);
    return 0;
}

int ppo_job_check_rewards(const struct ppo_job_settings *s, const struct uuid *fit, struct err *err)
{
    char is[UUID_TEXT_SIZE], wanted[UUID_TEXT_SIZE];
    if (memcmp(&s->fit, fit, sizeof *fit) == 0)
        return 0;
    return err_set(err, ERR_CONFLICT,
                   "the reward models %.*s are those of the groups of fit %s, not of fit %s: name that fit, or make "
                   "reward models of this one",
                   (int)s->rewards.len, s->rewards.ptr, uuid_format(fit, is), uuid_format(&s->fit, wanted));
}

int ppo_job_settings_check(const struct ppo_job_settings *s, const char *pointer, struct err *err)
{
    char ppo[64];
    bool given = json_given(&s->seen, PPO_JOB_OBJECTIVE);
    bool regret = given && s->objective == REGRET;
    if (regret && s->best.count == 0)
        return wrong(err, pointer, "/best_utilities", "the objective regret needs the best utility of each group");
    if (!regret && s->best.count > 0)
        return wrong(err, pointer, "/best_utilities", "only the objective regret has a use for it");
    if (json_given(&s->seen, PPO_JOB_ALPHA) && !(given && s->objective == ALPHA))
        return wrong(err, pointer, "/alpha", "only the objective alpha has a use for it");
    if (s->items.count > 0 && json_given(&s->seen, PPO_JOB_PROMPT_COUNT))
        return wrong(err, pointer, "/prompts", "items and prompts contradict each other");
    snprintf(ppo, sizeof ppo, "%s/ppo", pointer);
    return ppo_settings_check(&s->ppo, ppo, err);
}

int ppo_job_settings_read(char *text, size_t length, struct ppo_job_settings *ret, struct arena *arena,
                          struct err *err)
{
    static const struct json_limits limits = {.depth = 5, .text_bytes = 4096};
    if (json_read(text, length, &ppo_job_settings_shape, &limits, ret, arena, err) < 0)
        return -1;
    return ppo_job_settings_check(ret, "", err);
}
