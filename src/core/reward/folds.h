/* folds: cuts comparisons into parts that share no item, so that what is held out is really new.
 *
 * Random folds over pairs leak: another annotator's judgement of the same pair is in the training part. Pure. */
#ifndef EGALIGN_CORE_FOLDS_H
#define EGALIGN_CORE_FOLDS_H

#include "core/reward/design.h"
#include "core/reward/fit.h"

struct folds {
    int n;
    int *of;          /* [comparisons of the design] */
    const char *unit; /* "item"; "pair" when asked, with fewer than 2 n items, or with one larger than a fold */
};

/* Deals the comparisons of `d` to `n` (2 .. 20) folds of about equal size. ERR_NO_MEMORY. */
int folds_new(const struct design *d, int n, enum fold_unit unit, uint64_t seed, struct folds *ret, struct err *err);
void folds_free(struct folds *f);

/* The positions of `all` outside fold i, and those inside. */
int folds_cut(const struct folds *f, int i, const struct sample *all, struct sample **ret_train,
              struct sample **ret_test, struct err *err);

#endif
