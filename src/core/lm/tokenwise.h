/* tokenwise: operators that work on each token by itself, or sum over tokens column by column, spread over the pool.
 *
 * Arrays are [T][columns]. Tokens are cut into blocks by the size of a row, columns into blocks of TOKENWISE_COLUMNS,
 * so nothing depends on the number of threads. The arithmetic is that of kernels.h; twins are in naive.h. */
#ifndef EGALIGN_CORE_LM_TOKENWISE_H
#define EGALIGN_CORE_LM_TOKENWISE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/lm/gemm.h"
#include "core/lm/kernels.h"

enum { TOKENWISE_COLUMNS = 64 };

/* What computes: the matrix products with their pool, and the element-wise kernels. Borrowed. */
struct lm_engine {
    struct gemm gemm;
    const struct kernels *kernels;
};

/* Weights of a norm of `columns` columns; a NULL bias means RMSNorm. */
struct norm_weights {
    int columns;
    float eps;
    const float *weight, *bias;
};

/* y = norm(x); stats [T][2] receives mean (0 for RMSNorm) and 1 / s.d. */
void tokens_norm(const struct lm_engine *e, int T, const struct norm_weights *n, const float *x, float *y,
                 float *stats);

/* dx += gradient through the norm at x, from the stats of tokens_norm. */
void tokens_norm_backward(const struct lm_engine *e, int T, const struct norm_weights *n, const float *x,
                          const float *stats, const float *dy, float *dx);

/* dw += sum over tokens of dy xhat; db += sum of dy unless it is NULL. */
void tokens_norm_gradients(const struct lm_engine *e, int T, int columns, const float *x, const float *stats,
                           const float *dy, float *dw, float *db);

/* sums[j] += sum over tokens of y[t][j]. */
void tokens_column_sums(const struct lm_engine *e, int T, int columns, const float *y, float *sums);

/* The feed-forward non-linearity: up [T][F] -> GELU, or up [T][2F] -> SwiGLU of its halves; act [T][F]. */
void tokens_activate(const struct lm_engine *e, int T, int F, bool gated, const float *up, float *act);

/* dup, of the width of up, from dact [T][F]. */
void tokens_activate_backward(const struct lm_engine *e, int T, int F, bool gated, const float *up, const float *dact,
                              float *dup);

/* Rotates (sign 1) or rotates back (-1) the first `heads` heads of each row of x [T][stride] by the angles of the
 * token's position: cosines and sines are [positions][half]. */
void tokens_rotate(const struct lm_engine *e, int T, int heads, int half, int stride, const int *positions,
                   const float *cosines, const float *sines, float sign, float *x);

/* to[i] = from[rows[i]] for `count` rows in ascending order; `to` may be `from`. */
void tokens_gather(int count, const int *rows, int columns, const float *from, float *to);

/* The way back, in place: the first `count` rows of x [T] go to where they came from, the other rows are 0. */
void tokens_scatter(int T, int count, const int *rows, int columns, float *x);

/* x[t] = table[tokens[t]] + places[positions[t]]; `places` may be NULL. */
void tokens_embed(const struct lm_engine *e, int T, int columns, const int32_t *tokens, const int *positions,
                  const float *table, const float *places, float *x);

/* dtable[tokens[t]] += dx[t], dplaces[positions[t]] += dx[t]; either may be NULL. */
void tokens_embed_gradients(const struct lm_engine *e, int T, int columns, const int32_t *tokens,
                            const int *positions, const float *dx, float *dtable, float *dplaces);

#endif
