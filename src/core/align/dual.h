/* dual: the exact optimum of each objective on a finite set of candidates.
 *
 * For max_pi min_u F_u(pi), F_u(pi) = E r_u - beta KL(pi || pi_ref), the order of max and min may be changed (F is
 * concave in pi, linear in w). For weights w on the simplex the best policy is pi_w ~ pi_ref exp(sum_u w_u r_u / beta),
 * with value
 *
 *   g(w) = beta E_x log E_{y ~ pi_ref} exp(sum_u w_u r_u / beta),   dg/dw_u = E_{pi_w} r_u,
 *   d2g/dw_u dw_v = E_x Cov_{pi_w}(r_u, r_v) / beta,
 *
 * convex in w, and min_w g(w) is the optimum. As min_u F_u(pi_w) <= optimum <= g(w) for every w, the difference is a
 * certificate: the duality gap. It is the oracle that optimisers are measured against, and what selects among given
 * responses. The minimum is found by a primal-dual interior-point method; nash and alpha, which are smooth, by the
 * fixed point w ~ grad W(F(pi_w)), stepped along an ascent direction of W.
 *
 * It refuses beta = 0, where pi_w is not unique. Deterministic. The set and the options are borrowed. Any thread. */
#ifndef EGALIGN_CORE_DUAL_H
#define EGALIGN_CORE_DUAL_H

#include "base/err.h"
#include "core/align/candidates.h"
#include "core/align/objective.h"

struct dual_solution {
    double weight[OBJECTIVE_GROUPS_MAX];  /* w*; for single and min_per_sample, which have none, 0 */
    double utility[OBJECTIVE_GROUPS_MAX]; /* F_u of the policy */
    double kl;                            /* of the policy to the reference, nats a prompt */
    double welfare;                       /* of `utility` (objective_welfare); for single and min_per_sample the mean of
                                             their scalar reward less beta KL */
    double gap;                           /* how much better any policy can be, at most, in units of `welfare` */
    int iterations;
};

/* g(w) for w[K]; gradient[K] and hessian[K x K] may be NULL. policy[start[prompts]] becomes pi_w; scratch has the same
 * length. */
double dual_value(const struct candidates *c, double beta, const double *w, double *gradient, double *hessian,
                  double *policy, double *scratch);

/* F_u* = max_pi F_u(pi) = g(e_u) for each group: what regret compares with. ret[K]. ERR_NO_MEMORY. */
int dual_best(const struct candidates *c, double beta, double *ret, struct err *err);

/* The best policy under o->mode, to a gap of at most `tolerance` where that is in reach of double precision and of
 * 10,000 steps: ret->gap says. policy[start[prompts]] may be NULL. beta > 0; o->groups must be c->groups; options must
 * have passed objective_check. ERR_NUMERICAL when rewards are not finite or too large for this beta, ERR_NO_MEMORY. */
int dual_solve(const struct candidates *c, const struct objective_options *o, double beta, double tolerance,
               struct dual_solution *ret, double *policy, struct err *err);

#endif
