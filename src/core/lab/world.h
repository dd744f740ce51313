/* world: synthetic annotators of known taste, linear in Gaussian features; the ground truth of the experiments.
 *
 * Group u's reward is theta_u . x with |theta_u| = 2 and equal angles between the groups (106.6 degrees unless said
 * otherwise). A comparison is a difference x ~ N(0, I_d), judged by Bradley-Terry. Pure functions of the seed. */
#ifndef EGALIGN_CORE_LAB_WORLD_H
#define EGALIGN_CORE_LAB_WORLD_H

#include "core/reward/design.h"

enum { WORLD_GROUPS_MAX = 3 };

struct world {
    int dim, groups;
    double theta[WORLD_GROUPS_MAX][64]; /* [groups][dim] */
    int annotators;
    int *group;       /* [annotators] the truth */
    struct design *design;
};

/* sizes[groups] annotators of each group, `pairs` comparisons each; the groups are mixed among the annotator
 * numbers. */
int world_new(int dim, int groups, const int *sizes, int pairs, uint64_t seed, struct world *ret, struct err *err);
void world_free(struct world *w);

/* Share of `n` fresh noise-free comparisons of group u that a reward theta[dim] decides rightly. */
double world_accuracy(const struct world *w, int u, const double *theta, int n, uint64_t seed);

/* Share of annotators placed right under the best naming of the groups; label[annotators]. */
double world_placed(const struct world *w, const int *label);

#endif
