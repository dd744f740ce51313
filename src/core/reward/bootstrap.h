/* bootstrap: what a fit might have been with other annotators of the same kind.
 *
 * Each replicate draws as many annotators as there were, with replacement, each with all of their comparisons, and runs
 * EM on them from the fit's own rewards and weights: responsibilities, group weights and rewards are those of the
 * replicate. So it carries who happened to be asked, who belongs to which group, and the error of the rewards; it does
 * not carry the choice of K and of the ridges, nor other optima of EM. Groups keep the fit's numbering, for EM starts
 * from its rewards, and none is dropped: one that nobody was drawn for has no reward, and all its margins are 0.
 *
 * Deterministic for a seed, whatever the number of threads. One thread drives it; it makes its own. */
#ifndef EGALIGN_CORE_BOOTSTRAP_H
#define EGALIGN_CORE_BOOTSTRAP_H

#include "core/reward/fit.h"

enum { BOOTSTRAP_ITERATIONS = 12 }; /* of EM in a replicate at most; it is warm */

struct bootstrap_options {
    int replicates; /* at least 1 */
    uint64_t seed;
    int threads;    /* at least 1 */
    bool strength_weights; /* as the fit had it */
    /* Called before each replicate with what is done, 0 .. 1; false cancels (ERR_CANCELLED). NULL: never. */
    bool (*progress)(void *context, double done);
    void *context;
};

/* Makes the replicates of `fit`, which was made from `ds`, and hands each over: weights[(K + 1) x dimension] for
 * unscaled features, the groups, then the single reward; a negative answer ends it. blas_start must have succeeded.
 * ERR_NO_MEMORY, ERR_NUMERICAL, ERR_CANCELLED. */
int bootstrap_fit(const struct dataset *ds, const struct fit *fit, const struct bootstrap_options *o,
                  int (*take)(void *context, int replicate, const double *weights, struct err *err), void *context,
                  struct err *err);

#endif
