#include "core/lm/bpe.h"

#include <string.h>

#include "base/mem.h"

enum { SHORT = 32 }; /* sequences up to this many tokens are searched, not put on a heap */

#define NO_RANK UINT32_MAX

struct merge {
    int32_t left, right; /* left is -1 in a free slot */
    uint32_t rank;
    int32_t whole;
};

struct bpe {
    const struct bpe_vocabulary *vocabulary;
    struct merge *slots; /* open addressing by (left, right); at most half are used */
    size_t mask;
    uint32_t *by_rank; /* slots of the merges in order */
    size_t count, room;
};

struct bpe *bpe_new(const struct bpe_vocabulary *vocabulary, size_t merges, struct err *err)
{
    if (merges > BPE_MAX_TOKENS) {
        err_set(err, ERR_BAD_FILE, "%zu merges are not supported, %d are", merges, BPE_MAX_TOKENS);
        return NULL;
    }
    struct bpe *b = mem_zeroed(1, sizeof *b);
    size_t slots = 4;
    while (slots < 2 * merges)
        slots *= 2;
    if (b) {
        b->vocabulary = vocabulary;
        b->room = merges;
        b->mask = slots - 1;
        b->slots = mem_array(slots, sizeof *b->slots);
        b->by_rank = mem_array(merges + 1, sizeof *b->by_rank);
    }
    if (!b || !b->slots || !b->by_rank) {
        bpe_free(b);
        err_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < slots; i++)
        b->slots[i].left = -1;
    return b;
}

void bpe_free(struct bpe *b)
{
    if (!b)
        return;
    mem_free(b->slots);
    mem_free(b->by_rank);
    mem_free(b);
}

/* The slot of a pair, or the free one where it would go. */
static struct merge *slot_of(const struct bpe *b, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    size_t i = (h ^ h >> 32) & b->mask;
    while (b->slots[i].left >= 0 && (b->slots[i].left != left || b->slots[i].right != right))
        i = (i + 1) & b->mask;
    return &b->slots[i];
}

/* The rank of a pair; NO_RANK when it does not merge. */
static uint32_t rank_of(const struct bpe *b, int32_t left, int32_t right)
{
    const struct merge *m = slot_of(b, left, right);
    return m->left < 0 ? NO_RANK : m->rank;
}

static int32_t whole_at(const struct bpe *b, uint32_t rank)
{
    return b->slots[b->by_rank[rank]].whole;
}

static int find_parts(struct bpe *b, struct str left, struct str right, struct merge *ret, struct err *err)
{
    struct buf joined = {0};
    buf_add(&joined, left.ptr, left.len);
    buf_add(&joined, right.ptr, right.len);
    bool failed = joined.failed;
    if (!failed) {
        ret->left = bpe_vocabulary_find(b->vocabulary, left);
        ret->right = bpe_vocabulary_find(b->vocabulary, right);
        ret->whole = bpe_vocabulary_find(b->vocabulary, (struct str){joined.data, joined.length});
    }
    buf_free(&joined);
    return failed ? err_memory(err) : 0;
}

int bpe_add(struct bpe *b, struct str left, struct str right, struct err *err)
{
    int shown_left = left.len < 60 ? (int)left.len : 60, shown_right = right.len < 60 ? (int)right.len : 60;
    struct merge merge = {.rank = (uint32_t)b->count};
    if (b->count >= b->room)
        return err_set(err, ERR_BAD_FILE, "there are more than %zu merges", b->room);
    if (find_parts(b, left, right, &merge, err) < 0)
        return -1;
    if (merge.left < 0 || merge.right < 0 || merge.whole < 0)
        return err_set(err, ERR_BAD_FILE, "merge %zu, \"%.*s\" with \"%.*s\": %s not in the vocabulary", b->count,
                       shown_left, left.ptr ? left.ptr : "", shown_right, right.ptr ? right.ptr : "",
                       merge.whole < 0 ? "the whole is" : "a part is");
    struct merge *slot = slot_of(b, merge.left, merge.right);
    if (slot->left >= 0)
        return err_set(err, ERR_BAD_FILE, "merges %u and %zu are the same, \"%.*s\" with \"%.*s\"", slot->rank,
                       b->count, shown_left, left.ptr, shown_right, right.ptr);
    *slot = merge;
    b->by_rank[b->count++] = (uint32_t)(slot - b->slots);
    return 0;
}

size_t bpe_count(const struct bpe *b)
{
    return b->count;
}

void bpe_pair(const struct bpe *b, size_t rank, int32_t *ret_left, int32_t *ret_right)
{
    const struct merge *m = &b->slots[b->by_rank[rank]];
    *ret_left = m->left;
    *ret_right = m->right;
}

/* Up to SHORT tokens: the ranks of all pairs at hand, the least looked for before each merge. */
static size_t apply_short(const struct bpe *b, int32_t *tokens, size_t n)
{
    uint32_t ranks[SHORT];
    for (size_t i = 0; i + 1 < n; i++)
        ranks[i] = rank_of(b, tokens[i], tokens[i + 1]);
    for (;;) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[best])
                best = i;
        if (n < 2 || ranks[best] == NO_RANK)
            return n;
        tokens[best] = whole_at(b, ranks[best]);
        memmove(tokens + best + 1, tokens + best + 2, (n - best - 2) * sizeof *tokens);
        memmove(ranks + best, ranks + best + 1, (n - best - 2) * sizeof *ranks);
        n--;
        if (best > 0)
            ranks[best - 1] = rank_of(b, tokens[best - 1], tokens[best]);
        if (best + 1 < n)
            ranks[best] = rank_of(b, tokens[best], tokens[best + 1]);
    }
}

/* A binary heap of (rank, position), least first. What a merge made stale is found so when it is taken out. */
struct heap {
    uint64_t *items;
    size_t count;
};

static void heap_put(struct heap *h, uint64_t item)
{
    size_t i = h->count++;
    while (i > 0 && h->items[(i - 1) / 2] > item) {
        h->items[i] = h->items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->items[i] = item;
}

static uint64_t heap_take(struct heap *h)
{
    uint64_t least = h->items[0], last = h->items[--h->count];
    size_t i = 0;
    for (size_t child = 1; child < h->count; child = 2 * i + 1) {
        if (child + 1 < h->count && h->items[child + 1] < h->items[child])
            child++;
        if (h->items[child] >= last)
            break;
        h->items[i] = h->items[child];
        i = child;
    }
    h->items[i] = last;
    return least;
}

static int reserve(struct bpe_scratch *s, size_t n, struct err *err)
{
    if (n <= s->room)
        return 0;
    bpe_scratch_free(s);
    s->heap = mem_array(3 * n, sizeof *s->heap); /* n pairs, and two more for each of fewer than n merges */
    s->links = mem_array(2 * n, sizeof *s->links);
    if (!s->heap || !s->links) {
        bpe_scratch_free(s);
        return err_memory(err);
    }
    s->room = n;
    return 0;
}

#define NOWHERE UINT32_MAX

/* A linked list over tokens[]; a token merged into its left neighbour becomes -1. */
struct chain {
    const struct bpe *bpe;
    int32_t *tokens;
    uint32_t *next, *previous;
    struct heap heap;
};

static void consider(struct chain *c, uint32_t at)
{
    uint32_t rank = rank_of(c->bpe, c->tokens[at], c->tokens[c->next[at]]);
    if (rank != NO_RANK)
        heap_put(&c->heap, (uint64_t)rank << 32 | at);
}

static void merge_at(struct chain *c, uint32_t at, uint32_t rank)
{
    uint32_t gone = c->next[at], after = c->next[gone];
    c->tokens[at] = whole_at(c->bpe, rank);
    c->tokens[gone] = -1;
    c->next[at] = after;
    if (after != NOWHERE) {
        c->previous[after] = at;
        consider(c, at);
    }
    if (c->previous[at] != NOWHERE)
        consider(c, c->previous[at]);
}

static size_t apply_long(const struct bpe *b, struct bpe_scratch *s, int32_t *tokens, size_t n)
{
    struct chain c = {b, tokens, s->links, s->links + n, {s->heap, 0}};
    for (size_t i = 0; i < n; i++) {
        c.next[i] = i + 1 < n ? (uint32_t)i + 1 : NOWHERE;
        c.previous[i] = i > 0 ? (uint32_t)i - 1 : NOWHERE;
    }
    for (size_t i = 0; i + 1 < n; i++)
        consider(&c, (uint32_t)i);
    while (c.heap.count > 0) {
        uint64_t item = heap_take(&c.heap);
        uint32_t at = (uint32_t)item, rank = (uint32_t)(item >> 32);
        bool alive = tokens[at] >= 0 && c.next[at] != NOWHERE;
        if (alive && rank_of(b, tokens[at], tokens[c.next[at]]) == rank)
            merge_at(&c, at, rank);
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (tokens[i] >= 0)
            tokens[kept++] = tokens[i];
    return kept;
}

int bpe_apply(const struct bpe *b, struct bpe_scratch *scratch, int32_t *tokens, size_t *count, struct err *err)
{
    if (*count <= SHORT) {
        *count = apply_short(b, tokens, *count);
        return 0;
    }
    if (reserve(scratch, *count, err) < 0)
        return -1;
    *count = apply_long(b, scratch, tokens, *count);
    return 0;
}

void bpe_apply_naive(const struct bpe *b, int32_t *tokens, size_t *count)
{
    for (;;) {
        size_t best = 0;
        uint32_t least = NO_RANK;
        for (size_t i = 0; i + 1 < *count; i++)
            if (rank_of(b, tokens[i], tokens[i + 1]) < least) {
                least = rank_of(b, tokens[i], tokens[i + 1]);
                best = i;
            }
        if (least == NO_RANK)
            return;
        tokens[best] = whole_at(b, least);
        (*count)--;
        memmove(tokens + best + 1, tokens + best + 2, (*count - best - 1) * sizeof *tokens);
    }
}

void bpe_scratch_free(struct bpe_scratch *scratch)
{
    mem_free(scratch->heap);
    mem_free(scratch->links);
    *scratch = (struct bpe_scratch){0};
}
