/* gemm: matrix products of the language-model engine, behind a table of backends chosen at run time.
 *
 * All matrices are row-major float with explicit leading dimensions. The result is cut into blocks whose sizes depend
 * on the shape only, and each block is one call of the backend; or the backend cuts it itself, because no bit of its
 * results depends on the cut. So a product is the same bit for bit on one thread and on two. It refuses to pick a
 * backend behind the caller's back: a run records the name.
 *
 * `struct gemm` owns nothing; the pool must outlive it. One product at a time per pool. blas_start must have been
 * called before a backend is used. */
#ifndef EGALIGN_CORE_LM_GEMM_H
#define EGALIGN_CORE_LM_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/threads.h"

/* One product C = alpha op(A) op(B) + beta C + bias + residual, with op(A) of m x k, op(B) of k x n and C of m x n.
 * With beta = 0, as it must be with a bias or residual, C is written whatever it held. `lda`, `ldb`, `ldc` are the
 * distances between rows as stored. */
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
    const float *bias;     /* [n] added to every row; NULL: none */
    const float *residual; /* m x n with rows ldc apart; may be c; NULL: none */
};

struct gemm_backend {
    const char *name;                                  /* recorded with every run */
    const char *prose;                                 /* one line for people */
    int rows, columns;                                 /* of a block at most */
    void (*multiply)(const struct gemm_product *part); /* one thread computes one block, without bias and residual */
    void (*run)(struct threads *threads, const struct gemm_product *p); /* if not NULL, in its place: the whole */
    void (*multiply_here)(const struct gemm_product *p);                /* for gemm_run_here: any size */
    double tolerance;                                  /* of the self-test, relative to sum |a| |b| */
};

struct gemm {
    const struct gemm_backend *backend;
    struct threads *threads; /* may be NULL: one thread */
};

/* The backend called `name`, after a self-test against the schoolbook product:
 *   "fp32"    the faster of the next two on this CPU
 *   "avx2"    our own (sgemm_avx2.h)
 *   "openblas"
 *   "bf16"    operands rounded to bf16, sums in fp32 (bf16.h); what is multiplied by gemm_run_here stays fp32
 *   "bf16x3"  operands split into two bf16 each: nearly fp32's precision by bf16 instructions
 *   "onednn"  oneDNN's fp32, where the library is there
 *   "naive"   the schoolbook twin that the tests compare with
 *   "auto"    bf16 where this CPU has instructions for it, otherwise fp32
 * A NULL name means fp32. NULL with ERR_USAGE (which lists what there is) for another name, with ERR_NUMERICAL when a
 * backend gives wrong products on this machine, or cannot be used. */
const struct gemm_backend *gemm_backend(const char *name, struct err *err);

/* The i-th backend, without a self-test; NULL behind the last. */
const struct gemm_backend *gemm_backend_at(int i);

/* The library for bf16 instructions and whether this CPU has them, for people; static storage. */
const char *gemm_bf16_engine(void);

/* Computes the whole product on the pool. Any of m, n, k may be 0. */
void gemm_run(const struct gemm *g, const struct gemm_product *product);

/* One product, without bias and residual, on the calling thread only, for work that is already spread over the pool
 * (attention); fp32 in all backends but the naive one. */
void gemm_run_here(const struct gemm *g, const struct gemm_product *product);

#endif
