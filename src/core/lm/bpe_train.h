/* bpe_train: makes a byte-level BPE tokenizer from text (Sennrich et al. 2016, over bytes as in GPT-2).
 *
 * Text is cut by GPT-2's pattern and distinct pieces are counted. Then the pair of neighbouring tokens that occurs most
 * often becomes a token, again and again; counts are kept up to date where a merge changed them, so the work grows with
 * the size of the distinct pieces and not with vocabulary x corpus. Ties go to the pair of the smaller ids, left first:
 * the same texts in any order give the same tokenizer. Ids: the 256 bytes in the order of GPT-2, the merges, then
 * "<|endoftext|>". A token has at most BPE_TRAIN_LONGEST bytes. It refuses to train anything but byte-level BPE.
 *
 * Memory is about 40 bytes per byte of distinct pieces. One trainer, one thread. */
#ifndef EGALIGN_CORE_LM_BPE_TRAIN_H
#define EGALIGN_CORE_LM_BPE_TRAIN_H

#include "core/lm/tokenizer.h"

enum {
    BPE_TRAIN_LEAST = 257, /* tokens: the bytes and <|endoftext|> */
    BPE_TRAIN_LONGEST = 128
};

struct bpe_trainer;

/* ERR_NO_MEMORY. */
struct bpe_trainer *bpe_trainer_new(struct err *err);
void bpe_trainer_free(struct bpe_trainer *t);

/* Counts the pieces of one text (any bytes). ERR_NO_MEMORY, ERR_TOO_LARGE above 2^31 bytes of distinct pieces. */
int bpe_trainer_add(struct bpe_trainer *t, struct str text, struct err *err);

/* A tokenizer of `vocabulary` tokens (BPE_TRAIN_LEAST .. BPE_MAX_TOKENS) from what was added; of fewer when no pair
 * occurs twice any more. The trainer stays as it is. ERR_INVALID_VALUE, ERR_NO_MEMORY. */
struct tokenizer *bpe_trainer_finish(const struct bpe_trainer *t, int vocabulary, struct err *err);

#endif
