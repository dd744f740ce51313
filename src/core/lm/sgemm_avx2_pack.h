/* sgemm_avx2_pack: strips of both operands of a product as sgemm_avx2's tiles read them: one float behind another.
 *
 * It refuses to multiply. No state; any thread; the caller owns all memory. */
#ifndef EGALIGN_CORE_LM_SGEMM_AVX2_PACK_H
#define EGALIGN_CORE_LM_SGEMM_AVX2_PACK_H

#include "core/lm/gemm.h"

enum {
    LANES = 8,           /* floats of a register */
    ROWS = 6,            /* of a tile: with COLUMNS, 12 of the 16 registers hold sums */
    COLUMNS = 2 * LANES,
    DEEP = 384,          /* k of a chunk: a panel of B of 24 kB stays in the first cache */
    HIGH = 48,           /* rows of A packed at once: 75 kB, in the second cache with room for the next ones */
    WIDE = 1024,         /* columns of B packed at once */
    SLIVER_ROW = DEEP + LANES, /* from row to row: six rows must not share a bank of the first cache */
    SLIVER = ROWS * SLIVER_ROW,
    PANEL = DEEP * COLUMNS + COLUMNS, /* one line more than it holds: neighbours must not share cache sets */
};

/* A part of the product: rows i .. i + m - 1, columns j .. j + n - 1, summed over l .. l + k - 1. */
struct chunk {
    int i, j, l;
    int m, n, k; /* k at most DEEP */
};

/* The columns of op(B) in c->j .. c->j + c->n - 1 -> panels [k][COLUMNS], PANEL floats apart, 32-byte aligned; columns
 * beyond the last are zeros. */
void sgemm_avx2_pack_b(const struct gemm_product *p, const struct chunk *c, float *panels);

/* The rows of op(A) in c->i .. c->i + c->m - 1 -> slivers, SLIVER floats apart: [ROWS][SLIVER_ROW], or [k][ROWS] where
 * A is transposed; rows beyond the last are zeros. */
void sgemm_avx2_pack_a(const struct gemm_product *p, const struct chunk *c, float *slivers);

#endif
