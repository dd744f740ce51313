/* em: times the mixture on 100,000 comparisons x 768 dense features, three groups, 2,000 annotators.
 *
 * usage: build/release/bench/em [THREADS [COMPARISONS [DIM [ANNOTATORS [FILE]]]]]
 * With FILE the same data is written there (float32 differences, then int32 annotators) for bench/em_peer.py. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "core/blas.h"
#include "core/reward/choice.h"
#include "core/reward/lineage.h"
#include "core/reward/study.h"

enum { GROUPS = 3 };

struct data {
    int n, dim, annotators;
    float *x;       /* [n x dim] winner minus loser */
    int *annotator; /* [n] */
    int *group;     /* [annotators] the truth */
};

/* Dense features with |theta_u| = 2 in random directions, nearly orthogonal at 768 dimensions. */
static int make(struct data *d, struct err *err)
{
    size_t n = (size_t)d->n, dim = (size_t)d->dim;
    float *theta = mem_array(GROUPS * dim, sizeof *theta);
    d->x = mem_array(n * dim, sizeof *d->x);
    d->annotator = mem_array(n, sizeof *d->annotator);
    d->group = mem_array((size_t)d->annotators, sizeof *d->group);
    if (!theta || !d->x || !d->annotator || !d->group) {
        mem_free(theta);
        return err_memory(err);
    }
    struct rng r;
    rng_init(&r, 1, 0);
    for (size_t i = 0; i < GROUPS * dim; i++)
        theta[i] = (float)(2 * rng_normal(&r) / sqrt(d->dim));
    for (int h = 0; h < d->annotators; h++)
        d->group[h] = h % 10 < 6 ? 0 : h % 10 < 9 ? 1 : 2;
    for (int i = 0; i < d->n; i++) {
        float *x = d->x + (size_t)i * dim;
        d->annotator[i] = (int)((long)i * d->annotators / d->n);
        for (size_t j = 0; j < dim; j++)
            x[j] = (float)rng_normal(&r);
        float margin = cblas_sdot(d->dim, x, 1, theta + (size_t)d->group[d->annotator[i]] * dim, 1);
        if (rng_uniform(&r) >= choice_probability(margin))
            cblas_sscal(d->dim, -1, x, 1);
    }
    mem_free(theta);
    return 0;
}

static void drop(struct data *d)
{
    mem_free(d->x);
    mem_free(d->annotator);
    mem_free(d->group);
}

static int save(const struct data *d, const char *path, struct err *err)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return err_errno(err, "%s", path);
    size_t n = (size_t)d->n;
    bool whole = fwrite(d->x, sizeof *d->x, n * (size_t)d->dim, file) == n * (size_t)d->dim &&
                 fwrite(d->annotator, sizeof *d->annotator, n, file) == n &&
                 fwrite(d->group, sizeof *d->group, (size_t)d->annotators, file) == (size_t)d->annotators;
    return fclose(file) == 0 && whole ? 0 : err_errno(err, "%s", path);
}

/* Adjusted Rand index of the most likely groups against the truth. */
static double agreement(const struct mixture *m, const int *group)
{
    int *label = mem_array((size_t)m->annotators, sizeof *label);
    for (int h = 0; label && h < m->annotators; h++) {
        const double *q = m->q + (size_t)h * (size_t)m->k;
        label[h] = 0;
        for (int u = 1; u < m->k; u++)
            label[h] = q[u] > q[label[h]] ? u : label[h];
    }
    double index = label ? lineage_rand_index(m->annotators, label, group) : NAN;
    mem_free(label);
    return index;
}

static int run(const struct data *d, int threads, struct design *design, struct err *err)
{
    struct fit_options o;
    struct study st = {0};
    struct mixture *pooled = NULL, *m = NULL;
    fit_options_default(&o);
    o.threads = threads;
    int64_t start = clock_mono_ns();
    int failed = study_open(&st, NULL, design, &o, err);
    if (failed == 0)
        failed = study_pooled(&st, st.all, 100, NULL, &pooled, err);
    int64_t middle = clock_mono_ns();
    if (failed == 0)
        failed = study_mixture(&st, st.all, GROUPS, 100, (struct effort){1, 100, 1e-6}, pooled, NULL, &m, err);
    int64_t end = clock_mono_ns();
    if (failed == 0) {
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        printf("egalign %d threads: pooled %.2f s, mixture %.2f s (%d iterations), ARI %.4f, F %.1f, peak %.2f GB\n",
               threads, (double)(middle - start) * 1e-9, (double)(end - middle) * 1e-9, m->iterations,
               agreement(m, d->group), m->objective, (double)usage.ru_maxrss / (1 << 20));
    }
    mixture_free(pooled);
    mixture_free(m);
    study_close(&st);
    return failed;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 2;
    struct data d = {argc > 2 ? atoi(argv[2]) : 100000, argc > 3 ? atoi(argv[3]) : 768,
                     argc > 4 ? atoi(argv[4]) : 2000, NULL, NULL, NULL};
    struct design *design = NULL;
    struct err err;
    blas_denormals_off();
    int failed = blas_start(&err) < 0 || make(&d, &err) < 0 || (argc > 5 && save(&d, argv[5], &err) < 0) ||
                 design_from_differences(d.n, d.dim, d.x, d.annotator, d.annotators, &design, &err) < 0;
    if (!failed) {
        mem_free(d.x);
        d.x = NULL;
        failed = run(&d, threads, design, &err) < 0;
    }
    drop(&d);
    if (failed)
        fprintf(stderr, "em: %s\n", err.message);
    return failed;
}
