/* tokenizer_pattern: the regular expressions by which a tokenizer cuts text before it merges, through PCRE2.
 *
 * tokenizer.json patterns are written for Oniguruma. What means the same in PCRE2 is taken, \s is spelled out as
 * Unicode's White_Space, and everything else is refused by name: \w, \b, ^, $, look-behind, backreferences, groups
 * inside classes, verbs. Matching is bounded, so a pattern that explodes is an error and not a stall. The compiled
 * pattern is read-only: any number of threads may match with it, each with its own matcher. */
#ifndef EGALIGN_CORE_LM_TOKENIZER_PATTERN_H
#define EGALIGN_CORE_LM_TOKENIZER_PATTERN_H

#include "base/err.h"
#include "base/str.h"

/* The pattern of GPT-2 (openai/gpt-2, src/encoder.py). */
extern const char tokenizer_pattern_gpt2[];

struct tokenizer_pattern;
struct tokenizer_matcher;

/* Compiles. ERR_BAD_FILE names what is not supported, ERR_NO_MEMORY. */
struct tokenizer_pattern *tokenizer_pattern_new(struct str regex, struct err *err);
void tokenizer_pattern_free(struct tokenizer_pattern *p);

/* One thread's working memory for any pattern. ERR_NO_MEMORY. */
struct tokenizer_matcher *tokenizer_matcher_new(struct err *err);
void tokenizer_matcher_free(struct tokenizer_matcher *m);

/* The length of the next piece of `text` from byte `at` < text.len on: a match that begins there, or what lies before
 * the next match, or the rest. `text` is well-formed UTF-8, which is not checked. ERR_INVALID_VALUE when the pattern
 * needs more than its bounded effort. */
int tokenizer_pattern_next(const struct tokenizer_pattern *p, struct tokenizer_matcher *m, struct str text, size_t at,
                           size_t *ret, struct err *err);

#endif
