/* ratios: the sweep over majority to minority: how a policy for the single reward and one for max-min truly fare.
 *
 * For each ratio, `seeds` worlds of 110 annotators with 30 comparisons each; the single reward and max-min are trained
 * on what was learned from them (pipeline.h, at the beta of T5), and judged by the true rewards against the reference.
 *
 * Deterministic for a seed. blas_start must have succeeded. One thread. */
#ifndef EGALIGN_CORE_LAB_RATIOS_H
#define EGALIGN_CORE_LAB_RATIOS_H

#include "core/interval.h"
#include "core/lab/lab.h"

enum { RATIOS = 4, RATIOS_SEEDS_MOST = 1000 };

struct ratio_row {
    int ratio;              /* r of r:1 */
    int annotators[2];      /* majority, minority */
    struct mean single[2];  /* win rates over the seeds: majority, minority */
    struct mean equal[2];   /* the single reward at the KL of max-min */
    struct mean maxmin[2];
    struct mean single_kl, maxmin_kl; /* nats a prompt */
};

/* Runs 1:1, 2:1, 6:1, 10:1 with `seeds` = 1 .. RATIOS_SEEDS_MOST worlds each, those of `seed`, seed + 1, ... `watch`
 * may be NULL. ERR_INVALID_VALUE, ERR_NO_MEMORY, and what a fit says. */
int ratios_run(uint64_t seed, int seeds, int threads, const struct lab_watch *watch, struct ratio_row ret[RATIOS],
               struct err *err);

#endif
