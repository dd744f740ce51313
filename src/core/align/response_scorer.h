/* response_scorer: where rewards of texts come from, whatever computes them.
 *
 * The one small interface between those who need K + 1 rewards of a response (anchoring, PPO, evaluation) and those who
 * compute them (a stored fit over hashed features, over features of a language model, K transformer reward models). A
 * batch at a time, for a language model reads many texts in one pass.
 *
 * Plain data, copied freely; who made the context owns it and keeps it alive. `score` must be callable from any thread
 * unless its maker says otherwise, and must give a response the same rewards whatever it is batched with. */
#ifndef EGALIGN_CORE_RESPONSE_SCORER_H
#define EGALIGN_CORE_RESPONSE_SCORER_H

#include "base/err.h"
#include "base/str.h"

struct scorer;

enum { RESPONSE_SCORER_GROUPS_MAX = 12 };

struct response_scorer {
    int groups; /* K, 1 .. RESPONSE_SCORER_GROUPS_MAX */
    /* ret[n][K + 1]: the rewards r_u(prompt, response) of the groups, then the single one. -1 with err on failure. */
    int (*score)(void *context, int n, const struct str *prompt, const struct str *response, double *ret,
                 struct err *err);
    void *context;
};

/* That of a stored fit, with the encoder lent if it needs one; `s` must outlive it. */
struct response_scorer response_scorer_of(const struct scorer *s);

#endif
