#include "core/reward/design.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

enum { CHUNK_COMPARISONS = 2048 };

static int sample_alloc(const struct design *d, int n, struct sample **ret, struct err *err)
{
    struct sample *s = mem_zeroed(1, sizeof *s);
    if (!s)
        return err_memory(err);
    s->design = d;
    s->n = n;
    s->index = mem_array((size_t)n, sizeof *s->index);
    s->owner = mem_array((size_t)n, sizeof *s->owner);
    s->start = mem_zeroed((size_t)d->annotators + 1, sizeof *s->start);
    s->ref_start = mem_zeroed((size_t)d->rows + 1, sizeof *s->ref_start);
    s->ref = mem_array((size_t)n * 2, sizeof *s->ref);
    s->chunk = mem_array((size_t)(n / CHUNK_COMPARISONS) + 2, sizeof *s->chunk);
    if (!s->index || !s->owner || !s->start || !s->ref_start || !s->ref || !s->chunk) {
        sample_free(s);
        return err_memory(err);
    }
    *ret = s;
    return 0;
}

void sample_free(struct sample *s)
{
    if (!s)
        return;
    mem_free(s->index);
    mem_free(s->owner);
    mem_free(s->start);
    mem_free(s->ref_start);
    mem_free(s->ref);
    mem_free(s->chunk);
    mem_free(s);
}

/* Builds the inverse from rows to positions: count, sum up, fill, shift back. */
static void fill_refs(struct sample *s)
{
    const struct design *d = s->design;
    for (int i = 0; i < s->n; i++) {
        s->ref_start[d->plus[s->index[i]] + 1]++;
        if (d->minus[s->index[i]] >= 0)
            s->ref_start[d->minus[s->index[i]] + 1]++;
    }
    for (int r = 0; r < d->rows; r++)
        s->ref_start[r + 1] += s->ref_start[r];
    for (int i = 0; i < s->n; i++) {
        s->ref[s->ref_start[d->plus[s->index[i]]]++] = i << 1;
        if (d->minus[s->index[i]] >= 0)
            s->ref[s->ref_start[d->minus[s->index[i]]]++] = i << 1 | 1;
    }
    for (int r = d->rows; r > 0; r--)
        s->ref_start[r] = s->ref_start[r - 1];
    s->ref_start[0] = 0;
}

/* Cuts the annotators into ranges of at least CHUNK_COMPARISONS comparisons each, but for the last. */
static void cut_chunks(struct sample *s)
{
    int annotators = s->design->annotators;
    s->chunk[0] = 0;
    for (int h = 0; h < annotators; h++)
        if (s->start[h + 1] - s->start[s->chunk[s->chunks]] >= CHUNK_COMPARISONS)
            s->chunk[++s->chunks] = h + 1;
    if (s->chunk[s->chunks] < annotators)
        s->chunk[++s->chunks] = annotators;
}

static void finish(struct sample *s)
{
    for (int h = 0; h < s->design->annotators; h++)
        for (int i = s->start[h]; i < s->start[h + 1]; i++)
            s->owner[i] = h;
    fill_refs(s);
    cut_chunks(s);
}

int sample_all(const struct design *d, struct sample **ret, struct err *err)
{
    if (sample_alloc(d, d->comparisons, ret, err) < 0)
        return -1;
    for (int c = 0; c < d->comparisons; c++)
        (*ret)->index[c] = c;
    memcpy((*ret)->start, d->start, ((size_t)d->annotators + 1) * sizeof *d->start);
    finish(*ret);
    return 0;
}

int sample_part(const struct sample *source, const uint8_t *keep, struct sample **ret, struct err *err)
{
    int n = 0;
    for (int i = 0; i < source->n; i++)
        n += keep[i] != 0;
    struct sample *s;
    if (sample_alloc(source->design, n, &s, err) < 0)
        return -1;
    n = 0;
    for (int h = 0; h < source->design->annotators; h++) {
        for (int i = source->start[h]; i < source->start[h + 1]; i++)
            if (keep[i])
                s->index[n++] = source->index[i];
        s->start[h + 1] = n;
    }
    finish(s);
    *ret = s;
    return 0;
}

int sample_permuted(const struct sample *source, uint64_t seed, uint64_t stream, struct sample **ret, struct err *err)
{
    if (sample_alloc(source->design, source->n, ret, err) < 0)
        return -1;
    struct sample *s = *ret;
    memcpy(s->index, source->index, (size_t)s->n * sizeof *s->index);
    memcpy(s->start, source->start, ((size_t)s->design->annotators + 1) * sizeof *s->start);
    struct rng r;
    rng_init(&r, seed, stream);
    rng_shuffle(&r, (uint32_t *)s->index, (size_t)s->n);
    finish(s);
    return 0;
}
