#include "core/lm/bpe_pairs.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

/* Makes room for one more item; false, and failed, without memory. */
static bool grow(struct bpe_pairs *p, void *list, size_t count, size_t *room, size_t size)
{
    void **items = list;
    if (p->failed || count >= UINT32_MAX - 1) {
        p->failed = true;
        return false;
    }
    if (count < *room)
        return true;
    size_t wanted = *room ? 2 * *room : 1024;
    void *more = mem_resize(*items, wanted, size);
    if (!more) {
        p->failed = true;
        return false;
    }
    *items = more;
    *room = wanted;
    return true;
}

static uint32_t *slot_of(const struct bpe_pairs *p, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    size_t i = (h ^ h >> 32) & p->mask;
    while (p->slots[i] && (p->items[p->slots[i] - 1].left != left || p->items[p->slots[i] - 1].right != right))
        i = (i + 1) & p->mask;
    return &p->slots[i];
}

/* Keeps at most half of the slots in use. */
static bool rehash(struct bpe_pairs *p)
{
    if (p->slots && 2 * (p->count + 1) <= p->mask + 1)
        return true;
    size_t slots = p->slots ? 2 * (p->mask + 1) : 4096;
    uint32_t *more = mem_zeroed(slots, sizeof *more);
    if (!more) {
        p->failed = true;
        return false;
    }
    mem_free(p->slots);
    p->slots = more;
    p->mask = slots - 1;
    for (size_t i = 0; i < p->count; i++)
        *slot_of(p, p->items[i].left, p->items[i].right) = (uint32_t)i + 1;
    return true;
}

void bpe_pairs_add(struct bpe_pairs *p, int32_t left, int32_t right, uint64_t weight, uint32_t at)
{
    if (!grow(p, &p->items, p->count, &p->room, sizeof *p->items) || !rehash(p) ||
        !grow(p, &p->pool, p->pool_count, &p->pool_room, sizeof *p->pool) ||
        !grow(p, &p->raised, p->raised_count, &p->raised_room, sizeof *p->raised))
        return;
    uint32_t *slot = slot_of(p, left, right);
    if (!*slot) {
        p->items[p->count++] = (struct bpe_pair){.left = left, .right = right};
        *slot = (uint32_t)p->count;
    }
    struct bpe_pair *pair = &p->items[*slot - 1];
    if (!pair->raised)
        p->raised[p->raised_count++] = *slot - 1;
    pair->raised = true;
    pair->count += weight;
    p->pool[p->pool_count++] = (struct bpe_occurrence){at, pair->occurrences};
    pair->occurrences = (uint32_t)p->pool_count;
}

void bpe_pairs_remove(struct bpe_pairs *p, int32_t left, int32_t right, uint64_t weight)
{
    if (p->failed)
        return;
    uint32_t slot = *slot_of(p, left, right);
    CHECK(slot && p->items[slot - 1].count >= weight);
    p->items[slot - 1].count -= weight;
}

/* Whether a comes off the heap before b. */
static bool before(const struct bpe_pairs *p, struct bpe_ranked a, struct bpe_ranked b)
{
    const struct bpe_pair *x = &p->items[a.pair], *y = &p->items[b.pair];
    if (a.count != b.count)
        return a.count > b.count;
    return x->left != y->left ? x->left < y->left : x->right < y->right;
}

static void put(struct bpe_pairs *p, uint32_t pair)
{
    struct bpe_ranked item = {p->items[pair].count, pair};
    if (!grow(p, &p->heap, p->heap_count, &p->heap_room, sizeof *p->heap))
        return;
    size_t i = p->heap_count++;
    for (; i > 0 && before(p, item, p->heap[(i - 1) / 2]); i = (i - 1) / 2)
        p->heap[i] = p->heap[(i - 1) / 2];
    p->heap[i] = item;
}

static struct bpe_ranked take(struct bpe_pairs *p)
{
    struct bpe_ranked first = p->heap[0], last = p->heap[--p->heap_count];
    size_t i = 0;
    for (size_t child = 1; child < p->heap_count; child = 2 * i + 1) {
        if (child + 1 < p->heap_count && before(p, p->heap[child + 1], p->heap[child]))
            child++;
        if (!before(p, p->heap[child], last))
            break;
        p->heap[i] = p->heap[child];
        i = child;
    }
    p->heap[i] = last;
    return first;
}

void bpe_pairs_raise(struct bpe_pairs *p)
{
    for (size_t i = 0; i < p->raised_count; i++) {
        p->items[p->raised[i]].raised = false;
        put(p, p->raised[i]);
    }
    p->raised_count = 0;
}

struct bpe_pair *bpe_pairs_take(struct bpe_pairs *p)
{
    while (p->heap_count > 0 && !p->failed) {
        struct bpe_ranked first = take(p);
        struct bpe_pair *pair = &p->items[first.pair];
        if (pair->count < 2)
            continue;
        if (pair->count == first.count)
            return pair;
        if (pair->count < first.count)
            put(p, first.pair);
    }
    return NULL;
}

size_t bpe_pairs_occurrences(const struct bpe_pairs *p, const struct bpe_pair *pair)
{
    size_t n = 0;
    for (uint32_t i = pair->occurrences; i; i = p->pool[i - 1].older)
        n++;
    return n;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

void bpe_pairs_positions(const struct bpe_pairs *p, const struct bpe_pair *pair, uint32_t *at)
{
    size_t n = 0;
    for (uint32_t i = pair->occurrences; i; i = p->pool[i - 1].older)
        at[n++] = p->pool[i - 1].at;
    qsort(at, n, sizeof *at, compare);
}

void bpe_pairs_free(struct bpe_pairs *p)
{
    mem_free(p->items);
    mem_free(p->slots);
    mem_free(p->pool);
    mem_free(p->heap);
    mem_free(p->raised);
    *p = (struct bpe_pairs){0};
}
