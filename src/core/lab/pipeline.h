/* pipeline: from comparisons of a synthetic population to a policy over finite candidates, and how its groups truly
 * fare.
 *
 * Two groups with linear rewards (world.h) compare; a mixture of two and the single reward are fitted; PIPELINE_PROMPTS
 * prompts of PIPELINE_EACH candidates each are drawn, x ~ N(0, I), the reference being uniform over them. Policies are
 * made from the learned rewards and judged by the true ones. The learned groups are named as the true ones they are
 * nearest to.
 *
 * Private to src/core/lab. Owned by the caller; one thread. */
#ifndef EGALIGN_CORE_LAB_PIPELINE_H
#define EGALIGN_CORE_LAB_PIPELINE_H

#include "core/align/candidates.h"
#include "core/align/objective.h"
#include "core/lab/lab_parts.h"

enum { PIPELINE_PROMPTS = 200, PIPELINE_EACH = 16, PIPELINE_CANDIDATES = PIPELINE_PROMPTS * PIPELINE_EACH };

struct pipeline {
    struct candidates learned; /* rewards of the two groups and the single one, not anchored */
    struct candidates truth;   /* true rewards; in the third column the first group's again */
    double eta[2];             /* shares that the mixture found */
    double placed;             /* share of the annotators placed right */
    int start[PIPELINE_PROMPTS + 1];
    double learned_reward[3 * PIPELINE_CANDIDATES], truth_reward[3 * PIPELINE_CANDIDATES];
};

/* sizes[2] annotators of the first and the second group, `pairs` comparisons each. ERR_NO_MEMORY. */
int pipeline_new(const struct lab *lab, const int *sizes, int pairs, uint64_t seed, struct pipeline **ret,
                 struct err *err);
void pipeline_free(struct pipeline *p);

/* Win rates against the reference by the true rewards: ret[2]. */
void pipeline_win_rates(const struct pipeline *p, const double *policy, double *ret);

/* How a policy is improved, update by update, without sampling from a network: its log-ratio to the reference moves a
 * share `rate` of the way to (scalar reward) / beta, a natural-gradient step of a policy with a logit per candidate. */
struct ascent {
    int updates;
    double rate;
    bool sampled; /* utilities from one sampled candidate per prompt, as PPO has them, and not exact */
    uint64_t seed;
};

extern const struct ascent pipeline_ascent; /* 600 updates at rate 0.2, exact utilities */

/* beta of T5, 0.5 in units of log-odds. Anchored rewards have the reference s.d. as their unit, which is |theta| = 2
 * log-odds for x ~ N(0, I): in these units beta is a half of that. */
#define PIPELINE_BETA 0.25

/* The options of the experiments for a mode: step 0.02, and for max-min ema 0.8; eta as the mixture found it. */
void pipeline_objective(enum objective_mode mode, const struct pipeline *p, struct objective_options *ret);

/* How policies that were trained on what was learned truly fare: win rates against the reference of the majority and
 * the minority, and KL to the reference in nats a prompt. */
struct fare {
    double maxmin[2], single[2];
    double equal[2]; /* the single reward at the KL of max-min */
    double maxmin_kl, single_kl;
};

/* Anchors the learned rewards (again, when they are), trains max-min by exponentiated gradient and the single
 * reward. */
int pipeline_fare(struct pipeline *p, double beta, struct fare *ret, struct err *err);

/* Trains on `c` under the objective and gives the last policy[candidates]. ERR_NUMERICAL, ERR_NO_MEMORY. */
int pipeline_train(const struct candidates *c, const struct objective_options *o, double beta, const struct ascent *how,
                   double *policy, struct err *err);

/* The policy that is best for the single reward (column 2) at KL = kl: policy[candidates]. */
void pipeline_single_at(const struct candidates *c, double kl, double *policy);

/* The policy that is best for the single reward at this beta. */
void pipeline_single(const struct candidates *c, double beta, double *policy);

#endif
