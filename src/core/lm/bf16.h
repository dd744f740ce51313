/* bf16: products of operands that are rounded to bfloat16, summed in fp32.
 *
 * bf16_multiply rounds both operands to the nearest bf16 (ties to even). bf16x3_multiply splits each into a high and a
 * low part, x = hi + lo + O(2^-17 |x|), and takes hi hi + hi lo + lo hi: three products, with errors of the size of
 * fp32's own. Where the CPU has bf16 instructions oneDNN multiplies; elsewhere, and for shapes that it refuses, the
 * rounded numbers are widened and OpenBLAS multiplies them: a product of two bf16 is exact in fp32, so that only the
 * order of the sums differs. So bf16 can be tried, and is tested, on every machine; it is fast on some.
 *
 * Each thread that multiplies keeps up to 25 MB of scratch until it ends. No other state; any thread. */
#ifndef EGALIGN_CORE_LM_BF16_H
#define EGALIGN_CORE_LM_BF16_H

#include "core/lm/gemm.h"

/* Blocks of a product that these functions are made for: at most so many rows of A and columns of B. */
enum { BF16_ROWS = 512, BF16_COLUMNS = 1024 };

/* Computes one block, at most BF16_ROWS x BF16_COLUMNS, of any k, from operands rounded to bf16. */
void bf16_multiply(const struct gemm_product *part);

/* Likewise, from operands split into two. */
void bf16x3_multiply(const struct gemm_product *part);

#endif
