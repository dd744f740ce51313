#include "core/reward/logistic.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "core/blas.h"
#include "core/reward/choice.h"

enum { BLOCK_ROWS = 64, CHUNKS_MAX = 32, BATCH = 256, GROUPS_MAX = 32 };

struct logistic {
    const struct design *d;
    struct threads *pool;
    int groups;
    int blocks, chunks; /* of rows; a chunk is a run of blocks with a gradient of its own */
    float *theta;       /* [groups x ld] */
    float *scores;      /* [rows x groups], k in use */
    float *slopes;      /* [comparisons x groups], k in use */
    float *partial;     /* [chunks x groups x ld] */
    double *sums;       /* [sample chunks x 2]: value and nu slope */
    uint32_t *focus;    /* [blocks] bit u: group u matters there */
    bool focused;
    /* arguments of the pass that is running */
    const struct sample *s;
    const double *q;
    double *by_annotator;
    double nu;
    int k;
};

struct logistic *logistic_new(const struct design *d, int groups, struct threads *t, struct err *err)
{
    CHECK(groups >= 1 && groups <= GROUPS_MAX);
    struct logistic *l = mem_zeroed(1, sizeof *l);
    if (!l) {
        err_memory(err);
        return NULL;
    }
    size_t k = (size_t)groups;
    l->d = d;
    l->pool = t;
    l->groups = groups;
    l->blocks = (d->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    l->chunks = l->blocks < CHUNKS_MAX ? l->blocks : CHUNKS_MAX;
    l->theta = mem_aligned(k * (size_t)d->ld, sizeof *l->theta);
    l->scores = mem_aligned((size_t)d->rows * k, sizeof *l->scores);
    l->slopes = mem_aligned((size_t)d->comparisons * k, sizeof *l->slopes);
    l->partial = mem_aligned((size_t)l->chunks * k * (size_t)d->ld, sizeof *l->partial);
    l->sums = mem_zeroed((size_t)d->comparisons + 2, 2 * sizeof *l->sums);
    l->focus = mem_array((size_t)l->blocks, sizeof *l->focus);
    if (!l->theta || !l->scores || !l->slopes || !l->partial || !l->sums || !l->focus) {
        logistic_free(l);
        err_memory(err);
        return NULL;
    }
    return l;
}

void logistic_free(struct logistic *l)
{
    if (!l)
        return;
    mem_free(l->theta);
    mem_free(l->scores);
    mem_free(l->slopes);
    mem_free(l->partial);
    mem_free(l->sums);
    mem_free(l->focus);
    mem_free(l);
}

static int chunk_start(const struct logistic *l, int chunk)
{
    return (int)((long)l->blocks * chunk / l->chunks);
}

static int block_rows(const struct logistic *l, int block)
{
    int left = l->d->rows - block * BLOCK_ROWS;
    return left < BLOCK_ROWS ? left : BLOCK_ROWS;
}

static const float *block_features(const struct logistic *l, int block)
{
    return l->d->f + (size_t)block * BLOCK_ROWS * (size_t)l->d->ld;
}

static void score_block(struct logistic *l, int block)
{
    uint32_t wanted = l->focused ? l->focus[block] : UINT32_MAX;
    const struct design *d = l->d;
    for (int u = 0; u < l->k; u++)
        if (wanted >> u & 1)
            cblas_sgemv(CblasRowMajor, CblasNoTrans, block_rows(l, block), d->dim, 1, block_features(l, block), d->ld,
                        l->theta + (size_t)u * (size_t)d->ld, 1, 0,
                        l->scores + (size_t)block * BLOCK_ROWS * (size_t)l->k + u, l->k);
}

static void score_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    struct logistic *l = context;
    for (int block = chunk_start(l, chunk); block < chunk_start(l, chunk + 1); block++)
        score_block(l, block);
}

static void run_scores(struct logistic *l, int k, const double *theta)
{
    const struct design *d = l->d;
    CHECK(k <= l->groups);
    l->k = k;
    for (int u = 0; u < k; u++)
        for (int j = 0; j < d->dim; j++)
            l->theta[(size_t)u * (size_t)d->ld + (size_t)j] = (float)theta[(size_t)u * (size_t)d->dim + (size_t)j];
    threads_run(l->pool, l->chunks, score_chunk, l);
}

void logistic_scores(struct logistic *l, int k, const double *theta)
{
    l->focused = false;
    run_scores(l, k, theta);
}

/* The margins, ties and weights of up to BATCH positions from `from` on, under reward u. */
struct batch {
    int n;
    float margin[BATCH], weight[BATCH], log_p[BATCH], slope[BATCH];
    uint8_t tie[BATCH];
};

static void gather(const struct logistic *l, int from, int to, int u, struct batch *b)
{
    const struct design *d = l->d;
    const float *scores = l->scores + u;
    b->n = to - from < BATCH ? to - from : BATCH;
    for (int i = 0; i < b->n; i++) {
        int c = l->s->index[from + i];
        float minus = d->minus[c] >= 0 ? scores[(size_t)d->minus[c] * (size_t)l->k] : 0;
        b->margin[i] = scores[(size_t)d->plus[c] * (size_t)l->k] - minus;
        b->weight[i] = d->weight[c];
        b->tie[i] = d->tie[c];
    }
}

/* The weighted log-likelihood of a batch; adds to *nu_slope. */
static double judge(const struct logistic *l, struct batch *b, double *nu_slope)
{
    if (l->nu > 0)
        *nu_slope += choice_davidson(b->n, b->margin, b->tie, b->weight, (float)l->nu, b->log_p, b->slope);
    else
        choice_half(b->n, b->margin, b->tie, b->log_p, b->slope);
    double sum = 0;
    for (int i = 0; i < b->n; i++)
        sum += (double)b->weight[i] * b->log_p[i];
    return sum;
}

static void annotator_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    struct logistic *l = context;
    struct batch b;
    double unused = 0;
    for (int h = l->s->chunk[chunk]; h < l->s->chunk[chunk + 1]; h++)
        for (int u = 0; u < l->k; u++) {
            double sum = 0;
            for (int from = l->s->start[h]; from < l->s->start[h + 1]; from += BATCH) {
                gather(l, from, l->s->start[h + 1], u, &b);
                sum += judge(l, &b, &unused);
            }
            l->by_annotator[(size_t)h * (size_t)l->k + (size_t)u] = sum;
        }
}

void logistic_by_annotator(struct logistic *l, const struct sample *s, int k, double nu, double *ret)
{
    CHECK(k == l->k);
    l->s = s;
    l->nu = nu;
    l->by_annotator = ret;
    threads_run(l->pool, s->chunks, annotator_chunk, l);
}

void logistic_focus(struct logistic *l, const struct sample *s, int k, const double *q)
{
    for (int block = 0; block < l->blocks; block++) {
        int from = block * BLOCK_ROWS, to = from + block_rows(l, block);
        uint32_t wanted = 0;
        for (int r = s->ref_start[from]; r < s->ref_start[to]; r++) {
            const double *of = q + (size_t)s->owner[s->ref[r] >> 1] * (size_t)k;
            for (int u = 0; u < k; u++)
                wanted |= (uint32_t)(of[u] > 0) << u;
        }
        l->focus[block] = wanted;
    }
}

/* One annotator under one reward: q_hu times the log-likelihood; the slopes times q_hu are kept. */
static double value_of(struct logistic *l, int h, int u, struct batch *b, double *nu_slope)
{
    double q = l->q[(size_t)h * (size_t)l->k + (size_t)u], sum = 0, own_nu_slope = 0;
    int from = l->s->start[h], to = l->s->start[h + 1];
    if (!(q > 0)) {
        for (int i = from; i < to; i++)
            l->slopes[(size_t)i * (size_t)l->k + (size_t)u] = 0;
        return 0;
    }
    for (; from < to; from += BATCH) {
        gather(l, from, to, u, b);
        sum += judge(l, b, &own_nu_slope);
        for (int i = 0; i < b->n; i++)
            l->slopes[(size_t)(from + i) * (size_t)l->k + (size_t)u] = (float)q * b->weight[i] * b->slope[i];
    }
    *nu_slope += q * own_nu_slope;
    return q * sum;
}

static void value_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    struct logistic *l = context;
    struct batch b;
    double sum = 0, nu_slope = 0;
    for (int h = l->s->chunk[chunk]; h < l->s->chunk[chunk + 1]; h++)
        for (int u = 0; u < l->k; u++)
            sum += value_of(l, h, u, &b, &nu_slope);
    l->sums[2 * chunk] = sum;
    l->sums[2 * chunk + 1] = nu_slope;
}

double logistic_value(struct logistic *l, const struct sample *s, int k, const double *theta, double nu,
                      const double *q, double *ret_nu_slope)
{
    l->focused = true;
    run_scores(l, k, theta);
    l->s = s;
    l->q = q;
    l->nu = nu;
    threads_run(l->pool, s->chunks, value_chunk, l);
    double sum = 0, nu_slope = 0;
    for (int chunk = 0; chunk < s->chunks; chunk++) {
        sum += l->sums[2 * chunk];
        nu_slope += l->sums[2 * chunk + 1];
    }
    if (ret_nu_slope)
        *ret_nu_slope = nu_slope;
    return sum;
}

/* net[rows x k] = what each row's slopes come to. */
static void net_of_block(const struct logistic *l, int block, float *net)
{
    int k = l->k, rows = block_rows(l, block);
    memset(net, 0, (size_t)rows * (size_t)k * sizeof *net);
    for (int i = 0; i < rows; i++) {
        int row = block * BLOCK_ROWS + i;
        for (int r = l->s->ref_start[row]; r < l->s->ref_start[row + 1]; r++) {
            const float *slope = l->slopes + (size_t)(l->s->ref[r] >> 1) * (size_t)k;
            float sign = l->s->ref[r] & 1 ? -1 : 1;
            for (int u = 0; u < k; u++)
                net[i * k + u] += sign * slope[u];
        }
    }
}

static void gradient_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    struct logistic *l = context;
    const struct design *d = l->d;
    float net[BLOCK_ROWS * GROUPS_MAX], *sum = l->partial + (size_t)chunk * (size_t)l->groups * (size_t)d->ld;
    memset(sum, 0, (size_t)l->k * (size_t)d->ld * sizeof *sum);
    for (int block = chunk_start(l, chunk); block < chunk_start(l, chunk + 1); block++) {
        net_of_block(l, block, net);
        for (int u = 0; u < l->k; u++)
            if (l->focus[block] >> u & 1)
                cblas_sgemv(CblasRowMajor, CblasTrans, block_rows(l, block), d->dim, 1, block_features(l, block),
                            d->ld, net + u, l->k, 1, sum + (size_t)u * (size_t)d->ld, 1);
    }
}

void logistic_gradient(struct logistic *l, const struct sample *s, int k, double *ret)
{
    const struct design *d = l->d;
    CHECK(k == l->k && s == l->s);
    threads_run(l->pool, l->chunks, gradient_chunk, l);
    memset(ret, 0, (size_t)k * (size_t)d->dim * sizeof *ret);
    for (int chunk = 0; chunk < l->chunks; chunk++)
        for (int u = 0; u < k; u++) {
            const float *sum = l->partial + ((size_t)chunk * (size_t)l->groups + (size_t)u) * (size_t)d->ld;
            for (int j = 0; j < d->dim; j++)
                ret[(size_t)u * (size_t)d->dim + (size_t)j] += sum[j];
        }
}

double logistic_margin(const struct logistic *l, int comparison, int k, int u)
{
    int minus = l->d->minus[comparison];
    double score = l->scores[(size_t)l->d->plus[comparison] * (size_t)k + (size_t)u];
    return minus >= 0 ? score - l->scores[(size_t)minus * (size_t)k + (size_t)u] : score;
}
