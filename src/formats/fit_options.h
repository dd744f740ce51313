/* fit_options: the options of a fit as they are written in a request body, a project's settings and a job.
 *
 * One table says names, types and ranges, so that the API refuses with a pointer what a worker would refuse later. A
 * member that is not given keeps the engine's default; only what was given is written again, in the order of the table:
 * equal options have equal text. It refuses what an operator decides (threads) and knows nothing of the engine.
 *
 * A zeroed struct holds no option at all. Owned by the caller; no shared state. */
#ifndef EGALIGN_FORMATS_FIT_OPTIONS_H
#define EGALIGN_FORMATS_FIT_OPTIONS_H

#include "base/json.h"

/* Two defaults of the engine, for a check that needs both members when only one was given. */
#define FIT_OPTIONS_SIGNIFICANCE 0.05
enum { FIT_OPTIONS_PERMUTATIONS = 19 };

enum { FIT_OPTIONS_GRID_MAX = 16 };

struct fit_settings {
    struct json_seen seen;
    int64_t seed;
    int64_t k, k_max, restarts, iterations;
    double ridge;
    struct json_list ridge_grid; /* of double, ascending */
    int assignment;              /* position in fit_settings_assignments */
    int ties;                    /* position in fit_settings_ties */
    double min_group_size, assign_threshold;
    int64_t min_comparisons, permutations;
    double significance;
    int64_t folds;
    int fold_unit;               /* position in fit_settings_fold_units */
    bool strength_weights;
    int64_t buckets;
    double held_out_annotators;
    int encoder;                 /* position in fit_settings_encoders */
    struct str policy;           /* name or id of the policy whose states are the features */
};

/* Positions in fit_settings_encoders. */
enum { FIT_ENCODER_HASHED, FIT_ENCODER_LM };

/* Bits of seen.given. */
enum {
    FIT_SEED, FIT_K, FIT_K_MAX, FIT_RESTARTS, FIT_ITERATIONS, FIT_RIDGE, FIT_RIDGE_GRID, FIT_ASSIGNMENT, FIT_TIES,
    FIT_MIN_GROUP_SIZE, FIT_ASSIGN_THRESHOLD, FIT_MIN_COMPARISONS, FIT_PERMUTATIONS, FIT_SIGNIFICANCE, FIT_FOLDS,
    FIT_FOLD_UNIT, FIT_STRENGTH_WEIGHTS, FIT_BUCKETS, FIT_ENCODER, FIT_POLICY,
    FIT_HELD_OUT_ANNOTATORS
};

extern const char *const fit_settings_assignments[]; /* "soft", "hard", NULL */
extern const char *const fit_settings_ties[];        /* "davidson", "half", NULL */
extern const char *const fit_settings_fold_units[];  /* "item", "pair", NULL */
extern const char *const fit_settings_encoders[];    /* "hashed", "lm", NULL */
extern const struct json_shape fit_settings_shape;   /* to embed it in the shape of a body */

/* What no table of ranges says: k and k_max, permutations and significance, an ascending grid, an encoder with its
 * policy. ERR_INVALID_VALUE with a
 * pointer below `pointer` ("" for a document of its own). To be called after reading. */
int fit_settings_check(const struct fit_settings *s, const char *pointer, struct err *err);

/* Reads and checks a document; the text is changed and must outlive *ret, text[length] is '\0'. */
int fit_settings_read(char *text, size_t length, struct fit_settings *ret, struct arena *arena, struct err *err);

/* Appends the document: "{}" when nothing was given. */
void fit_settings_write(struct buf *out, const struct fit_settings *s);

#endif
