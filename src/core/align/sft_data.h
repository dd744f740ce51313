/* sft_data: the examples of supervised training as tokens, and their packing into batches.
 *
 * An example is a sequence of which the tokens from `prompt` on are predicted. Responses that are too long are cut at
 * the end; prompts that leave no room for one are passed over; long texts become several examples that share one
 * token. Which examples are held out depends on the seed and the prompt (where there is none: the text) only, so no
 * prompt is on both sides. The data own their tokens. */
#ifndef EGALIGN_CORE_ALIGN_SFT_DATA_H
#define EGALIGN_CORE_ALIGN_SFT_DATA_H

#include "base/sha256.h"
#include "core/align/dialogue.h"
#include "core/lm/batch.h"

struct sft_example {
    size_t offset; /* into tokens */
    int length;    /* >= 2 */
    int prompt;    /* >= 1: tokens that are only read */
    bool held_out;
};

struct sft_data {
    int longest;     /* tokens of an example at most; set by the caller before the first is added */
    uint64_t seed;   /* of the choice of what is held out; likewise */
    double held_out; /* share of the prompts, 0 .. 0.5; likewise */
    struct token_list tokens;
    struct sft_example *examples;
    size_t count, room;
    long lines, cut, passed_over;
};

/* Adds a prompt with its response, or a text (prompt.ptr NULL). */
int sft_data_add(struct sft_data *d, const struct dialogue *dialogue, struct str prompt, struct str text,
                 struct err *err);

/* Releases what the data own. */
void sft_data_free(struct sft_data *d);

/* A digest of all examples. */
void sft_data_digest(const struct sft_data *d, uint8_t ret[SHA256_SIZE]);

/* Examples packed for one pass: all of a token's predecessors, without the last token, which nothing follows. */
struct sft_batch {
    int room;         /* tokens at most */
    int *starts;      /* [room + 1] */
    int32_t *tokens;  /* [room] */
    int *rows;        /* [room] tokens after which a prediction counts */
    int32_t *targets; /* [room] what comes there */
    int sequences, predictions;
};

/* An empty batch for `room` tokens. ERR_NO_MEMORY. */
int sft_batch_make(int room, struct sft_batch *ret, struct err *err);
void sft_batch_free(struct sft_batch *b);
void sft_batch_clear(struct sft_batch *b);

/* Adds an example; false, and nothing done, when there is no room. */
bool sft_batch_add(struct sft_batch *b, const struct sft_data *d, const struct sft_example *e);

/* Whether an example of `length` tokens would find room in a batch that has `used` of `room`. */
static inline bool sft_batch_fits(int room, int used, int length)
{
    return used + length - 1 <= room;
}

/* The batch as the engine takes it. */
struct lm_batch sft_batch_view(const struct sft_batch *b);

#endif
