/* objective: what a policy is trained for when groups disagree, as a dial with eight positions.
 *
 * Each episode (a prompt with one sampled response) has K + 1 scores: those of groups 0 .. K-1 and, at index K, the
 * pooled single reward. They must be anchored, for raw Bradley-Terry rewards of groups cannot be compared. The utility
 * of group u is F_u = E[r_u] - beta KL(pi || pi_ref); it is estimated on the episodes of an update and smoothed. From
 * the smoothed utilities come the weights w_u, w on the simplex, under which the next scalar rewards are sum_u w_u r_u:
 *
 *   single          the pooled reward; no weights
 *   average         w_u = eta_u, the utilitarian sum over people
 *   nash            the gradient of sum_u eta_u log v_u;  w_u ~ eta_u / v_u
 *   alpha           the gradient of sum_u eta_u v_u^(1 - alpha) / (1 - alpha);  w_u ~ eta_u v_u^-alpha; 0 is average,
 *                   1 is nash, large is maxmin
 *   maxmin          exponentiated gradient: w_u <- w_u exp(-step F_u), floored (Shalev-Shwartz 2012, section 2.6; group
 *                   weights as in Sagawa et al. 2020, arXiv 1911.08731). The default
 *   maxmin_argmin   all weight on argmin_u F_u, chosen again at each update (arXiv 2402.08925, Algorithm 1)
 *   min_per_sample  the reward of an episode is min_u r_u of that episode: stricter, E min <= min E
 *   regret          as maxmin with F_u - F_u*, where F_u* is the utility of u under the best policy for u alone
 *
 * F_u may be negative, a utility of nash and alpha may not: v_u = F_u - disagreement, in anchored units, is the surplus
 * over what a group has when nothing is agreed on (by default one reference s.d. below the reference policy, whose
 * utility is 0). Below `margin` the welfare goes on as its tangent: it stays concave and its weights finite.
 *
 * It refuses to know the policy, texts, groups too small to be spoken for (they take no part in a minimum) and the
 * clock. The options belong to the caller; the state is plain data, without pointers, to be copied, stored and put back
 * as it is. Pure functions; any thread. */
#ifndef EGALIGN_CORE_ALIGN_OBJECTIVE_H
#define EGALIGN_CORE_ALIGN_OBJECTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { OBJECTIVE_GROUPS_MAX = 16 };

enum objective_mode {
    OBJECTIVE_SINGLE,
    OBJECTIVE_AVERAGE,
    OBJECTIVE_NASH,
    OBJECTIVE_ALPHA,
    OBJECTIVE_MAXMIN,
    OBJECTIVE_MAXMIN_ARGMIN,
    OBJECTIVE_MIN_PER_SAMPLE,
    OBJECTIVE_REGRET,
    OBJECTIVE_MODES
};

struct objective_options {
    enum objective_mode mode;
    int groups;                        /* K, 1 .. OBJECTIVE_GROUPS_MAX */
    double alpha;                      /* 0 .. 100; for alpha */
    double step;                       /* of the exponentiated gradient, per unit of utility; 1e-6 .. 100 */
    double ema;                        /* share of the former mean that stays at an update, 0 .. 0.999 */
    double floor;                      /* least weight of a group in maxmin and regret; 0 .. 1 / K, exclusive */
    double disagreement;               /* for nash and alpha, in anchored units; -1000 .. 1000 */
    double margin;                     /* v_u below which the welfare is its tangent, 1e-6 .. 1000 */
    double eta[OBJECTIVE_GROUPS_MAX];  /* shares of the groups, >= 0, not all 0; need not sum to 1 */
    double size[OBJECTIVE_GROUPS_MAX]; /* effective size: sum over annotators of their posterior, >= 0 */
    double least_size;                 /* groups below it take no part in a minimum; >= 0 */
    double best[OBJECTIVE_GROUPS_MAX]; /* F_u*, for regret; finite */
};

/* What is carried from one update to the next. All zero but `weight` at the start. */
struct objective_state {
    int64_t updates;
    double utility[OBJECTIVE_GROUPS_MAX]; /* F_u, smoothed: a plain mean until 1 / (1 - ema) updates are made */
    double batch[OBJECTIVE_GROUPS_MAX];   /* F_u of the last update's episodes */
    double error[OBJECTIVE_GROUPS_MAX];   /* standard error of `batch` over the episodes; 0 for one episode */
    double weight[OBJECTIVE_GROUPS_MAX];  /* w_u, sum 1; for min_per_sample the share of episodes of which u is the
                                             minimum; for single eta, which nothing uses */
    double minimum;                       /* least `utility` (regret: less best) over the groups that take part */
    double best_minimum;                  /* the greatest `minimum` so far, and the update, from 1, at which it was */
    int64_t best_update;
    int32_t chosen;                       /* the worst-off group, argmin of `minimum`; the first of equals; -1 before
                                             the first update */
    int32_t reserved;                     /* 0 */
};

/* Wire names "single", "average", ... by enum objective_mode, NULL after the last. */
extern const char *const objective_names[];

const char *objective_name(enum objective_mode mode);
int objective_of(const char *name); /* enum objective_mode, or -1 */

/* Defaults for K = groups equal groups that all take part: step 0.5, ema 0.5 (0 for maxmin_argmin, as the paper has
 * it), floor 0.01, alpha 2, disagreement -1, margin 0.05. */
void objective_options_default(enum objective_mode mode, int groups, struct objective_options *ret);

/* ERR_INVALID_VALUE with a pointer to the member, such as "/floor" or "/eta/2", when one is out of range;
 * ERR_INSUFFICIENT_DATA when the mode takes a minimum and no group is large enough to take part. */
int objective_check(const struct objective_options *o, struct err *err);

/* Whether group u takes part in a minimum. */
bool objective_takes_part(const struct objective_options *o, int u);

/* The state before the first update: weights equal over the groups that take part (maxmin, maxmin_argmin, regret,
 * min_per_sample) or eta. Options must have passed objective_check. */
void objective_start(const struct objective_options *o, struct objective_state *ret);

/* An update: n >= 1 episodes with anchored scores[n][K + 1] and kl[n], the log-ratio to the reference summed over an
 * episode's tokens. Sets utilities, errors, weights, the chosen group. ERR_NUMERICAL when a utility is not finite; the
 * state is then as it was. */
int objective_update(const struct objective_options *o, struct objective_state *s, int n, const double *scores,
                     const double *kl, double beta, struct err *err);

/* As objective_update for utilities[K] known otherwise (an exact policy, an evaluation): no errors, no shares of
 * episodes. */
int objective_update_exact(const struct objective_options *o, struct objective_state *s, const double *utilities,
                           struct err *err);

/* The scalar score of each episode under the current weights: ret[n]. */
void objective_rewards(const struct objective_options *o, const struct objective_state *s, int n, const double *scores,
                       double *ret);

/* The welfare of utilities[K] that the mode maximises: average, nash, alpha, or the least utility (regret: surplus)
 * over the groups that take part. Of the exact utilities of one policy, eta scaled to sum 1. For single there is none:
 * NAN. */
double objective_welfare(const struct objective_options *o, const double *utilities);

/* For average, nash and alpha: ret[K] = the gradient of the welfare, scaled to sum 1: the weights. Returns what it was
 * divided by. */
double objective_direction(const struct objective_options *o, const double *utilities, double *ret);

#endif
