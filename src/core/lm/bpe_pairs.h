/* bpe_pairs: pairs of neighbouring tokens, how often each occurs and where. Private to bpe_train.
 *
 * A table of pairs, a pool of occurrences, and a heap from which the most frequent pair is taken. A count that fell
 * since it was put on the heap is noticed when it comes out; one that rose must be put on again (bpe_pairs_raise). A
 * failed allocation is remembered and everything after it does nothing. The caller owns it; a zeroed one is empty. */
#ifndef EGALIGN_CORE_LM_BPE_PAIRS_H
#define EGALIGN_CORE_LM_BPE_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpe_pair {
    int32_t left, right;
    uint32_t occurrences; /* the newest; of the pool + 1, 0 is none */
    bool raised;          /* its count rose since bpe_pairs_raise */
    uint64_t count;
};

struct bpe_occurrence {
    uint32_t at, older;
};

struct bpe_ranked {
    uint64_t count; /* when it was put on the heap */
    uint32_t pair;
};

struct bpe_pairs {
    struct bpe_pair *items;
    uint32_t *slots; /* open addressing by (left, right): index + 1, 0 when free */
    struct bpe_occurrence *pool;
    struct bpe_ranked *heap;
    uint32_t *raised;
    size_t count, room, mask, pool_count, pool_room, heap_count, heap_room, raised_count, raised_room;
    bool failed;
};

/* The pair occurs `weight` times more, at position `at`. */
void bpe_pairs_add(struct bpe_pairs *p, int32_t left, int32_t right, uint64_t weight, uint32_t at);

/* The pair, which is there, occurs `weight` times less. */
void bpe_pairs_remove(struct bpe_pairs *p, int32_t left, int32_t right, uint64_t weight);

/* Puts the pairs whose counts rose on the heap. */
void bpe_pairs_raise(struct bpe_pairs *p);

/* Takes the most frequent pair (ties: the least left, then right) off the heap; NULL when none occurs twice. Valid
 * until the next addition. */
struct bpe_pair *bpe_pairs_take(struct bpe_pairs *p);

/* Writes the positions of the pair, in ascending order, to at[], which has room for bpe_pairs_occurrences; positions
 * where it does not stand any more are among them. */
size_t bpe_pairs_occurrences(const struct bpe_pairs *p, const struct bpe_pair *pair);
void bpe_pairs_positions(const struct bpe_pairs *p, const struct bpe_pair *pair, uint32_t *at);

/* Releases everything. */
void bpe_pairs_free(struct bpe_pairs *p);

#endif
