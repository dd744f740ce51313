/* bounds: how far apart the groups are, measured on the comparisons at hand (never a promise).
 *
 * TV(p_u, p_v) = mean over comparisons of |p_u - p_v|, the total variation distance of two Bernoulli choices;
 * TV(p_u, p) with the mixture p = sum_v eta_v p_v. For two groups TV(p_u, p) = (1 - eta_u) TV(p_1, p_2) exactly. */
#ifndef EGALIGN_CORE_BOUNDS_H
#define EGALIGN_CORE_BOUNDS_H

#include "core/reward/mixture.h"

/* ret_pairs[k x k] (zero diagonal) and ret_mixture[k] over all comparisons of the design. */
void bounds_variation(const struct mixture *m, struct logistic *l, const struct design *d, double *ret_pairs,
                      double *ret_mixture);

#endif
