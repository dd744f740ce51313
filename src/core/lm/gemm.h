/* gemm: matrix products of the language-model engine, behind a table of backends chosen at run time.
 *
 * All matrices are row-major float with explicit leading dimensions. The result is cut into blocks whose sizes depend
 * on the shape only, never on the number of threads, and each block is one call of the backend: so a product is the
 * same bit for bit on one thread and on two. It refuses to pick a backend behind the caller's back: a run records the
 * name.
 *
 * `struct gemm` owns nothing; the pool must outlive it. One product at a time per pool. blas_start must have been
 * called before the "openblas" backend is used. */
#ifndef EGALIGN_CORE_LM_GEMM_H
#define EGALIGN_CORE_LM_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/threads.h"

/* One product C = alpha op(A) op(B) + beta C, with op(A) of m x k, op(B) of k x n and C of m x n. With beta = 0, C is
 * written whatever it held. `lda`, `ldb`, `ldc` are the distances between rows as stored. */
struct gemm_product {
    bool transpose_a, transpose_b; /* op(A) = A^T: A is stored k x m; op(B) = B^T: B is stored n x k */
    int m, n, k;
    float alpha;
    const float *a;
    int lda;
    const float *b;
    int ldb;
    float beta;
    float *c;
    int ldc;
};

struct gemm_backend {
    const char *name;                                 /* recorded with every run */
    const char *prose;                                /* one line for people */
    void (*multiply)(const struct gemm_product *part); /* one thread computes one block */
};

struct gemm {
    const struct gemm_backend *backend;
    struct threads *threads; /* may be NULL: one thread */
};

/* The backend called `name` ("openblas", or "naive": the schoolbook twin that the tests compare with); NULL with
 * ERR_USAGE, which lists what there is. A NULL name means the best for this machine. */
const struct gemm_backend *gemm_backend(const char *name, struct err *err);

/* Computes the whole product on the pool. Any of m, n, k may be 0. */
void gemm_run(const struct gemm *g, const struct gemm_product *product);

/* One product on the calling thread only, for work that is already spread over the pool (attention). */
void gemm_run_here(const struct gemm *g, const struct gemm_product *product);

#endif
