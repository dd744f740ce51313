/* features: the hashed encoder phi(x, y) of a response to a prompt; no model needed.
 *
 * A dense style block (length, sentence and word structure, readability, punctuation, marks of lists and code, variety
 * of words, overlap with the prompt), counts of words of no topic, and signed-hashed word 1- and 2-grams. It reads
 * bytes and never fails: what is not a letter of ASCII is handled as part of a word when it is above 0x7F, so any
 * UTF-8 is welcome. Pure; any thread. FEATURES_VERSION changes whenever the same text would get other features:
 * stored models name it. */
#ifndef EGALIGN_CORE_FEATURES_H
#define EGALIGN_CORE_FEATURES_H

#include "base/str.h"

enum {
    FEATURES_VERSION = 1,
    FEATURES_STYLE = 24,
    FEATURES_LEXICON = 263,
    FEATURES_TEXT = FEATURES_STYLE + FEATURES_LEXICON, /* what comes before the hashed block */
    FEATURES_BUCKETS_DEFAULT = 256
};

/* The names of the style features, in order. */
extern const char *const features_style_names[FEATURES_STYLE];

/* ret[FEATURES_TEXT + buckets]: the features of `response` to `prompt`, unscaled, all finite. */
void features_of(struct str prompt, struct str response, int buckets, float *ret);

#endif
