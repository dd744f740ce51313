/* ppo_job_options: the options of a ppo job: which policy is trained for the groups of which fit, by which objective,
 * on which prompts; the hyperparameters of PPO are a member (ppo_options.h).
 *
 * One table says names, types and ranges. It refuses to know which policies, fits and items there are, and how large
 * their groups are. A zeroed struct holds no option at all. Owned by the caller; texts are views. */
#ifndef EGALIGN_FORMATS_PPO_JOB_OPTIONS_H
#define EGALIGN_FORMATS_PPO_JOB_OPTIONS_H

#include "formats/ppo_options.h"

/* What a member that was not given stands for. */
enum { PPO_JOB_REFERENCES = 4, PPO_JOB_PROMPTS = 1000, PPO_JOB_SAMPLE_EVERY = 10, PPO_JOB_SAMPLES = 4 };
#define PPO_JOB_MIN_GROUP_SIZE 2.0 /* as a fit has it */

struct ppo_job_settings {
    struct json_seen seen;
    struct str name;             /* of the policy that is made */
    struct str policy;           /* name or id of the reference */
    struct uuid fit;
    struct str rewards;          /* name or id of a set of reward models; ptr NULL: the fit's heads */
    int objective;               /* position in ppo_job_objectives */
    double alpha, step, ema, floor, disagreement;
    struct json_list best;       /* of double: F_u* of each group */
    double min_group_size;
    int anchor;                  /* position in ppo_job_anchors */
    int64_t references;          /* responses of the reference policy to each prompt */
    struct json_list items;      /* of struct uuid */
    int64_t prompts;
    bool force;
    int64_t sample_every, samples, checkpoint_every;
    int store;                   /* position in sft_settings_stores */
    struct ppo_settings ppo;
};

/* Bits of seen.given. */
enum {
    PPO_JOB_NAME, PPO_JOB_POLICY, PPO_JOB_FIT, PPO_JOB_REWARDS, PPO_JOB_OBJECTIVE, PPO_JOB_ALPHA, PPO_JOB_STEP,
    PPO_JOB_EMA, PPO_JOB_FLOOR, PPO_JOB_DISAGREEMENT, PPO_JOB_BEST, PPO_JOB_MIN_SIZE, PPO_JOB_ANCHOR,
    PPO_JOB_REFERENCE_COUNT, PPO_JOB_ITEMS, PPO_JOB_PROMPT_COUNT, PPO_JOB_FORCE, PPO_JOB_SAMPLED_EVERY,
    PPO_JOB_SAMPLE_COUNT, PPO_JOB_CHECKPOINT_EVERY, PPO_JOB_STORE, PPO_JOB_PPO
};

extern const char *const ppo_job_objectives[]; /* those of core/align/objective.h, in its order */
extern const char *const ppo_job_anchors[];    /* those of core/align/group_rewards.h */
extern const struct json_shape ppo_job_settings_shape;

/* Whether the objective, the given one or that of the preset, takes a minimum over groups, so that groups must be there
 * and be large enough. */
bool ppo_job_takes_minimum(const struct ppo_job_settings *s);

/* Whether a job may be trained for these groups of sizes[groups] expected annotators: for an objective that takes a
 * minimum there must be several, each large enough, unless it is forced. ERR_CONFLICT (one group suffices),
 * ERR_INSUFFICIENT_DATA (one is too small); ERR_INVALID_VALUE with a pointer when the best utilities are not one for
 * each group. */
int ppo_job_check_groups(const struct ppo_job_settings *s, bool one_suffices, int groups, const double *sizes,
                         const char *pointer, struct err *err);

/* Whether reward models of the groups of `fit` may reward this job, whose own fit is settled. ERR_CONFLICT. */
int ppo_job_check_rewards(const struct ppo_job_settings *s, const struct uuid *fit, struct err *err);

/* What no table of ranges says. ERR_INVALID_VALUE, ERR_MISSING_MEMBER with a pointer below `pointer` ("" for a document
 * of its own). */
int ppo_job_settings_check(const struct ppo_job_settings *s, const char *pointer, struct err *err);

/* Reads and checks a document; the text is changed and must outlive *ret, text[length] is '\0'. */
int ppo_job_settings_read(char *text, size_t length, struct ppo_job_settings *ret, struct arena *arena,
                          struct err *err);

#endif
