/* design: a data set made ready for arithmetic, and samples of its comparisons.
 *
 * Features are centred and scaled to unit root mean square of their differences (the hashed block less, see
 * design.c). The margin of comparison c under theta is s[plus[c]] - s[minus[c]] with s = F theta, the winner first,
 * so a pass costs rows x dim and not comparisons x dim. Where there are more responses than comparisons the rows
 * are the differences themselves and minus[c] is -1. Comparisons are sorted by annotator and keep their order within.
 *
 * Everything here is in internal order; the annotator numbers are the data set's. Owned by the caller, immutable after
 * making, shared freely between threads. */
#ifndef EGALIGN_CORE_DESIGN_H
#define EGALIGN_CORE_DESIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "core/reward/dataset.h"

struct design {
    int rows, dim;
    int ld;          /* floats between rows, a multiple of 16; the padding is zero */
    float *f;        /* [rows x ld] */
    float *scale;    /* [dim] f = (raw - mean) * scale */
    int comparisons, annotators, items, ties;
    int *plus;       /* [comparisons] row of the preferred response (of either, in a tie) */
    int *minus;      /* [comparisons] row of the other; -1: the row of `plus` is the difference */
    uint8_t *tie;    /* [comparisons] */
    float *weight;   /* [comparisons] 1 unless weighted by strength */
    int *item;       /* [comparisons] */
    int *pair;       /* [comparisons] number of the unordered pair of responses */
    int *start;      /* [annotators + 1] */
};

/* Makes the design of a data set. ERR_NO_MEMORY. */
int design_new(const struct dataset *ds, bool strength_weights, struct design **ret, struct err *err);

/* A design straight from differences (winner minus loser): x[n x dim] and annotator[n], ascending, 0 ..
 * annotators-1. The features are taken as they are (scale 1). For experiments and benchmarks. */
int design_from_differences(int n, int dim, const float *x, const int *annotator, int annotators, struct design **ret,
                            struct err *err);
void design_free(struct design *d);

/* Some of a design's comparisons, dealt to annotators: those of h are index[start[h]] .. index[start[h+1]-1]. A
 * place in `index` is called a position. */
struct sample {
    const struct design *design;
    int n;
    int *index;      /* [n] comparisons of the design */
    int *start;      /* [annotators + 1] */
    int *owner;      /* [n] annotator of a position */
    int *ref_start;  /* [rows + 1] */
    int *ref;        /* [ref_start[rows]] the positions that touch a row: position << 1 | (1 for minus) */
    int chunks;      /* ranges of annotators of about equal work, for threads; they depend on the data only */
    int *chunk;      /* [chunks + 1] */
};

/* All comparisons of a design. */
int sample_all(const struct design *d, struct sample **ret, struct err *err);

/* The positions p of `source` with keep[p] != 0; the source is not needed afterwards. */
int sample_part(const struct sample *source, const uint8_t *keep, struct sample **ret, struct err *err);

/* The comparisons of `source` dealt to the annotators anew, each getting as many as before: under this, annotators say
 * nothing about taste. */
int sample_permuted(const struct sample *source, uint64_t seed, uint64_t stream, struct sample **ret, struct err *err);
void sample_free(struct sample *s);

#endif
