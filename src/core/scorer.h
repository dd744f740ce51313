/* scorer: scores a (prompt, response) pair under a stored fit.
 *
 * Reads the model bytes that fit_save wrote (heads, encoder, scales; self-checking); refuses damaged or unknown ones.
 * A fit over hashed features scores texts by itself. One over features of a language model needs the encoder that it
 * was made with, lent by whoever has loaded that checkpoint (core/align/encode.h), and refuses any other.
 * A score is the Bradley-Terry reward r_u(x, y) = theta_u . phi(x, y), defined up to a constant per prompt: compare
 * scores of responses to one prompt only. The one header of core that the API may include.
 *
 * A scorer is owned by who opened it, immutable after that, and may be used by any number of threads; with a lent
 * encoder by one at a time. */
#ifndef EGALIGN_CORE_SCORER_H
#define EGALIGN_CORE_SCORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct scorer;

/* Opens the bytes of a model; they are copied. ERR_BAD_FILE when they are not a whole, undamaged model. */
int scorer_open(const void *bytes, size_t length, struct scorer **ret, struct err *err);
void scorer_free(struct scorer *s);

int scorer_groups(const struct scorer *s);    /* K >= 1 */
int scorer_dimension(const struct scorer *s); /* features per response */

/* What makes features of texts for a fit that was made over a language model. Plain data; the context is its
 * maker's. */
struct scorer_encoder {
    uint8_t digest[32]; /* of the checkpoint and of how its states are pooled */
    int dimension;
    /* features[n x dimension] of n responses. */
    int (*encode)(void *context, int n, const struct str *prompts, const struct str *responses, float *features,
                  struct err *err);
    void *context;
};

/* Whether texts can only be scored with an encoder; then `*ret_digest` (if not NULL) is the one it must have. */
bool scorer_needs_encoder(const struct scorer *s, const uint8_t **ret_digest);

/* Lends an encoder, which must stay as long as texts are scored. ERR_CONFLICT when the fit was made with another one,
 * or needs none. */
int scorer_lend_encoder(struct scorer *s, const struct scorer_encoder *encoder, struct err *err);

/* ret[u] = r_u for u = 0 .. K-1 and ret[K] = the pooled single reward. ERR_INVALID_VALUE when the fit needs an encoder
 * and has none. Texts are UTF-8. */
int scorer_score(const struct scorer *s, struct str prompt, struct str response, double *ret, struct err *err);

/* The same for n responses, ret[n x (K + 1)], which a language model encodes together. */
int scorer_score_all(const struct scorer *s, int n, const struct str *prompts, const struct str *responses, double *ret,
                     struct err *err);

/* As scorer_score for a response given by its `scorer_dimension` unscaled features. */
void scorer_score_features(const struct scorer *s, const float *features, double *ret);

#endif
