/* bpe: byte-pair merges, and their application to a sequence of tokens (Sennrich et al. 2016).
 *
 * A merge joins two neighbouring tokens into the token whose text is the two texts joined; its rank is its place in the
 * list. Applying them takes the merge of least rank, the leftmost first, until there is none left. Short sequences are
 * searched each time; long ones go through a heap over a linked list, so a line of a megabyte takes n log n. It
 * refuses to know what a text means.
 *
 * The struct refers to its vocabulary, which must outlive it. Read-only once filled; a scratch is used by one thread
 * at a time. */
#ifndef EGALIGN_CORE_LM_BPE_H
#define EGALIGN_CORE_LM_BPE_H

#include "core/lm/bpe_vocabulary.h"

struct bpe;

/* Working memory of bpe_apply; a zeroed one is valid. */
struct bpe_scratch {
    uint64_t *heap;
    uint32_t *links;
    size_t room; /* tokens that it is good for */
};

/* No merges yet, room for `merges` of them (0 .. BPE_MAX_TOKENS). ERR_BAD_FILE, ERR_NO_MEMORY. */
struct bpe *bpe_new(const struct bpe_vocabulary *vocabulary, size_t merges, struct err *err);
void bpe_free(struct bpe *b);

/* Appends the merge of the next rank, given by texts. ERR_BAD_FILE when a part or the whole is not in the vocabulary,
 * when it is there already, and when there is no room left. */
int bpe_add(struct bpe *b, struct str left, struct str right, struct err *err);

/* Merges, and the two tokens of the one of `rank` < count. */
size_t bpe_count(const struct bpe *b);
void bpe_pair(const struct bpe *b, size_t rank, int32_t *ret_left, int32_t *ret_right);

/* Merges `tokens` in place; *count becomes what is left of them. At most 2^31 tokens. ERR_NO_MEMORY. */
int bpe_apply(const struct bpe *b, struct bpe_scratch *scratch, int32_t *tokens, size_t *count, struct err *err);

/* The naive twin of bpe_apply for the tests: searches the whole sequence before each merge. */
void bpe_apply_naive(const struct bpe *b, int32_t *tokens, size_t *count);

/* Releases what a scratch holds. */
void bpe_scratch_free(struct bpe_scratch *scratch);

#endif
