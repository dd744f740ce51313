/* scorer: scores a (prompt, response) pair under a stored fit.
 *
 * Reads the model bytes that fit_save wrote (heads, encoder, scales; self-checking); refuses damaged or unknown ones.
 * A score is the Bradley-Terry reward r_u(x, y) = theta_u . phi(x, y), defined up to a constant per prompt: compare
 * scores of responses to one prompt only. The one header of core that the API may include.
 *
 * A scorer is owned by who opened it, immutable after that, and may be used by any number of threads. */
#ifndef EGALIGN_CORE_SCORER_H
#define EGALIGN_CORE_SCORER_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct scorer;

/* Opens the bytes of a model; they are copied. ERR_BAD_FILE when they are not a whole, undamaged model. */
int scorer_open(const void *bytes, size_t length, struct scorer **ret, struct err *err);
void scorer_free(struct scorer *s);

int scorer_groups(const struct scorer *s);    /* K >= 1 */
int scorer_dimension(const struct scorer *s); /* features per response */

/* ret[u] = r_u for u = 0 .. K-1 and ret[K] = the pooled single reward. ERR_INVALID_VALUE when the fit's encoder takes
 * features instead of texts. Texts are UTF-8. */
int scorer_score(const struct scorer *s, struct str prompt, struct str response, double *ret, struct err *err);

/* As scorer_score for a response given by its `scorer_dimension` unscaled features. */
void scorer_score_features(const struct scorer *s, const float *features, double *ret);

#endif
