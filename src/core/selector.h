/* selector: chooses among given responses to one prompt by what the groups of a fit think of them.
 *
 * Best-of-n under an objective: the responses are scored under the fit and anchored among themselves, for rewards of
 * groups have no common zero or unit. `centred`: each group's reward less its mean over the candidates, over its
 * standard deviation over the candidates (the fit stores none); a group that is indifferent has 0. It forgets how much
 * a group cares. `win`: the probability that the group prefers a response to one of the candidates drawn at random
 * (itself included); it keeps that.
 *
 * beta = 0 takes the one response whose scores are best by the objective; with regret the best of each group is its
 * greatest score among the candidates. beta > 0 finds the distribution over the candidates that is best by the
 * objective less beta times its KL to the uniform one (core/align/dual.h), so that groups who want different things can
 * each have a share, and draws the choice from it.
 *
 * It refuses fits that score features instead of texts. Everything it gives lives in the caller's arena. Any thread. */
#ifndef EGALIGN_CORE_SELECTOR_H
#define EGALIGN_CORE_SELECTOR_H

#include <stdint.h>

#include "base/arena.h"
#include "core/align/group_rewards.h"
#include "core/align/objective.h"
#include "core/scorer.h"

enum { SELECTOR_LEAST = 2, SELECTOR_MOST = 64 };

extern const char *const selector_anchors[]; /* wire names by enum anchor, NULL after the last */

struct selector_options {
    struct objective_options objective; /* its groups, eta and size are those of the fit */
    enum anchor anchor;
    double beta;   /* 0, or 0.001 .. 1000 */
    uint64_t seed; /* of the draw when beta > 0: the same request with the same seed gives the same choice */
};

struct selection {
    int candidates, groups;
    int choice;               /* 0 .. candidates-1; of equals the first */
    int worst_off;            /* of the groups that take part, the one with the least score at the choice; -1: none */
    const double *score;      /* [candidates][groups + 1] anchored */
    const double *probability; /* [candidates]; NULL when beta is 0 */
    const double *weight;     /* [groups] w_u of the distribution; NULL when beta is 0 or the objective has none */
    const double *expected;   /* [groups] mean score under the distribution; NULL when beta is 0 */
    double gap;               /* how much better another distribution can be, at most; 0 when beta is 0 */
};

/* The defaults for a fit of K groups: maxmin, centred, beta 0, seed 1; for `win` the disagreement point of nash and
 * alpha is 0, as a probability has it. */
void selector_options_default(enum objective_mode mode, enum anchor anchor, int groups, struct selector_options *ret);

/* Chooses among n = SELECTOR_LEAST .. SELECTOR_MOST responses. ERR_INVALID_VALUE with a pointer for options out of
 * range, and when the fit does not score texts; ERR_INSUFFICIENT_DATA when no group is large enough to take part;
 * ERR_NUMERICAL, ERR_NO_MEMORY. */
int selector_choose(const struct scorer *s, const struct selector_options *o, struct str prompt, int n,
                    const struct str *responses, struct arena *arena, struct selection *ret, struct err *err);

#endif
