#include "core/reward/bootstrap.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "core/blas.h"
#include "core/reward/study.h"

static const double TOLERANCE = 1e-4;

enum { STEPS = 3 };

/* What the replicates share. */
struct series {
    const struct fit *fit;
    struct design *d;
    struct threads *pool;
    int active;      /* annotators with comparisons ... */
    int *annotator;  /* ... [active] */
    double *weights; /* [(k + 1) x dim] of the present replicate */
};

/* One replicate: the design of those who were drawn. Rows and scales are the series' own. */
struct replicate {
    struct design design;
    struct sample *sample;
    struct logistic *logistic;
};

static int series_open(struct series *s, const struct dataset *ds, const struct bootstrap_options *o, struct err *err)
{
    if (design_new(ds, o->strength_weights, &s->d, err) < 0)
        return -1;
    s->pool = threads_new(o->threads, err);
    if (!s->pool)
        return -1;
    s->annotator = mem_array((size_t)s->d->annotators + 1, sizeof *s->annotator);
    s->weights = mem_array((size_t)(s->fit->k + 1) * (size_t)s->d->dim, sizeof *s->weights);
    if (!s->annotator || !s->weights)
        return err_memory(err);
    for (int h = 0; h < s->d->annotators; h++)
        if (s->d->start[h + 1] > s->d->start[h])
            s->annotator[s->active++] = h;
    return 0;
}

static void series_close(struct series *s)
{
    mem_free(s->annotator);
    mem_free(s->weights);
    threads_free(s->pool);
    design_free(s->d);
}

static void replicate_close(struct replicate *r)
{
    logistic_free(r->logistic);
    sample_free(r->sample);
    mem_free(r->design.plus);
    mem_free(r->design.minus);
    mem_free(r->design.tie);
    mem_free(r->design.weight);
    mem_free(r->design.item);
    mem_free(r->design.pair);
    mem_free(r->design.start);
}

static int replicate_alloc(struct replicate *r, int comparisons, int annotators, struct err *err)
{
    struct design *d = &r->design;
    size_t n = (size_t)comparisons;
    d->comparisons = comparisons;
    d->annotators = annotators;
    d->plus = mem_array(n, sizeof *d->plus);
    d->minus = mem_array(n, sizeof *d->minus);
    d->tie = mem_array(n, sizeof *d->tie);
    d->weight = mem_array(n, sizeof *d->weight);
    d->item = mem_array(n, sizeof *d->item);
    d->pair = mem_array(n, sizeof *d->pair);
    d->start = mem_array((size_t)annotators + 1, sizeof *d->start);
    return d->plus && d->minus && d->tie && d->weight && d->item && d->pair && d->start ? 0 : err_memory(err);
}

/* Draws the annotators; those of the replicate are numbered in the order of the draw. */
static int draw(const struct series *s, uint64_t seed, int number, struct replicate *r, struct err *err)
{
    const struct design *from = s->d;
    struct design *d = &r->design;
    struct rng rng;
    int comparisons = 0;
    int *drawn = mem_array((size_t)s->active, sizeof *drawn);
    if (!drawn)
        return err_memory(err);
    rng_init(&rng, seed, STREAM_BOOTSTRAP + (uint64_t)number);
    for (int i = 0; i < s->active; i++) {
        drawn[i] = s->annotator[rng_below(&rng, (uint32_t)s->active)];
        comparisons += from->start[drawn[i] + 1] - from->start[drawn[i]];
    }
    *d = (struct design){.rows = from->rows, .dim = from->dim, .ld = from->ld, .f = from->f, .scale = from->scale,
                         .items = from->items};
    int failed = replicate_alloc(r, comparisons, s->active, err);
    for (int i = 0, at = 0; i < s->active && failed == 0; i++) {
        size_t first = (size_t)from->start[drawn[i]], n = (size_t)from->start[drawn[i] + 1] - first;
        d->start[i] = at;
        memcpy(d->plus + at, from->plus + first, n * sizeof *d->plus);
        memcpy(d->minus + at, from->minus + first, n * sizeof *d->minus);
        memcpy(d->tie + at, from->tie + first, n * sizeof *d->tie);
        memcpy(d->weight + at, from->weight + first, n * sizeof *d->weight);
        memcpy(d->item + at, from->item + first, n * sizeof *d->item);
        memcpy(d->pair + at, from->pair + first, n * sizeof *d->pair);
        at += (int)n;
        d->start[i + 1] = at;
    }
    for (int c = 0; c < d->comparisons && failed == 0; c++)
        d->ties += d->tie[c];
    mem_free(drawn);
    return failed;
}

/* EM with k groups from heads[k x dim] and weights eta; writes the heads for unscaled features. */
static int refit(const struct series *s, struct replicate *r, int k, const float *heads, double ridge, double *ret,
                 struct err *err)
{
    const struct fit *fit = s->fit;
    struct mixture_options o = {.ridge = ridge, .assignment = fit->assignment, .ties = fit->ties,
                                .iterations = BOOTSTRAP_ITERATIONS, .steps = STEPS, .tolerance = TOLERANCE};
    struct mixture *m;
    int dim = s->d->dim;
    if (mixture_new(&r->design, k, &m, err) < 0)
        return -1;
    for (int i = 0; i < k * dim; i++)
        m->theta[i] = heads[i];
    for (int u = 0; u < k; u++)
        m->eta[u] = k == 1 ? 1 : fit->group[u].weight;
    m->nu = fit->tie_parameter;
    mixture_expect(m, r->logistic, r->sample, &o);
    int result = mixture_run(m, r->logistic, r->sample, &o, err);
    for (int i = 0; i < k * dim && result == 0; i++)
        ret[i] = m->theta[i] * s->d->scale[i % dim];
    mixture_free(m);
    return result;
}

static int run_replicate(struct series *s, uint64_t seed, int number, struct err *err)
{
    struct replicate r = {0};
    int k = s->fit->k, dim = s->d->dim, result = -1;
    if (draw(s, seed, number, &r, err) < 0 || sample_all(&r.design, &r.sample, err) < 0)
        goto out;
    r.logistic = logistic_new(&r.design, k < 2 ? 2 : k, s->pool, err);
    if (!r.logistic)
        goto out;
    if (refit(s, &r, k, s->fit->group[0].head, s->fit->ridge, s->weights, err) < 0)
        goto out;
    result = refit(s, &r, 1, s->fit->pooled, s->fit->ridge_pooled, s->weights + (size_t)k * (size_t)dim, err);
out:
    replicate_close(&r);
    return result;
}

int bootstrap_fit(const struct dataset *ds, const struct fit *fit, const struct bootstrap_options *o,
                  int (*take)(void *context, int replicate, const double *weights, struct err *err), void *context,
                  struct err *err)
{
    struct series s = {.fit = fit};
    unsigned former = blas_denormals_off();
    int result = series_open(&s, ds, o, err);
    for (int i = 0; i < o->replicates && result == 0; i++) {
        if (o->progress && !o->progress(o->context, (double)i / o->replicates))
            result = err_set(err, ERR_CANCELLED, "the bootstrap was cancelled");
        else if ((result = run_replicate(&s, o->seed, i, err)) == 0)
            result = take(context, i, s.weights, err);
    }
    series_close(&s);
    blas_denormals_restore(former);
    return result;
}
