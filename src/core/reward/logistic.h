/* logistic: the weighted Bradley-Terry log-likelihood of K linear rewards at once, and its gradient.
 *
 *   L(Theta) = sum_u sum_h q_hu sum_{c in h} w_c log P(c | m_cu),  m_cu = theta_u . (phi(winner) - phi(loser))
 *
 * One pass over the features serves all groups; blocks of rows that only touch annotators of negligible responsibility
 * in a group are skipped for it. Work is cut by size, never by thread count, and summed in order: results are the same
 * bits for any number of threads. Scores are float, sums over annotators and chunks double.
 *
 * A struct logistic is scratch space for one design, owned by one thread (it drives the pool). */
#ifndef EGALIGN_CORE_LOGISTIC_H
#define EGALIGN_CORE_LOGISTIC_H

#include "base/threads.h"
#include "core/reward/design.h"

struct logistic;

/* Scratch for at most `groups` (1 .. 32) rewards on `d`. `t` may be NULL. Both must outlive it. */
struct logistic *logistic_new(const struct design *d, int groups, struct threads *t, struct err *err);
void logistic_free(struct logistic *l);

/* Computes the scores F theta_u of all rows, u = 0 .. k-1, theta[k x dim]. What follows uses them. */
void logistic_scores(struct logistic *l, int k, const double *theta);

/* ret[annotators x k]: log-likelihood of each annotator's comparisons of `s` under each reward. nu = 0: ties as
 * halves. */
void logistic_by_annotator(struct logistic *l, const struct sample *s, int k, double nu, double *ret);

/* Says which groups matter for which rows: q[annotators x k], entries of 0 are skipped. Holds until the next call; it
 * must be the q of the calls of logistic_value between. */
void logistic_focus(struct logistic *l, const struct sample *s, int k, const double *q);

/* L(Theta) at theta[k x dim] with responsibilities q; keeps the slopes for logistic_gradient. *ret_nu_slope =
 * dL/dlog nu when nu > 0. */
double logistic_value(struct logistic *l, const struct sample *s, int k, const double *theta, double nu,
                      const double *q, double *ret_nu_slope);

/* ret[k x dim] = dL/dTheta at the theta of the last logistic_value. */
void logistic_gradient(struct logistic *l, const struct sample *s, int k, double *ret);

/* The margin of comparison c under reward u, after logistic_scores. */
double logistic_margin(const struct logistic *l, int comparison, int k, int u);

#endif
