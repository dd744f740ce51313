#include "core/reward/bounds.h"

#include <math.h>
#include <string.h>

#include "core/reward/choice.h"

void bounds_variation(const struct mixture *m, struct logistic *l, const struct design *d, double *ret_pairs,
                      double *ret_mixture)
{
    int k = m->k;
    memset(ret_pairs, 0, (size_t)(k * k) * sizeof *ret_pairs);
    memset(ret_mixture, 0, (size_t)k * sizeof *ret_mixture);
    logistic_scores(l, k, m->theta);
    for (int c = 0; c < d->comparisons; c++) {
        double p[FIT_GROUPS_MAX], mixed = 0;
        for (int u = 0; u < k; u++) {
            p[u] = choice_probability(logistic_margin(l, c, k, u));
            mixed += m->eta[u] * p[u];
        }
        for (int u = 0; u < k; u++) {
            ret_mixture[u] += fabs(p[u] - mixed) / d->comparisons;
            for (int v = 0; v < k; v++)
                ret_pairs[u * k + v] += fabs(p[u] - p[v]) / d->comparisons;
        }
    }
}
