/* reviews: short reviews of things and films by a small probabilistic grammar, and two tastes about them whose truth is
 * known.
 *
 * A prompt is the beginning of a review up to the middle of its first sentence, a response is the rest. Sentences
 * praise, blame or say something neutral, in a few words or in many; a review has a mood and a verbosity of its own.
 * One taste is sentiment (the sum of what the sentences say), the other conciseness (few words). They are opposed where
 * praise costs words, and can be reconciled: little can be said that is all praise.
 *
 * Utilities are the truth, not a model: a sentence that the grammar does not derive, or that says again what was said
 * before, adds words and no sentiment, so a policy that games a learnt reward is seen. The grammar refuses to be
 * realistic. Pure functions of their arguments and of the random stream; any thread. */
#ifndef EGALIGN_CORE_LAB_REVIEWS_H
#define EGALIGN_CORE_LAB_REVIEWS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/rng.h"
#include "base/str.h"

enum {
    REVIEWS_SUBJECTS = 24,
    REVIEWS_OPENINGS = 8,
    REVIEWS_HEADERS = 4,
    REVIEWS_PROMPTS = REVIEWS_SUBJECTS * REVIEWS_OPENINGS * REVIEWS_HEADERS /* 768 */
};

enum reviews_taste { REVIEWS_SENTIMENT, REVIEWS_CONCISENESS, REVIEWS_TASTES };

/* What can be counted in a response. */
struct reviews_measure {
    int words;
    int sentences;    /* that end; an unfinished rest is none */
    int derived;      /* of these: that the grammar derives and that are not said twice */
    double sentiment; /* sum over the derived: praise is 1 or 2, high praise 4; "very" adds a quarter */
};

/* Appends prompt `index` (0 .. REVIEWS_PROMPTS - 1). */
void reviews_prompt(struct buf *out, int index);

/* Whether the prompt is kept for evaluation: one in four, of every kind of thing and opening. */
bool reviews_held_out(int index);

/* Appends a response to prompt `index`, a leading space included. */
void reviews_response(struct buf *out, int index, struct rng *rng);

/* Measures any text as the response to a prompt that the grammar made. */
void reviews_measure(struct str prompt, struct str response, struct reviews_measure *ret);

/* What a response is worth to a taste, in nats of Bradley-Terry: 0.6 times sentiment, or minus 0.12 times words. */
double reviews_utility(enum reviews_taste taste, const struct reviews_measure *m);

/* Whether a person of this taste says that a is better than b: with probability sigma(u(a) - u(b)). */
bool reviews_prefers(enum reviews_taste taste, const struct reviews_measure *a, const struct reviews_measure *b,
                     struct rng *rng);

#endif
