/* responses: what a language model answers to prompts, and how likely another model finds the same tokens.
 *
 * Sampling is plain (no top-k or top-p), so that the log-probabilities of what was drawn are those of the policy at the
 * temperature, and their mean difference to a reference's is an unbiased estimate of KL(policy || reference). A sample
 * is keyed by the seed, the text of its prompt and its number, and by nothing else.
 *
 * The set owns its texts and tokens (response_set_free). One thread; the model's pool computes. */
#ifndef EGALIGN_CORE_ALIGN_RESPONSES_H
#define EGALIGN_CORE_ALIGN_RESPONSES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "core/align/language_model.h"

struct responses_options {
    uint64_t seed;
    int samples;    /* of each prompt, at least 1 */
    int max_tokens; /* of a response at most, at least 1 */
    double temperature; /* > 0 */
    int slots;      /* sequences alive at once, at least 1 */
    size_t memory_limit; /* bytes; 0: none */
    /* Called now and then with the share done; false stops with ERR_CANCELLED. NULL: never. */
    bool (*progress)(void *context, double done);
    void *context;
};

struct response_set {
    int prompts, samples;
    int n;                  /* prompts x samples: those of prompt i are i samples .. (i + 1) samples - 1 */
    double temperature;
    struct token_list *prompt; /* [prompts] tokens within the template */
    int32_t *token;         /* [n][max_tokens] */
    int max_tokens;
    int *count;             /* [n] */
    double *logp;           /* [n] sum over the tokens under the model that drew them */
    struct str *text;       /* [n] UTF-8, without the end token */
    struct arena arena;
};

/* The number that stands for a prompt among the random numbers: of its text only. */
uint64_t responses_key(struct str prompt);

/* Samples. ERR_INVALID_VALUE for a prompt that does not fit the context (which one), ERR_NO_MEMORY, ERR_CANCELLED. On
 * failure *ret is empty. */
int responses_sample(const struct language_model *lm, const struct responses_options *o, int prompts,
                     const struct str *prompt, struct response_set *ret, struct err *err);
void response_set_free(struct response_set *s);

/* ret[s->n]: the summed log-probabilities of the same tokens under `lm`, at the set's temperature. ERR_CONFLICT when
 * its vocabulary or its template gives `prompt[s->prompts]` other tokens. `progress` as above. */
int responses_logp(const struct language_model *lm, const struct responses_options *o, const struct str *prompt,
                   const struct response_set *s, double *ret, struct err *err);

#endif
