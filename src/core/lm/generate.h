/* generate: completions of many prompts at once, with a cache of keys and values.
 *
 * Up to `slots` sequences are alive. Each step is one packed pass: one token of every living sequence, and the whole
 * prompt of every newly admitted one. A finished sequence leaves the batch at once and its slot goes to the next
 * prompt, so a pass is never padded. Tokens are drawn by sampling.h from (seed, prompt id, sample, step).
 *
 * Everything is allocated at the start, from predicted sizes, and freed at the end; the results go to the caller's
 * arrays. The model, the adapters and the pool are borrowed. */
#ifndef EGALIGN_CORE_LM_GENERATE_H
#define EGALIGN_CORE_LM_GENERATE_H

#include <stdbool.h>

#include "core/lm/lora.h"
#include "core/lm/model.h"
#include "core/lm/sampling.h"
#include "core/lm/tokenwise.h"

struct generate_prompt {
    uint64_t id;     /* what the random numbers are keyed by, with `sample` */
    uint32_t sample; /* 0, 1, ... for several completions of one prompt */
    const int32_t *tokens;
    int length; /* 1 .. context - 1 */
};

struct generate_options {
    struct gemm gemm;
    struct sampling sampling;
    int max_new; /* tokens of a completion at most; it is also cut at the model's context */
    int eos;     /* ends a completion, and is its last token; -1: none */
    int slots;   /* sequences alive at once */
    struct lm_adapters *adapters;
    bool mapped;         /* for generate_bytes: the model's weights stay in files; generate sees for itself */
    size_t memory_limit; /* bytes; 0: no limit */
    /* Called after each pass with the number of tokens drawn so far; true stops with ERR_CANCELLED. NULL: never. */
    bool (*stop)(void *context, long tokens);
    void *context;
};

/* Where completions go: of prompt i, count[i] tokens at tokens + i max_new, their log-probabilities likewise. */
struct generated {
    int32_t *tokens; /* [n][max_new] */
    float *logp;     /* [n][max_new] */
    int *count;      /* [n] */
    bool *ended;     /* [n] EOS was met */
};

/* Completes `n` prompts. ERR_INVALID_VALUE, ERR_NO_MEMORY (predicted size above the limit), ERR_CANCELLED. */
int generate(const struct lm_model *model, const struct generate_options *options, int n,
             const struct generate_prompt *prompts, const struct generated *ret, struct err *err);

/* Bytes that generate would take, for prompts of at most `longest` tokens. */
size_t generate_bytes(const struct lm_shape *shape, const struct generate_options *options, int longest);

#endif
