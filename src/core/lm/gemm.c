#include "core/lm/gemm.h"

#include <math.h>
#include <string.h>

#include "core/blas.h"
#include "core/lm/bf16.h"
#include "core/lm/onednn.h"

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

/* Block sizes. OpenBLAS runs within a tenth of its best from about 128 x 256 on (bench/lm.c), so blocks are as small as
 * that allows: more of them keep more threads busy. Those of bf16 are larger, for each rounds its operands. */
static const struct gemm_backend backends[] = {
    {"fp32", "OpenBLAS sgemm, one call per block", 256, 512, 128, 256, openblas_multiply, openblas_multiply, 1e-6},
    {"bf16", "operands rounded to bf16, sums in fp32", BF16_ROWS, BF16_COLUMNS, 256, 512, bf16_multiply,
     openblas_multiply, 1e-2},
    {"bf16x3", "operands split into two bf16 each, sums in fp32", BF16_ROWS, BF16_COLUMNS, 256, 512, bf16x3_multiply,
     openblas_multiply, 2e-5},
    {"onednn", "oneDNN matmul, fp32", 256, 512, 128, 256, onednn_fp32_multiply, openblas_multiply, 1e-6},
    {"naive", "schoolbook products summed in double, for tests", 256, 512, 128, 256, naive_multiply, naive_multiply,
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
        b->multiply(&p);
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
    if (!name)
        return &backends[0];
    if (strcmp(name, "auto") == 0)
        return &backends[onednn_has_bf16() ? 1 : 0];
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
                "there is no matrix backend \"%.40s\"; there are: auto, fp32, bf16, bf16x3, onednn, naive", name);
    else if (b->multiply == onednn_fp32_multiply && !onednn_present())
        err_set(err, ERR_NUMERICAL, "the matrix backend \"onednn\" cannot be used: %s", onednn_found());
    else if (!passes(b))
        err_set(err, ERR_NUMERICAL, "the matrix backend \"%s\" gives wrong products on this machine", b->name);
    else
        return b;
    return NULL;
}

struct blocked_product {
    const struct gemm_backend *backend;
    const struct gemm_product *whole;
    int rows, columns; /* of a block */
    int across;        /* blocks side by side */
};

static void multiply_block(void *context, int block, int thread)
{
    (void)thread;
    const struct blocked_product *b = context;
    struct gemm_product part = *b->whole;
    int row = block / b->across * b->rows, column = block % b->across * b->columns;
    part.a += part.transpose_a ? (size_t)row : (size_t)row * part.lda;
    part.b += part.transpose_b ? (size_t)column * part.ldb : (size_t)column;
    part.c += (size_t)row * part.ldc + column;
    part.m = part.m - row < b->rows ? part.m - row : b->rows;
    part.n = part.n - column < b->columns ? part.n - column : b->columns;
    b->backend->multiply(&part);
}

void gemm_run(const struct gemm *g, const struct gemm_product *p)
{
    if (p->m <= 0 || p->n <= 0)
        return;
    struct blocked_product b = {.backend = g->backend, .whole = p, .rows = g->backend->rows};
    b.columns = g->backend->columns;
    if (p->m <= g->backend->rows)
        b.columns = g->backend->narrow_columns;
    if (p->n <= g->backend->columns)
        b.rows = g->backend->few_rows;
    b.across = (p->n - 1) / b.columns + 1;
    int down = (p->m - 1) / b.rows + 1;
    threads_run(g->threads, down * b.across, multiply_block, &b);
}

void gemm_run_here(const struct gemm *g, const struct gemm_product *p)
{
    if (p->m > 0 && p->n > 0)
        g->backend->multiply_here(p);
}
