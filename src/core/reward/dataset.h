/* dataset: who compared which responses to which prompts, ready for fitting.
 *
 * Built incrementally: items, then their responses, annotators, comparisons, in any sensible order. Ids are dense
 * integers in the order of adding, from 0. Texts are encoded into features when they are added and not kept (prompts
 * are, for the overlap feature). It refuses references to what was not added; it does not know time, names or storage.
 * The comparisons of an annotator should be added in the order in which they were made: the last quarter of each
 * annotator's is what K is judged on.
 *
 * Owned by the caller; one thread while it is built, then immutable and shared freely. */
#ifndef EGALIGN_CORE_DATASET_H
#define EGALIGN_CORE_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum choice { CHOICE_A, CHOICE_B, CHOICE_TIE, CHOICE_BOTH_BAD };

struct comparison {
    int annotator;
    int a, b;     /* responses of one item; a != b */
    enum choice outcome; /* both_bad says nothing about the order and is fitted as a tie */
    int strength; /* 0: not given; 1 .. 3 */
};

struct dataset;

/* An empty data set of texts for the hashed encoder, with `buckets` (16 .. 65536; 0 means the default of 256) hashed
 * dimensions beside the style block. NULL with err on failure. */
struct dataset *dataset_new_hashed(int buckets, struct err *err);

/* An empty data set of responses given by `dimension` (1 .. 65536) features each. */
struct dataset *dataset_new_dense(int dimension, struct err *err);

/* Says what made the features of a dense data set: a stored fit names it, and scores texts with the same encoder
 * only. */
void dataset_name_encoder(struct dataset *ds, const uint8_t digest[32]);
void dataset_free(struct dataset *ds);

/* Each adds one and returns its id, or -1 with err (out of memory; an unknown item; the wrong kind of data set).
 * The features must be finite. Comparing responses of two items, or a response with itself, is ERR_INVALID_VALUE. */
int dataset_add_item(struct dataset *ds, struct str prompt, struct err *err);
int dataset_add_response(struct dataset *ds, int item, struct str text, struct err *err);
int dataset_add_features(struct dataset *ds, int item, const float *features, struct err *err);
int dataset_add_annotator(struct dataset *ds, struct err *err);
int dataset_add_comparison(struct dataset *ds, const struct comparison *c, struct err *err);

/* The unscaled features of a response, as many as dataset_dimension; until the next response is added. */
const float *dataset_features(const struct dataset *ds, int response);
int dataset_dimension(const struct dataset *ds);

/* How many were added so far. */
int dataset_items(const struct dataset *ds);
int dataset_responses(const struct dataset *ds);
int dataset_annotators(const struct dataset *ds);
int dataset_comparisons(const struct dataset *ds);

#endif
