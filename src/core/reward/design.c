#include "core/reward/design.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/reward/dataset_parts.h"
#include "core/reward/features.h"

/* A bucket or a word count carries far less than a style feature, and there are twenty times as many: a smaller scale
 * is a stronger ridge on them. Chosen by held-out likelihood on real data. */
static const float PLAIN_SHARE = 0.06f;

static int design_alloc(int rows, int dim, int comparisons, int annotators, struct design **ret, struct err *err)
{
    struct design *d = mem_zeroed(1, sizeof *d);
    if (!d)
        return err_memory(err);
    d->rows = rows;
    d->dim = dim;
    d->ld = (dim + 15) / 16 * 16;
    d->comparisons = comparisons;
    d->annotators = annotators;
    size_t n = (size_t)comparisons;
    d->f = mem_aligned((size_t)rows * (size_t)d->ld, sizeof *d->f);
    d->scale = mem_array((size_t)dim, sizeof *d->scale);
    d->plus = mem_array(n, sizeof *d->plus);
    d->minus = mem_array(n, sizeof *d->minus);
    d->tie = mem_zeroed(n, sizeof *d->tie);
    d->weight = mem_array(n, sizeof *d->weight);
    d->item = mem_zeroed(n, sizeof *d->item);
    d->pair = mem_zeroed(n, sizeof *d->pair);
    d->start = mem_zeroed((size_t)annotators + 1, sizeof *d->start);
    if (!d->f || !d->scale || !d->plus || !d->minus || !d->tie || !d->weight || !d->item || !d->pair || !d->start) {
        design_free(d);
        return err_memory(err);
    }
    *ret = d;
    return 0;
}

void design_free(struct design *d)
{
    if (!d)
        return;
    mem_free(d->f);
    mem_free(d->scale);
    mem_free(d->plus);
    mem_free(d->minus);
    mem_free(d->tie);
    mem_free(d->weight);
    mem_free(d->item);
    mem_free(d->pair);
    mem_free(d->start);
    mem_free(d);
}

/* A stable counting sort of the comparisons by annotator: order[i] is the data set's comparison at place i. */
static void sort_by_annotator(const struct dataset *ds, int *start, int *order)
{
    for (int c = 0; c < ds->comparisons; c++)
        start[ds->comparison[c].annotator + 1]++;
    for (int h = 0; h < ds->annotators; h++)
        start[h + 1] += start[h];
    for (int c = 0; c < ds->comparisons; c++)
        order[start[ds->comparison[c].annotator]++] = c;
    for (int h = ds->annotators; h > 0; h--)
        start[h] = start[h - 1];
    start[0] = 0;
}

/* 1 / root mean square of each feature's difference over the comparisons; 0 for a feature that never differs. */
static int scales_of(const struct dataset *ds, float *scale, struct err *err)
{
    int dim = ds->dimension;
    double *squares = mem_zeroed((size_t)dim, sizeof *squares);
    if (!squares)
        return err_memory(err);
    for (int c = 0; c < ds->comparisons; c++) {
        const float *a = ds->features + (size_t)ds->comparison[c].a * (size_t)dim;
        const float *b = ds->features + (size_t)ds->comparison[c].b * (size_t)dim;
        for (int j = 0; j < dim; j++)
            squares[j] += ((double)a[j] - b[j]) * ((double)a[j] - b[j]);
    }
    for (int j = 0; j < dim; j++) {
        double rms = sqrt(squares[j] / (ds->comparisons ? ds->comparisons : 1));
        float share = ds->encoder == ENCODER_HASHED && j >= FEATURES_STYLE ? PLAIN_SHARE : 1;
        scale[j] = rms > 1e-6 ? share / (float)rms : 0;
    }
    mem_free(squares);
    return 0;
}

/* Rows are the scaled differences, winner minus loser. */
static void fill_differences(const struct dataset *ds, struct design *d)
{
    for (int c = 0; c < d->comparisons; c++) {
        const float *a = ds->features + (size_t)d->plus[c] * (size_t)d->dim;
        const float *b = ds->features + (size_t)d->minus[c] * (size_t)d->dim;
        float *row = d->f + (size_t)c * (size_t)d->ld;
        for (int j = 0; j < d->dim; j++)
            row[j] = (a[j] - b[j]) * d->scale[j];
    }
    for (int c = 0; c < d->comparisons; c++) {
        d->plus[c] = c;
        d->minus[c] = -1;
    }
}

/* Rows are the scaled responses, centred so that differences of scores lose no digits. */
static int fill_responses(const struct dataset *ds, struct design *d, struct err *err)
{
    double *mean = mem_zeroed((size_t)d->dim, sizeof *mean);
    if (!mean)
        return err_memory(err);
    for (int i = 0; i < d->rows; i++)
        for (int j = 0; j < d->dim; j++)
            mean[j] += (double)ds->features[(size_t)i * (size_t)d->dim + (size_t)j] / d->rows;
    for (int i = 0; i < d->rows; i++)
        for (int j = 0; j < d->dim; j++)
            d->f[(size_t)i * (size_t)d->ld + (size_t)j] =
                (float)((double)ds->features[(size_t)i * (size_t)d->dim + (size_t)j] - mean[j]) * d->scale[j];
    mem_free(mean);
    return 0;
}

struct pair_key {
    int low, high, at;
};

static int by_pair(const void *x, const void *y)
{
    const struct pair_key *a = x, *b = y;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* Numbers the unordered pairs of responses, while plus and minus still are responses. */
static int number_pairs(struct design *d, struct err *err)
{
    struct pair_key *keys = mem_array((size_t)d->comparisons, sizeof *keys);
    if (!keys)
        return err_memory(err);
    for (int c = 0; c < d->comparisons; c++) {
        int a = d->plus[c], b = d->minus[c];
        keys[c] = (struct pair_key){a < b ? a : b, a < b ? b : a, c};
    }
    qsort(keys, (size_t)d->comparisons, sizeof *keys, by_pair);
    int number = -1;
    for (int i = 0; i < d->comparisons; i++) {
        if (i == 0 || keys[i].low != keys[i - 1].low || keys[i].high != keys[i - 1].high)
            number++;
        d->pair[keys[i].at] = number;
    }
    mem_free(keys);
    return 0;
}

static void take_comparison(const struct dataset *ds, int from, bool strength_weights, struct design *d, int to)
{
    const struct comparison *c = &ds->comparison[from];
    bool b_wins = c->outcome == CHOICE_B;
    d->plus[to] = b_wins ? c->b : c->a;
    d->minus[to] = b_wins ? c->a : c->b;
    d->tie[to] = c->outcome == CHOICE_TIE || c->outcome == CHOICE_BOTH_BAD;
    d->ties += d->tie[to];
    d->weight[to] = strength_weights && c->strength ? (float)c->strength / 2 : 1;
    d->item[to] = ds->item_of[c->a];
}

int design_new(const struct dataset *ds, bool strength_weights, struct design **ret, struct err *err)
{
    bool differences = ds->responses > ds->comparisons;
    struct design *d = NULL;
    int *order = NULL, failed = -1;
    if (design_alloc(differences ? ds->comparisons : ds->responses, ds->dimension, ds->comparisons, ds->annotators, &d,
                     err) < 0)
        return -1;
    d->items = ds->items;
    order = mem_array((size_t)ds->comparisons, sizeof *order);
    if (!order) {
        err_memory(err);
        goto out;
    }
    sort_by_annotator(ds, d->start, order);
    for (int c = 0; c < d->comparisons; c++)
        take_comparison(ds, order[c], strength_weights, d, c);
    if (scales_of(ds, d->scale, err) < 0 || number_pairs(d, err) < 0)
        goto out;
    if (differences)
        fill_differences(ds, d);
    else if (fill_responses(ds, d, err) < 0)
        goto out;
    *ret = d;
    d = NULL;
    failed = 0;
out:
    mem_free(order);
    design_free(d);
    return failed;
}

int design_from_differences(int n, int dim, const float *x, const int *annotator, int annotators, struct design **ret,
                            struct err *err)
{
    struct design *d;
    if (design_alloc(n, dim, n, annotators, &d, err) < 0)
        return -1;
    d->items = n;
    for (int c = 0; c < n; c++) {
        memcpy(d->f + (size_t)c * (size_t)d->ld, x + (size_t)c * (size_t)dim, (size_t)dim * sizeof *x);
        d->plus[c] = d->item[c] = d->pair[c] = c;
        d->minus[c] = -1;
        d->weight[c] = 1;
        d->start[annotator[c] + 1]++;
    }
    for (int h = 0; h < annotators; h++)
        d->start[h + 1] += d->start[h];
    for (int j = 0; j < dim; j++)
        d->scale[j] = 1;
    *ret = d;
    return 0;
}
