/* folds: cuts comparisons into parts that share no item, so that what is held out is really new.
 *
 * Random folds over pairs leak: another annotator's judgement of the same pair is in the training part. Pure. */
#ifndef EGALIGN_CORE_FOLDS_H
#define EGALIGN_CORE_FOLDS_H

#include "core/reward/design.h"

struct folds {
    int n;
    int *of;          /* [comparisons of the design] */
    const char *unit; /* "item"; "pair" when there are fewer than 2 n items, or one has more than a fold's share */
};

/* Deals the comparisons of `d` into n folds (2 .. 20) by the seed. ERR_NO_MEMORY. */
int folds_new(const struct design *d, int n, uint64_t seed, struct folds *ret, struct err *err);
void folds_free(struct folds *f);

/* The positions of `all` outside fold i, and those inside. */
int folds_cut(const struct folds *f, int i, const struct sample *all, struct sample **ret_train,
              struct sample **ret_test, struct err *err);

#endif
