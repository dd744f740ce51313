/* reviews_writer: a small language model that has learnt to write reviews, and what it and its descendants write.
 *
 * The tokenizer and a GPT of a few layers are trained on texts of the grammar whose prompts are not held out, in less
 * than a minute. The writer stays as it is, the reference; a policy that was trained from it shares its tokenizer and
 * is given beside it. Deterministic for a seed, whatever the number of threads. It refuses to judge what is written.
 *
 * A writer and its samples are owned by the caller; one thread (they drive the pool of `gemm`, which is borrowed). */
#ifndef EGALIGN_CORE_LAB_REVIEWS_WRITER_H
#define EGALIGN_CORE_LAB_REVIEWS_WRITER_H

#include "core/align/dialogue.h"
#include "core/lab/reviews.h"
#include "core/lm/gemm.h"
#include "core/lm/model.h"

struct reviews_writer_options {
    struct gemm gemm;
    uint64_t seed;
    int layers, width;   /* of the model; the width is a multiple of 32 */
    int vocabulary;      /* tokens */
    int reviews;         /* that it learns from */
    double epochs, rate; /* of supervised training */
    int response_tokens; /* that it writes at most */
    /* Told how far the training is, 0 .. 1; may be NULL. */
    void (*tell)(void *context, double fraction);
    void *context;
};

struct reviews_writer {
    struct gemm gemm;
    struct tokenizer *tokenizer;
    struct dialogue dialogue;
    struct lm_model *model;
    int response_tokens;
    double perplexity;                /* on reviews that it did not learn from */
    struct buf prompts;               /* all prompts, one behind the other ... */
    size_t text[REVIEWS_PROMPTS + 1]; /* ... where each begins ... */
    struct token_list tokens;         /* ... and the same as tokens */
    size_t token[REVIEWS_PROMPTS + 1];
};

/* Trains. ERR_INVALID_VALUE for an impossible shape, ERR_NUMERICAL, ERR_NO_MEMORY. reviews_writer_close in any case. */
int reviews_writer_open(const struct reviews_writer_options *options, struct reviews_writer *ret, struct err *err);
void reviews_writer_close(struct reviews_writer *w);

/* Prompt `index` as text, and as tokens in its template. */
struct str reviews_writer_prompt(const struct reviews_writer *w, int index);
int reviews_writer_tokens(const struct reviews_writer *w, int index, const int32_t **ret);

/* `each` responses to each of `prompts` prompts: of prompt i numbers i each .. i each + each - 1. */
struct reviews_samples {
    int count, prompts, each;
    int *prompt;                     /* [prompts] index into the grammar's prompts */
    struct buf text;                 /* responses, one behind the other */
    size_t *start;                   /* [count + 1] into text */
    struct reviews_measure *measure; /* [count] the truth about them */
    double *kl;   /* [count] log pi - log pi_ref of each, nats; 0 when the writer wrote them itself */
    double ended; /* share that ended by themselves */
};

/* Samples from `policy` (NULL: the writer's own model) at temperature 1. ERR_NO_MEMORY. reviews_samples_free in any
 * case. */
int reviews_sample(const struct reviews_writer *w, const struct lm_model *policy, int prompts, const int *prompt,
                   int each, uint64_t seed, struct reviews_samples *ret, struct err *err);
void reviews_samples_free(struct reviews_samples *s);

/* Response `i`. */
struct str reviews_sampled(const struct reviews_samples *s, int i);

/* Mean of kl, of sentiment, of words, and the share of sentences that the grammar derives. */
struct reviews_summary {
    double kl, sentiment, words, derived;
};

/* Of all samples; no sample, no sentence: zeros. */
struct reviews_summary reviews_summarise(const struct reviews_samples *s);

#endif
