/* reviews_policy: a writer of reviews trained by PPO for one objective over the groups of a fit.
 *
 * Rewards are those of the fit, centred on what the writer itself answers to each prompt (group_rewards.h). Besides the
 * final policy it keeps the policies on the way, so that one of a given KL can be looked at. It refuses to evaluate.
 * The writer, the judge and the references are borrowed; the course of a training is owned by the caller. One thread.
 */
#ifndef EGALIGN_CORE_LAB_REVIEWS_POLICY_H
#define EGALIGN_CORE_LAB_REVIEWS_POLICY_H

#include "core/align/group_rewards.h"
#include "core/align/objective.h"
#include "core/align/ppo.h"
#include "core/lab/reviews_people.h"

enum { REVIEWS_SNAPSHOTS_MAX = 64 };

struct reviews_training {
    enum objective_mode mode;
    uint64_t seed;
    int updates, snapshot_every; /* at most REVIEWS_SNAPSHOTS_MAX snapshots */
    /* Told after each update; may be NULL. */
    void (*tell)(void *context, const struct ppo_metrics *metrics);
    void *context;
};

struct reviews_course {
    int snapshots;
    struct {
        struct lm_model *policy;
        double kl;                     /* to the writer, as the update after it saw it; of the last one NAN */
    } snapshot[REVIEWS_SNAPSHOTS_MAX]; /* the last one is the final policy */
    struct ppo_metrics last;
};

/* The hyperparameters: the published preset for small models, see docs/math.md. */
void reviews_ppo_options(const struct reviews_writer *w, const struct reviews_training *t, struct ppo_options *ret);

/* Trains on the prompts of `references`, the writer's own responses to them. What ppo_update says.
 * reviews_course_free in any case. */
int reviews_train(const struct reviews_writer *w, const struct reviews_judge *judge,
                  const struct reviews_samples *references, const struct reviews_training *training,
                  struct reviews_course *ret, struct err *err);
void reviews_course_free(struct reviews_course *c);

/* The rewards of the judge, centred on `references`. The caller frees them; the judge must outlive them. */
int reviews_rewards(const struct reviews_writer *w, const struct reviews_judge *judge,
                    const struct reviews_samples *references, struct group_rewards **ret, struct err *err);

#endif
