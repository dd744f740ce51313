#include "core/lm/gemm.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "core/blas.h"
#include "core/lm/bf16.h"
#include "core/lm/onednn.h"
#include "core/lm/sgemm_avx2.h"

static void openblas_multiply(const struct gemm_product *p)
{
    cblas_sgemm(CblasRowMajor, p->transpose_a ? CblasTrans : CblasNoTrans, p->transpose_b ? CblasTrans : CblasNoTrans,
                p->m, p->n, p->k, p->alpha, p->a, p->lda, p->b, p->ldb, p->beta, p->c, p->ldc);
}

/* The twin of every other backend: sums in double, in order. */
static void naive_multiply(const struct gemm_product *p)
{
    for (int i = 0; i < p->m; i++)
        for (int j = 0; j < p->n; j++) {
            double sum = 0;
            for (int l = 0; l < p->k; l++) {
                double a = p->transpose_a ? p->a[(size_t)l * p->lda + i] : p->a[(size_t)i * p->lda + l];
                double b = p->transpose_b ? p->b[(size_t)j * p->ldb + l] : p->b[(size_t)l * p->ldb + j];
                sum += a * b;
            }
            float *c = p->c + (size_t)i * p->ldc + j;
            *c = (float)(p->alpha * sum + (p->beta != 0 ? p->beta * (double)*c : 0));
        }
}

/* oneDNN's fp32: the way that bf16 takes too, so that it is tested on CPUs without bf16. */
static void onednn_fp32_multiply(const struct gemm_product *p)
{
    struct onednn_product o = {.type = ONEDNN_F32, .transpose_a = p->transpose_a, .transpose_b = p->transpose_b,
                               .m = p->m, .n = p->n, .k = p->k, .alpha = p->alpha, .beta = p->beta, .a = p->a,
                               .lda = p->lda, .b = p->b, .ldb = p->ldb, .c = p->c, .ldc = p->ldc};
    if (p->k == 0 || onednn_multiply(&o) < 0)
        openblas_multiply(p);
}

enum { OPENBLAS, AVX2, BF16 }; /* positions */

static const struct gemm_backend backends[] = {
    [OPENBLAS] = {"openblas", "OpenBLAS sgemm, one call per block", INT_MAX, INT_MAX, openblas_multiply, NULL,
                  openblas_multiply, 1e-6},
    [AVX2] = {"avx2", "our own fp32, for CPUs with AVX2", 0, 0, NULL, sgemm_avx2_run, sgemm_avx2_here, 1e-6},
    [BF16] = {"bf16", "operands rounded to bf16, sums in fp32", BF16_ROWS, BF16_COLUMNS, bf16_multiply, NULL,
              openblas_multiply, 1e-2},
    {"bf16x3", "operands split into two bf16 each, sums in fp32", BF16_ROWS, BF16_COLUMNS, bf16x3_multiply, NULL,
     openblas_multiply, 2e-5},
    {"onednn", "oneDNN matmul, fp32", INT_MAX, INT_MAX, onednn_fp32_multiply, NULL, openblas_multiply, 1e-6},
    {"naive", "schoolbook products in double, for tests", INT_MAX, INT_MAX, naive_multiply, NULL, naive_multiply,
     1e-6},
};

const struct gemm_backend *gemm_backend_at(int i)
{
    return i >= 0 && i < (int)(sizeof backends / sizeof backends[0]) ? &backends[i] : NULL;
}

const char *gemm_bf16_engine(void)
{
    return onednn_found();
}

enum { TEST_M = 37, TEST_N = 45, TEST_K = 70, TEST_MOST = TEST_N * TEST_K };

/* Numbers in -1 .. 1 that are not exact in bf16. */
static void fill_test(float *x, int n, int salt)
{
    for (int i = 0; i < n; i++)
        x[i] = (float)((i * 7919 + salt) % 1009 - 504) / 504.5f;
}

/* A backend's block against the naive one's, in the four orientations. */
static bool passes(const struct gemm_backend *b)
{
    static const float start = 0.5f;
    float a[TEST_MOST], other[TEST_MOST], got[TEST_M * TEST_N], want[TEST_M * TEST_N];
    fill_test(a, TEST_MOST, 1);
    fill_test(other, TEST_MOST, 500);
    for (int mode = 0; mode < 4; mode++) {
        bool ta = mode & 1, tb = mode & 2;
        struct gemm_product p = {.transpose_a = ta, .transpose_b = tb, .m = TEST_M, .n = TEST_N, .k = TEST_K,
                                 .alpha = 0.75f, .a = a, .lda = ta ? TEST_M : TEST_K, .b = other,
                                 .ldb = tb ? TEST_K : TEST_N, .beta = 1, .ldc = TEST_N};
        for (int i = 0; i < TEST_M * TEST_N; i++)
            got[i] = want[i] = start;
        p.c = got;
        gemm_run(&(struct gemm){b, NULL}, &p);
        p.c = want;
        naive_multiply(&p);
        for (int i = 0; i < TEST_M * TEST_N; i++)
            if (!(fabs((double)got[i] - want[i]) <= b->tolerance * TEST_K))
                return false;
    }
    return true;
}

static const struct gemm_backend *find_backend(const char *name)
{
    if (name && strcmp(name, "auto") == 0 && onednn_has_bf16())
        return &backends[BF16];
    if (!name || strcmp(name, "auto") == 0 || strcmp(name, "fp32") == 0)
        return &backends[sgemm_avx2_pays() ? AVX2 : OPENBLAS];
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++)
        if (strcmp(backends[i].name, name) == 0)
            return &backends[i];
    return NULL;
}

const struct gemm_backend *gemm_backend(const char *name, struct err *err)
{
    const struct gemm_backend *b = find_backend(name);
    if (!b)
        err_set(err, ERR_USAGE,
                "there is no matrix backend \"%.40s\"; there are: auto, fp32, bf16, bf16x3, avx2, openblas, onednn, "
                "naive", name);
    else if (b->multiply == onednn_fp32_multiply && !onednn_present())
        err_set(err, ERR_NUMERICAL, "the matrix backend \"onednn\" cannot be used: %s", onednn_found());
    else if (b->run == sgemm_avx2_run && !sgemm_avx2_can())
        err_set(err, ERR_NUMERICAL, "the matrix backend \"avx2\" cannot be used: this CPU has no AVX2 with FMA");
    else if (!passes(b))
        err_set(err, ERR_NUMERICAL, "the matrix backend \"%s\" gives wrong products on this machine", b->name);
    else
        return b;
    return NULL;
}

/* How a product is cut: `rows` x `columns` a block, but for the last ones. */
struct cut {
    int rows, columns;
    int down, across; /* blocks */
};

/* Blocks of a product: enough to keep the threads of a small machine busy, and no more, for each packs its operands
 * anew. */
static int blocks_wanted(double area)
{
    return area < 1 << 13 ? 1 : area < 1 << 15 ? 2 : area < 1 << 17 ? 4 : area < 1 << 23 ? 8 : 16;
}

/* Size of each of `parts` equal parts of n, a multiple of the kernels' own grain, at most `most`. */
static int part_of(int n, int parts, int most)
{
    enum { GRAIN = 16 };
    int size = ((n - 1) / parts + GRAIN) / GRAIN * GRAIN;
    return size < most ? size : most;
}

/* Cuts the sides in powers of two, so that the least is packed: a block packs its rows of A and its columns of B. */
static struct cut cut_product(const struct gemm_backend *b, int m, int n)
{
    int wanted = blocks_wanted((double)m * n), best = 1;
    double least = INFINITY;
    for (int down = 1; down <= wanted; down *= 2) {
        double packed = (double)m * (wanted / down) + (double)n * down;
        if (packed < least) {
            least = packed;
            best = down;
        }
    }
    struct cut c = {.rows = part_of(m, best, b->rows), .columns = part_of(n, wanted / best, b->columns)};
    c.down = (m - 1) / c.rows + 1;
    c.across = (n - 1) / c.columns + 1;
    return c;
}

struct blocked_product {
    const struct gemm_backend *backend;
    const struct gemm_product *whole;
    struct cut cut;
};

/* C = bias + residual, for a backend that knows how to add to C only. */
static void start_block(struct gemm_product *p)
{
    for (int i = 0; i < p->m; i++) {
        float *c = p->c + (size_t)i * p->ldc;
        const float *residual = p->residual ? p->residual + (size_t)i * p->ldc : NULL;
        for (int j = 0; j < p->n; j++)
            c[j] = (p->bias ? p->bias[j] : 0) + (residual ? residual[j] : 0);
    }
    p->beta = 1;
}

static void multiply_block(void *context, int block, int thread)
{
    (void)thread;
    const struct blocked_product *b = context;
    struct gemm_product part = *b->whole;
    int row = block / b->cut.across * b->cut.rows, column = block % b->cut.across * b->cut.columns;
    part.a += part.transpose_a ? (size_t)row : (size_t)row * part.lda;
    part.b += part.transpose_b ? (size_t)column * part.ldb : (size_t)column;
    part.c += (size_t)row * part.ldc + column;
    part.bias = part.bias ? part.bias + column : NULL;
    part.residual = part.residual ? part.residual + (size_t)row * part.ldc + column : NULL;
    part.m = part.m - row < b->cut.rows ? part.m - row : b->cut.rows;
    part.n = part.n - column < b->cut.columns ? part.n - column : b->cut.columns;
    if (part.bias || part.residual)
        start_block(&part);
    b->backend->multiply(&part);
}

void gemm_run(const struct gemm *g, const struct gemm_product *p)
{
    if (p->m <= 0 || p->n <= 0)
        return;
    if (g->backend->run) {
        g->backend->run(g->threads, p);
        return;
    }
    struct blocked_product b = {.backend = g->backend, .whole = p, .cut = cut_product(g->backend, p->m, p->n)};
    threads_run(g->threads, b.cut.down * b.cut.across, multiply_block, &b);
}

void gemm_run_here(const struct gemm *g, const struct gemm_product *p)
{
    if (p->m > 0 && p->n > 0)
        g->backend->multiply_here(p);
}
