/* sgemm_avx2: fp32 matrix products for x86-64 CPUs with AVX2 and FMA but no AVX-512.
 *
 * The way of GotoBLAS (Goto & van de Geijn, ACM TOMS 34(3), 2008): strips of both operands are packed so that a tile of
 * 6 x 16 results stays in registers while its operands stream from the first two caches. It is here beside OpenBLAS
 * because the engine's products are narrow (a few hundred columns), where OpenBLAS spends a fifth of the time on
 * packing; on CPUs with AVX-512 OpenBLAS's own kernels are wider, and it is the better one.
 *
 * Each result is summed over k in the same order wherever it lies: in chunks of 384 from the first one on, by fused
 * multiply-adds within a chunk. So a row of C depends on its row of A and on B only, not on how many rows go through
 * with it or how a product is cut into blocks: bit for bit.
 *
 * It refuses bf16 and matrices in double. Under two megabytes of stack; no state. The twin is the naive backend. */
#ifndef EGALIGN_CORE_LM_SGEMM_AVX2_H
#define EGALIGN_CORE_LM_SGEMM_AVX2_H

#include "core/lm/gemm.h"

/* Whether this CPU can run it, and it is the faster choice beside OpenBLAS. */
bool sgemm_avx2_can(void);
bool sgemm_avx2_pays(void);

/* Computes one product of any size on the pool (NULL: the calling thread). Only where sgemm_avx2_can. */
void sgemm_avx2_run(struct threads *threads, const struct gemm_product *p);

/* The same, to the bit, on the calling thread and for small products: operands are read where they lie, but for those
 * of B's that are transposed or no whole panel. */
void sgemm_avx2_here(const struct gemm_product *p);

#endif
