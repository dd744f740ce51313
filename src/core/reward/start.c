#include "core/reward/start.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "core/blas.h"
#include "core/reward/choice.h"

enum { POWER_ITERATIONS = 12, KMEANS_ITERATIONS = 30, KMEANS_TRIES = 4 };

/* How much a start trusts itself. */
static const double TRUST = 0.9;

static void belong(struct mixture *m, int h, int group)
{
    for (int u = 0; u < m->k; u++)
        m->q[(size_t)h * (size_t)m->k + (size_t)u] = m->k == 1 ? 1 : u == group ? TRUST : (1 - TRUST) / (m->k - 1);
}

void start_random(struct mixture *m, uint64_t seed, uint64_t stream)
{
    struct rng r;
    rng_init(&r, seed, stream);
    for (int h = 0; h < m->annotators; h++)
        belong(m, h, (int)rng_below(&r, (uint32_t)m->k));
}

void start_round_robin(struct mixture *m)
{
    for (int h = 0; h < m->annotators; h++)
        for (int u = 0; u < m->k; u++)
            m->q[(size_t)h * (size_t)m->k + (size_t)u] = u == h % m->k;
}

/* v[annotators x ld]: the score vectors, after logistic_scores of the pooled reward. */
static void score_vectors(const struct logistic *l, const struct sample *s, float *v)
{
    const struct design *d = s->design;
    size_t ld = (size_t)d->ld;
    for (int i = 0; i < s->n; i++) {
        int c = s->index[i], h = s->owner[i];
        double miss = choice_probability(-logistic_margin(l, c, 1, 0)) - (d->tie[c] ? 0.5 : 0);
        float w = (float)(d->weight[c] * miss / sqrt(s->start[h + 1] - s->start[h]));
        cblas_saxpy(d->dim, w, d->f + (size_t)d->plus[c] * ld, 1, v + (size_t)h * ld, 1);
        if (d->minus[c] >= 0)
            cblas_saxpy(d->dim, -w, d->f + (size_t)d->minus[c] * ld, 1, v + (size_t)h * ld, 1);
    }
}

/* Gram-Schmidt on the r rows of basis[r x n]; a row that vanishes stays zero. */
static void orthonormalise(float *basis, int r, int n)
{
    for (int i = 0; i < r; i++) {
        float *row = basis + (size_t)i * (size_t)n;
        for (int j = 0; j < i; j++) {
            const float *before = basis + (size_t)j * (size_t)n;
            cblas_saxpy(n, -cblas_sdot(n, row, 1, before, 1), before, 1, row, 1);
        }
        float length = cblas_snrm2(n, row, 1);
        cblas_sscal(n, length > 1e-12f ? 1 / length : 0, row, 1);
    }
}

/* place[annotators x r]: the coordinates of v along its r leading right singular vectors, by subspace iteration. */
static int embed(const float *v, int annotators, int n, int r, struct rng *random, float *place, struct err *err)
{
    float *basis = mem_array((size_t)r * (size_t)n, sizeof *basis);
    if (!basis)
        return err_memory(err);
    for (int i = 0; i < r * n; i++)
        basis[i] = (float)rng_normal(random);
    for (int i = 0; i < POWER_ITERATIONS; i++) {
        orthonormalise(basis, r, n);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, annotators, r, n, 1, v, n, basis, n, 0, place, r);
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, r, n, annotators, 1, place, r, v, n, 0, basis, n);
    }
    orthonormalise(basis, r, n);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, annotators, r, n, 1, v, n, basis, n, 0, place, r);
    mem_free(basis);
    return 0;
}

static double distance(int n, const float *x, const double *y)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (x[i] - y[i]) * (x[i] - y[i]);
    return sum;
}

static int nearest(const float *x, int r, int k, const double *centres, double *ret_distance)
{
    int best = 0;
    double least = INFINITY;
    for (int u = 0; u < k; u++) {
        double d = distance(r, x, centres + u * r);
        if (d < least) {
            least = d;
            best = u;
        }
    }
    *ret_distance = least;
    return best;
}

/* k-means++ (Arthur and Vassilvitskii 2007): each next centre with probability in proportion to its distance. */
static void seed_centres(const float *place, int n, int r, int k, struct rng *random, double *centres)
{
    for (int u = 0; u < k; u++) {
        double total = 0, d = 1;
        for (int h = 0; h < n; h++) {
            if (u > 0)
                nearest(place + (size_t)h * (size_t)r, r, u, centres, &d);
            total += d;
        }
        double mark = rng_uniform(random) * total;
        int chosen = n - 1;
        for (int h = 0; h < n; h++) {
            if (u > 0)
                nearest(place + (size_t)h * (size_t)r, r, u, centres, &d);
            mark -= d;
            if (mark < 0) {
                chosen = h;
                break;
            }
        }
        for (int j = 0; j < r; j++)
            centres[u * r + j] = place[(size_t)chosen * (size_t)r + (size_t)j];
    }
}

/* Lloyd's iteration from seeded centres; returns the inertia. */
static double cluster(const float *place, int n, int r, int k, struct rng *random, int *label)
{
    double centres[FIT_GROUPS_MAX * (FIT_GROUPS_MAX + 1)], sums[FIT_GROUPS_MAX * (FIT_GROUPS_MAX + 1)], inertia = 0;
    seed_centres(place, n, r, k, random, centres);
    for (int i = 0; i < KMEANS_ITERATIONS; i++) {
        int counts[FIT_GROUPS_MAX] = {0};
        memset(sums, 0, sizeof sums);
        inertia = 0;
        for (int h = 0; h < n; h++) {
            double d;
            label[h] = nearest(place + (size_t)h * (size_t)r, r, k, centres, &d);
            inertia += d;
            counts[label[h]]++;
            for (int j = 0; j < r; j++)
                sums[label[h] * r + j] += place[(size_t)h * (size_t)r + (size_t)j];
        }
        for (int u = 0; u < k; u++)
            for (int j = 0; j < r && counts[u]; j++)
                centres[u * r + j] = sums[u * r + j] / counts[u];
    }
    return inertia;
}

int start_spectral(struct mixture *m, struct logistic *l, const struct sample *s, const double *pooled, uint64_t seed,
                   uint64_t stream, struct err *err)
{
    int n = m->annotators, r = m->k < m->dim ? m->k : m->dim, ld = s->design->ld, failed = -1;
    float *v = mem_zeroed((size_t)n * (size_t)ld, sizeof *v), *place = mem_array((size_t)n * (size_t)r, sizeof *place);
    int *label = mem_array((size_t)n, sizeof *label);
    struct rng random;
    rng_init(&random, seed, stream);
    if (!v || !place || !label) {
        err_memory(err);
        goto out;
    }
    logistic_scores(l, 1, pooled);
    score_vectors(l, s, v);
    if (embed(v, n, ld, r, &random, place, err) < 0)
        goto out;
    double least = INFINITY;
    for (int i = 0; i < KMEANS_TRIES; i++) {
        double inertia = cluster(place, n, r, m->k, &random, label);
        for (int h = 0; h < n && inertia < least; h++)
            belong(m, h, label[h]);
        least = fmin(least, inertia);
    }
    failed = 0;
out:
    mem_free(v);
    mem_free(place);
    mem_free(label);
    return failed;
}
