#include "core/reward/fit.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "core/blas.h"
#include "core/reward/accuracy.h"
#include "core/reward/bounds.h"
#include "core/reward/model.h"
#include "core/reward/selection.h"

/* What a fit owns beside its plain members. */
struct fit_model {
    struct model model;
    struct arena arena;
};

static __attribute__((format(printf, 2, 3))) void warn(struct fit *f, const char *format, ...)
{
    if (f->warnings == FIT_WARNINGS_MAX)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(f->warning[f->warnings++], sizeof f->warning[0], format, args);
    va_end(args);
}

static int check_data(const struct study *st, struct err *err)
{
    const struct design *d = st->d;
    int active = 0;
    for (int h = 0; h < d->annotators; h++)
        active += d->start[h + 1] > d->start[h];
    if (d->comparisons < FIT_LEAST_COMPARISONS || active < FIT_LEAST_ANNOTATORS)
        return err_set(err, ERR_INSUFFICIENT_DATA,
                       "a fit needs %d comparisons by %d annotators; there are %d by %d", FIT_LEAST_COMPARISONS,
                       FIT_LEAST_ANNOTATORS, d->comparisons, active);
    return 0;
}

static int new_fit(const struct study *st, const struct dataset *ds, struct fit **ret, struct err *err)
{
    struct fit *f = mem_zeroed(1, sizeof *f);
    if (!f || !(f->model = mem_zeroed(1, sizeof *f->model))) {
        mem_free(f);
        return err_memory(err);
    }
    f->seed = st->o->seed;
    f->threads = st->o->threads;
    f->restarts = st->o->restarts;
    f->assignment = st->o->assignment;
    f->ties = st->o->ties;
    f->comparisons = st->d->comparisons;
    f->ties_seen = st->d->ties;
    f->items = st->d->items;
    f->responses = ds->responses;
    f->annotators = st->d->annotators;
    f->dimension = st->d->dim;
    f->encoder = ds->encoder == ENCODER_HASHED ? "hashed" : "lm";
    memcpy(f->encoder_digest, ds->digest, sizeof f->encoder_digest);
    snprintf(f->blas, sizeof f->blas, "%s", blas_config());
    *ret = f;
    return 0;
}

void fit_free(struct fit *f)
{
    if (!f)
        return;
    arena_free(&f->model->arena);
    mem_free(f->model);
    mem_free(f);
}

void fit_save(const struct fit *f, struct buf *out)
{
    model_write(&f->model->model, out);
}

struct rank {
    double weight;
    int group;
};

static int heavier_first(const void *x, const void *y)
{
    const struct rank *a = x, *b = y;
    return a->weight != b->weight ? (a->weight > b->weight ? -1 : 1) : a->group - b->group;
}

static void permute(double *x, int k, size_t width, const struct rank *order, double *scratch)
{
    memcpy(scratch, x, (size_t)k * width * sizeof *x);
    for (int u = 0; u < k; u++)
        memcpy(x + (size_t)u * width, scratch + (size_t)order[u].group * width, width * sizeof *x);
}

/* Puts the groups of a mixture in order of falling weight. */
static int sort_groups(struct mixture *m, struct err *err)
{
    struct rank order[FIT_GROUPS_MAX];
    double *scratch = mem_array((size_t)m->k * (size_t)m->dim, sizeof *scratch);
    if (!scratch)
        return err_memory(err);
    for (int u = 0; u < m->k; u++)
        order[u] = (struct rank){m->eta[u], u};
    qsort(order, (size_t)m->k, sizeof *order, heavier_first);
    permute(m->theta, m->k, (size_t)m->dim, order, scratch);
    permute(m->eta, m->k, 1, order, scratch);
    for (int h = 0; h < m->annotators; h++) {
        permute(m->q + (size_t)h * (size_t)m->k, m->k, 1, order, scratch);
        permute(m->likelihood + (size_t)h * (size_t)m->k, m->k, 1, order, scratch);
    }
    mem_free(scratch);
    return 0;
}

/* The pooled reward and the mixture on all comparisons. */
static int fit_all(struct study *st, struct fit *f, struct mixture **ret_pooled, struct mixture **ret_mixture,
                   struct err *err)
{
    struct effort effort = {st->o->restarts, st->o->iterations, 1e-6};
    if (study_phase(st, PHASE_MIXTURE, 2, err) < 0)
        return -1;
    if (study_pooled(st, st->all, f->ridge_pooled, NULL, ret_pooled, err) < 0 || study_task_done(st, err) < 0)
        return -1;
    if (f->k == 1)
        f->ridge = f->ridge_pooled;
    if (study_mixture(st, st->all, f->k, f->ridge, effort, *ret_pooled, NULL, ret_mixture, err) < 0)
        return -1;
    struct mixture *m = *ret_mixture;
    if (!f->forced && f->k == st->o->k_max && f->k > 1)
        warn(f, "The most groups allowed were chosen; a greater k_max may find more.");
    if (m->reseeded)
        warn(f, "A group became too small during EM and was seeded anew.");
    if (m->dropped)
        warn(f, "%d of %d groups had fewer than %g annotators and were dropped.", m->dropped, f->k,
             st->o->min_group_size);
    if (!m->converged)
        warn(f, "EM had not converged when it was stopped after %d iterations.", m->iterations);
    f->k = m->k;
    return sort_groups(m, err) < 0 ? -1 : study_task_done(st, err);
}

static const float *floats_of(struct arena *a, const double *x, size_t n)
{
    float *copy = arena_alloc(a, n * sizeof *copy);
    for (size_t i = 0; copy && i < n; i++)
        copy[i] = (float)x[i];
    return copy;
}

/* Heads and scales, and the model that points to them. */
static int keep_heads(struct study *st, struct fit *f, const struct dataset *ds, const struct mixture *pooled,
                      const struct mixture *m, struct err *err)
{
    struct arena *a = &f->model->arena;
    size_t d = (size_t)m->dim;
    const float *heads = floats_of(a, m->theta, (size_t)m->k * d);
    float *scale = arena_alloc(a, d * sizeof *scale);
    f->pooled = floats_of(a, pooled->theta, d);
    if (!heads || !scale || !f->pooled)
        return err_memory(err);
    memcpy(scale, st->d->scale, d * sizeof *scale);
    f->tie_parameter = m->nu;
    f->model->model = (struct model){.encoder = ds->encoder,
                                     .buckets = ds->buckets,
                                     .dimension = f->dimension,
                                     .groups = f->k,
                                     .tie_parameter = m->nu,
                                     .scale = scale,
                                     .heads = heads,
                                     .pooled = f->pooled};
    memcpy(f->model->model.digest, ds->digest, sizeof ds->digest);
    for (int u = 0; u < f->k; u++) {
        f->group[u].head = heads + (size_t)u * d;
        f->group[u].weight = m->eta[u];
    }
    return 0;
}

/* The group of an annotator, or -1: too few comparisons, or no tempered posterior reaches the threshold. */
static int group_of(const struct fit_options *o, int k, int comparisons, const double *posterior)
{
    int best = 0;
    for (int u = 1; u < k; u++)
        if (posterior[u] > posterior[best])
            best = u;
    return comparisons >= o->min_comparisons && comparisons > 0 && posterior[best] >= o->assign_threshold ? best : -1;
}

static int keep_annotators(struct study *st, struct fit *f, const struct mixture *m, struct err *err)
{
    struct arena *a = &f->model->arena;
    size_t n = (size_t)f->annotators, k = (size_t)f->k;
    double *posterior = arena_alloc(a, n * k * sizeof *posterior), *raw = arena_alloc(a, n * k * sizeof *raw);
    f->annotator = arena_zeroed(a, n, sizeof *f->annotator);
    if (!posterior || !raw || !f->annotator)
        return err_memory(err);
    memcpy(raw, m->q, n * k * sizeof *raw);
    for (int h = 0; h < f->annotators; h++) {
        struct fit_annotator *annotator = &f->annotator[h];
        double *own = posterior + (size_t)h * k;
        mixture_posterior(m, h, f->temperature, own);
        annotator->comparisons = st->d->start[h + 1] - st->d->start[h];
        annotator->posterior = own;
        annotator->raw = raw + (size_t)h * k;
        annotator->group = group_of(st->o, f->k, annotator->comparisons, own);
        if (annotator->group >= 0)
            f->group[annotator->group].size++;
        for (size_t u = 0; u < k && annotator->comparisons > 0; u++)
            f->group[u].expected_size += own[u];
    }
    return 0;
}

static int keep_trace(struct fit *f, const struct mixture *m, struct err *err)
{
    double *trace = arena_alloc(&f->model->arena, (size_t)m->iterations * sizeof *trace);
    if (!trace)
        return err_memory(err);
    memcpy(trace, m->trace, (size_t)m->iterations * sizeof *trace);
    f->trace = trace;
    f->iterations = m->iterations;
    return 0;
}

static void keep_bounds(struct study *st, struct fit *f, const struct mixture *m)
{
    double pairs[FIT_GROUPS_MAX * FIT_GROUPS_MAX], mixture[FIT_GROUPS_MAX];
    bounds_variation(m, st->l, st->d, pairs, mixture);
    for (int u = 0; u < f->k; u++) {
        f->group[u].tv_mixture = mixture[u];
        for (int v = 0; v < f->k; v++)
            f->group[u].tv[v] = pairs[u * f->k + v];
    }
}

static int fill(struct study *st, const struct dataset *ds, const struct folds *folds, struct fit *f, struct err *err)
{
    struct mixture *pooled = NULL, *m = NULL;
    int failed = -1;
    f->fold_unit = folds->unit;
    if (selection_ridge(st, folds, f, err) < 0 || selection_groups(st, f, err) < 0 ||
        fit_all(st, f, &pooled, &m, err) < 0)
        goto out;
    if (keep_heads(st, f, ds, pooled, m, err) < 0 || keep_annotators(st, f, m, err) < 0 || keep_trace(f, m, err) < 0)
        goto out;
    keep_bounds(st, f, m);
    failed = accuracy_measure(st, folds, m, f, err);
out:
    mixture_free(pooled);
    mixture_free(m);
    return failed;
}

int fit_run(const struct dataset *ds, const struct fit_options *options, struct fit **ret, struct err *err)
{
    struct study st = {0};
    struct folds folds = {0};
    struct fit *f = NULL;
    int failed = -1;
    if (fit_options_check(options, err) < 0)
        return -1;
    unsigned former = blas_denormals_off();
    if (study_open(&st, ds, NULL, options, err) < 0 || check_data(&st, err) < 0 ||
        folds_new(st.d, options->folds, options->fold_unit, options->seed, &folds, err) < 0 ||
        new_fit(&st, ds, &f, err) < 0)
        goto out;
    failed = fill(&st, ds, &folds, f, err);
out:
    if (failed < 0) {
        fit_free(f);
    } else {
        *ret = f;
    }
    folds_free(&folds);
    study_close(&st);
    blas_denormals_restore(former);
    return failed;
}
