/* fit: from a data set to a published mixture of rewards, in one call.
 *
 * Runs everything of a fit: the pooled reward (K = 1, always), the ridge, K with its evidence and permutation test, the
 * mixture with restarts, posteriors and the unassigned, held-out accuracies, bounds, calibration. Deterministic for a
 * seed, bit for bit, whatever the number of threads. Pure: no clock, no environment, no logging; progress goes through
 * the callback. The method is in docs/math.md.
 *
 * blas_start (core/blas.h) must have succeeded before. fit_run makes its own threads; a struct fit is owned by the
 * caller (fit_free), immutable afterwards. */
#ifndef EGALIGN_CORE_FIT_H
#define EGALIGN_CORE_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "core/interval.h"
#include "core/reward/calibration.h"
#include "core/reward/dataset.h"

/* Less is not fitted: ERR_INSUFFICIENT_DATA. Annotators count that have a comparison. */
enum { FIT_LEAST_COMPARISONS = 10, FIT_LEAST_ANNOTATORS = 2 };

enum { FIT_GROUPS_MAX = 12, FIT_WARNINGS_MAX = 16, FIT_RIDGES_MAX = 16, FIT_CALIBRATION_BINS = 10 };

enum assignment { ASSIGNMENT_SOFT, ASSIGNMENT_HARD };
enum tie_model { TIES_DAVIDSON, TIES_HALF };

/* Items, or, where there are too few of them to be kept apart, pairs of responses; or pairs in any case: that asks
 * about new judgements of known items. */
enum fold_unit { FOLDS_BY_ITEM, FOLDS_BY_PAIR };

struct fit_progress {
    const char *phase; /* "ridge", "groups", "permutation", "mixture", "accuracy" */
    double fraction;   /* of the whole fit, 0 .. 1, never falling */
    int iteration;     /* of EM within the current run */
    double objective;  /* penalised log-likelihood there */
};

/* Fill with fit_options_default, then change. The comment gives the range that fit_options_check demands, and the name
 * is the member's name in its JSON pointer ("/k_max"). */
struct fit_options {
    uint64_t seed;
    int k;                       /* 0: choose; else 1 .. 12: this many groups, evidence not computed */
    int k_max;                   /* 1 .. 12: most groups considered */
    int restarts;                /* 1 .. 100 */
    int iterations;              /* 1 .. 10000: most EM iterations of a run */
    double ridge;                /* 0: choose from the grid; else 1e-6 .. 1e9 */
    int ridges;                  /* 1 .. 16 */
    double ridge_grid[FIT_RIDGES_MAX]; /* ascending, each 1e-6 .. 1e9 */
    enum assignment assignment;  /* soft EM, or hard EM with round-robin start (the paper's Algorithm 2) */
    enum tie_model ties;
    double min_group_size;       /* 1 .. 1e6: a group of fewer (expected) annotators is dropped */
    double assign_threshold;     /* 0.5 .. 1: least tempered posterior of an assigned annotator */
    int min_comparisons;         /* 0 .. 1e6: annotators with fewer are unassigned */
    int permutations;            /* 0 .. 10000; 0: no permutation test; else at least 1 / significance - 1 */
    double significance;         /* 0.001 .. 0.5: p-value that more than one group needs */
    int folds;                   /* 2 .. 20: folds for ridge and accuracy */
    enum fold_unit fold_unit;    /* what two folds must not share */
    bool strength_weights;       /* weigh a comparison by its strength (1 .. 3; not given counts as 2) */
    int threads;                 /* 1 .. 256 */
    /* Called now and then from the calling thread; false cancels (ERR_CANCELLED). NULL: never. */
    bool (*progress)(void *context, const struct fit_progress *p);
    void *context;
};

/* The options of a fit of which nothing is known beforehand. */
void fit_options_default(struct fit_options *ret);

/* ERR_INVALID_VALUE with the pointer of the first member that is out of range. */
int fit_options_check(const struct fit_options *o, struct err *err);

/* Names on the wire: "soft" "hard", "davidson" "half", "item" "pair"; -1 for an unknown name. */
const char *assignment_name(enum assignment a);
int assignment_of(const char *name);
const char *tie_model_name(enum tie_model t);
int tie_model_of(const char *name);
int fold_unit_of(const char *name);

/* What was measured for one number of groups. NAN where a figure does not apply: evidence is for a chosen K only. */
struct fit_evidence {
    int k;
    double held_out;      /* mean over annotators of the log-likelihood of their last comparisons, per comparison */
    double standard_error;/* of held_out */
    double gain;          /* held_out minus that of K = 1, and the s.e. of this paired difference */
    double gain_error;
    double permutation_p; /* of the gain, when annotator ids are permuted; only for a candidate K > 1 */
    double train;         /* penalised log-likelihood of the training part */
};

struct fit_ridge {
    double ridge;
    double pooled, mixture; /* mean held-out log-likelihood per comparison on item-disjoint folds */
};

/* Held-out accuracies on item-disjoint folds; a half for ties in prediction; ties in the data do not count. */
struct fit_accuracy {
    struct proportion mixture; /* by the posterior-weighted rewards of the annotator's groups */
    struct proportion pooled;  /* by the single reward, on the same comparisons */
};

struct fit_group {
    double weight;          /* eta_u, sums to 1 */
    int size;               /* assigned annotators */
    double expected_size;   /* sum of the posteriors */
    const float *head;      /* [dimension] theta_u in scaled features; points into the fit */
    struct fit_accuracy accuracy;
    struct calibration calibration;        /* of this group's own reward on its held-out comparisons */
    struct calibration pooled_calibration; /* of the single reward on the same */
    double tv_mixture;      /* TV(p_u, sum_v eta_v p_v) over all comparisons */
    double tv[FIT_GROUPS_MAX]; /* TV(p_u, p_v) */
};

struct fit_annotator {
    int comparisons;
    int group;               /* or -1: unassigned */
    const double *posterior; /* [k] tempered: what should be shown; points into the fit */
    const double *raw;       /* [k] as EM has it, over-confident */
};

struct fit_bin {
    double n, predicted, observed; /* held-out comparisons whose winner was given this probability (0.5 .. 1), means */
};

struct fit {
    int k;
    bool forced;
    char reason[200];        /* one sentence: why this K ("One group suffices: ...") */
    int evidences;
    struct fit_evidence evidence[FIT_GROUPS_MAX];
    int ridges;
    struct fit_ridge ridge_path[FIT_RIDGES_MAX];
    double ridge;            /* of the mixture */
    double ridge_pooled;     /* of the single reward */
    double tie_parameter;    /* Davidson's nu; 0 without ties or with half ties */
    double temperature;      /* posteriors are tempered by it, >= 1; chosen by held-out likelihood */
    enum assignment assignment;
    enum tie_model ties;

    struct fit_group group[FIT_GROUPS_MAX]; /* by falling weight */
    int annotators;
    struct fit_annotator *annotator;
    int dimension;
    const char *encoder;     /* "hashed", or "lm": features of a language model */
    uint8_t encoder_digest[32]; /* of the latter; zeros when not told */
    const float *pooled;     /* [dimension] head of the single reward */
    struct fit_accuracy accuracy; /* overall */
    const char *fold_unit;   /* "item", or "pair" where there are too few items to keep them apart */
    struct fit_bin calibration[FIT_CALIBRATION_BINS];
    struct calibration pooled_calibration; /* of the single reward, on all held-out comparisons */
    double calibration_error;/* expected calibration error of the mixture, 0 .. 1 */

    int iterations;          /* of the EM run that won, and the penalised log-likelihood after each */
    const double *trace;     /* [iterations] */
    int restarts;
    int warnings;            /* sentences for people: dropped or re-seeded groups, too little data */
    char warning[FIT_WARNINGS_MAX][160];

    int comparisons, ties_seen, items, responses;
    uint64_t seed;
    int threads;
    char blas[96];
    struct fit_model *model; /* what fit_save writes, and the memory behind the pointers above */
};

/* Fits. ERR_INSUFFICIENT_DATA (less than FIT_LEAST_*), ERR_INVALID_VALUE (options), ERR_CANCELLED, ERR_NUMERICAL,
 * ERR_NO_MEMORY. */
int fit_run(const struct dataset *ds, const struct fit_options *options, struct fit **ret, struct err *err);
void fit_free(struct fit *f);

/* Appends the model (heads, encoder, scales) in the self-checking form that scorer_open reads. `out->failed` tells of
 * missing memory. */
void fit_save(const struct fit *f, struct buf *out);

#endif
