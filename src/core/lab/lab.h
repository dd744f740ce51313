/* lab: the synthetic experiments that show the method to work, with the figures that they must reach.
 *
 *   T1   accuracy of the pooled reward on minority and majority at 1:1, 2:1, 6:1, 10:1
 *   T2   hard EM from a round-robin start: annotators placed right, iterations
 *   T3   a 73:7 minority: soft against hard EM
 *   T4   soft EM with 3, 5, 10, 20 comparisons an annotator
 *   T5   the whole way at 10:1: comparisons, EM, anchoring, max-min over finite candidates, true win rates
 *   T6   how far max-min optimisers stay from the exact optimum
 *   T7   one group's reward times 5, plus 3, minus 3: nothing may change
 *   T8   the number of groups chosen, K = 1, 2, 3, over several seeds
 *   T9   two goals in a grid world: a policy for one reward against max-min
 *   T10  two groups: TV to the mixture is (1 - eta_u) TV between them
 *   T11  texts: a small model, people of two tastes, EM, PPO on the single reward and on MaxMin, at 80:20 and 10:1
 *
 * Deterministic for a seed. blas_start must have succeeded. One thread. */
#ifndef EGALIGN_CORE_LAB_H
#define EGALIGN_CORE_LAB_H

#include <stdbool.h>

#include "core/reward/fit.h"

enum { LAB_FIGURES_MAX = 64 };

struct lab_figure {
    char name[64];
    double value, low, high; /* within when low <= value <= high; either may be infinite */
    bool judged;             /* false: shown only */
};

struct lab_result {
    const char *id, *title;
    int figures;
    struct lab_figure figure[LAB_FIGURES_MAX];
    bool within;
};

/* Who is told of progress, between the steps of a long experiment. */
struct lab_watch {
    void (*tell)(void *context, double fraction /* 0 .. 1 */, const char *text);
    void *context;
};

/* Ids and titles: lab_list(i) for i = 0, 1, ... until NULL; *ret_title may be NULL. */
const char *lab_list(int i, const char **ret_title);

/* Runs one. `repeats` > 0 lowers or raises the number of seeds that are averaged or counted over (0: that of the
 * target). `watch` may be NULL. ERR_NOT_FOUND for an unknown id. */
int lab_run(const char *id, uint64_t seed, int repeats, int threads, const struct lab_watch *watch,
            struct lab_result *ret, struct err *err);

#endif
