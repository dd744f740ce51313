#include "core/lab/world.h"

#include <math.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/rng.h"
#include "core/reward/choice.h"

enum { STREAM_ORDER, STREAM_COMPARISONS, STREAM_TEST };

static const double NORM = 2, COSINE = -0.28569; /* of 106.6 degrees */

/* Unit vectors with equal angles, by the Cholesky factor of their Gram matrix; the axes do not matter, x is
 * isotropic. */
static void make_rewards(struct world *w)
{
    for (int u = 0; u < w->groups; u++) {
        double left = 1;
        for (int j = 0; j < u; j++) {
            double sum = COSINE;
            for (int i = 0; i < j; i++)
                sum -= w->theta[u][i] * w->theta[j][i];
            w->theta[u][j] = sum / w->theta[j][j];
            left -= w->theta[u][j] * w->theta[u][j];
        }
        w->theta[u][u] = sqrt(left);
    }
    for (int u = 0; u < w->groups; u++)
        for (int j = 0; j < w->dim; j++)
            w->theta[u][j] *= NORM;
}

static double dot(int n, const double *x, const float *y)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

/* One judged difference, winner minus loser. */
static void judge(const struct world *w, int u, struct rng *r, float *x)
{
    for (int j = 0; j < w->dim; j++)
        x[j] = (float)rng_normal(r);
    if (rng_uniform(r) < choice_probability(dot(w->dim, w->theta[u], x)))
        return;
    for (int j = 0; j < w->dim; j++)
        x[j] = -x[j];
}

static int fill(struct world *w, int pairs, uint64_t seed, struct err *err)
{
    int n = w->annotators * pairs, failed = -1;
    float *x = mem_array((size_t)n * (size_t)w->dim, sizeof *x);
    int *annotator = mem_array((size_t)n, sizeof *annotator);
    struct rng r;
    rng_init(&r, seed, STREAM_COMPARISONS);
    if (!x || !annotator) {
        err_memory(err);
        goto out;
    }
    for (int i = 0; i < n; i++) {
        annotator[i] = i / pairs;
        judge(w, w->group[annotator[i]], &r, x + (size_t)i * (size_t)w->dim);
    }
    failed = design_from_differences(n, w->dim, x, annotator, w->annotators, &w->design, err);
out:
    mem_free(x);
    mem_free(annotator);
    return failed;
}

int world_new(int dim, int groups, const int *sizes, int pairs, uint64_t seed, struct world *ret, struct err *err)
{
    CHECK(dim >= groups && dim <= 64 && groups <= WORLD_GROUPS_MAX);
    *ret = (struct world){.dim = dim, .groups = groups};
    make_rewards(ret);
    for (int u = 0; u < groups; u++)
        ret->annotators += sizes[u];
    ret->group = mem_array((size_t)ret->annotators, sizeof *ret->group);
    if (!ret->group)
        return err_memory(err);
    for (int u = 0, h = 0; u < groups; u++)
        for (int i = 0; i < sizes[u]; i++)
            ret->group[h++] = u;
    struct rng r;
    rng_init(&r, seed, STREAM_ORDER);
    rng_shuffle(&r, (uint32_t *)ret->group, (size_t)ret->annotators);
    if (fill(ret, pairs, seed, err) == 0)
        return 0;
    world_free(ret);
    return -1;
}

void world_free(struct world *w)
{
    design_free(w->design);
    mem_free(w->group);
    w->design = NULL;
    w->group = NULL;
}

double world_accuracy(const struct world *w, int u, const double *theta, int n, uint64_t seed)
{
    struct rng r;
    float x[64];
    int right = 0;
    rng_init(&r, seed, STREAM_TEST);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < w->dim; j++)
            x[j] = (float)rng_normal(&r);
        right += (dot(w->dim, w->theta[u], x) > 0) == (dot(w->dim, theta, x) > 0);
    }
    return (double)right / n;
}

double world_placed(const struct world *w, const int *label)
{
    static const int names[6][3] = {{0, 1, 2}, {1, 0, 2}, {0, 2, 1}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};
    int best = 0;
    for (int p = 0; p < 6; p++) {
        int right = 0;
        for (int h = 0; h < w->annotators; h++)
            right += label[h] >= 0 && label[h] < 3 && names[p][label[h]] == w->group[h];
        best = right > best ? right : best;
    }
    return (double)best / w->annotators;
}
