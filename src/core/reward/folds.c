#include "core/reward/folds.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "core/reward/study.h"

struct unit {
    int size;
    uint32_t lot; /* breaks ties by chance */
    int number;
};

static int larger_first(const void *x, const void *y)
{
    const struct unit *a = x, *b = y;
    if (a->size != b->size)
        return a->size > b->size ? -1 : 1;
    if (a->lot != b->lot)
        return a->lot < b->lot ? -1 : 1;
    return a->number < b->number ? -1 : 1;
}

/* Deals units (numbered by of[c]) to folds, the largest first, each to the smallest fold; of[c] becomes the fold. */
static int deal(const int *unit_of, int comparisons, int units, int n, uint64_t seed, int *of, struct err *err)
{
    struct unit *list = mem_zeroed((size_t)units, sizeof *list);
    int *fold_of_unit = mem_array((size_t)units, sizeof *fold_of_unit), failed = -1;
    int sizes[20] = {0};
    if (!list || !fold_of_unit) {
        err_memory(err);
        goto out;
    }
    struct rng r;
    rng_init(&r, seed, STREAM_FOLDS);
    for (int i = 0; i < units; i++)
        list[i] = (struct unit){0, rng_u32(&r), i};
    for (int c = 0; c < comparisons; c++)
        list[unit_of[c]].size++;
    qsort(list, (size_t)units, sizeof *list, larger_first);
    for (int i = 0; i < units; i++) {
        int least = 0;
        for (int f = 1; f < n; f++)
            if (sizes[f] < sizes[least])
                least = f;
        fold_of_unit[list[i].number] = least;
        sizes[least] += list[i].size;
    }
    for (int c = 0; c < comparisons; c++)
        of[c] = fold_of_unit[unit_of[c]];
    failed = 0;
out:
    mem_free(list);
    mem_free(fold_of_unit);
    return failed;
}

/* Renumbers the items that occur from 0; returns how many there are and the size of the largest, or -1. */
static int items_in_use(const struct design *d, int *dense, int *ret_largest, struct err *err)
{
    int *size = mem_zeroed((size_t)d->items, sizeof *size), used = 0;
    if (!size)
        return err_memory(err);
    *ret_largest = 0;
    for (int c = 0; c < d->comparisons; c++)
        if (++size[d->item[c]] > *ret_largest)
            *ret_largest = size[d->item[c]];
    for (int i = 0; i < d->items; i++)
        size[i] = size[i] > 0 ? used++ : -1;
    for (int c = 0; c < d->comparisons; c++)
        dense[c] = size[d->item[c]];
    mem_free(size);
    return used;
}

int folds_new(const struct design *d, int n, enum fold_unit wanted, uint64_t seed, struct folds *ret, struct err *err)
{
    int *of = mem_array((size_t)d->comparisons, sizeof *of), *unit = mem_array((size_t)d->comparisons, sizeof *unit);
    int largest = 0, pairs = 0, failed = -1;
    *ret = (struct folds){.n = n, .unit = "item"};
    if (!of || !unit) {
        err_memory(err);
        goto out;
    }
    int items = items_in_use(d, unit, &largest, err);
    if (items < 0)
        goto out;
    for (int c = 0; c < d->comparisons; c++)
        pairs = d->pair[c] >= pairs ? d->pair[c] + 1 : pairs;
    bool by_pair = wanted == FOLDS_BY_PAIR || items < 2 * n || largest > d->comparisons / n;
    ret->unit = by_pair ? "pair" : "item";
    if (deal(by_pair ? d->pair : unit, d->comparisons, by_pair ? pairs : items, n, seed, of, err) < 0)
        goto out;
    ret->of = of;
    of = NULL;
    failed = 0;
out:
    mem_free(of);
    mem_free(unit);
    return failed;
}

void folds_free(struct folds *f)
{
    mem_free(f->of);
    f->of = NULL;
}

int folds_cut(const struct folds *f, int i, const struct sample *all, struct sample **ret_train,
              struct sample **ret_test, struct err *err)
{
    uint8_t *keep = mem_array((size_t)all->n, 1);
    int failed = -1;
    *ret_train = *ret_test = NULL;
    if (!keep)
        return err_memory(err);
    for (int p = 0; p < all->n; p++)
        keep[p] = f->of[all->index[p]] != i;
    if (sample_part(all, keep, ret_train, err) < 0)
        goto out;
    for (int p = 0; p < all->n; p++)
        keep[p] = !keep[p];
    failed = sample_part(all, keep, ret_test, err);
    if (failed < 0) {
        sample_free(*ret_train);
        *ret_train = NULL;
    }
out:
    mem_free(keep);
    return failed;
}
