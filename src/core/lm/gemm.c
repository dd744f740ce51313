#include "core/lm/gemm.h"

#include <string.h>

#include "core/blas.h"

/* Block sizes. OpenBLAS runs within a tenth of its best from about 128 x 256 on (bench/lm.c), so blocks are as small as
 * that allows: more of them keep more threads busy. */
enum { BLOCK_ROWS = 256, BLOCK_COLUMNS = 512, FEW_ROWS = 128, NARROW_COLUMNS = 256 };

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

static const struct gemm_backend backends[] = {
    {"openblas", "OpenBLAS sgemm, fp32, one call per block", openblas_multiply},
    {"naive", "schoolbook products summed in double, for tests", naive_multiply},
};

const struct gemm_backend *gemm_backend(const char *name, struct err *err)
{
    if (!name)
        return &backends[0];
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++)
        if (strcmp(backends[i].name, name) == 0)
            return &backends[i];
    err_set(err, ERR_USAGE, "there is no matrix backend \"%.40s\"; there are: openblas, naive", name);
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
    struct blocked_product b = {.backend = g->backend, .whole = p, .rows = BLOCK_ROWS, .columns = BLOCK_COLUMNS};
    if (p->m <= BLOCK_ROWS)
        b.columns = NARROW_COLUMNS;
    if (p->n <= BLOCK_COLUMNS)
        b.rows = FEW_ROWS;
    b.across = (p->n - 1) / b.columns + 1;
    int down = (p->m - 1) / b.rows + 1;
    threads_run(g->threads, down * b.across, multiply_block, &b);
}

void gemm_run_here(const struct gemm *g, const struct gemm_product *p)
{
    if (p->m > 0 && p->n > 0)
        g->backend->multiply(p);
}
