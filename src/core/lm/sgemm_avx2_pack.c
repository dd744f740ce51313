#include "core/lm/sgemm_avx2_pack.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

/* to[j][i] = from[i][j], 8 x 8. */
static void transpose(const float *from, size_t from_stride, float *to, size_t to_stride)
{
    __m256 x[LANES], y[LANES];
    for (int i = 0; i < LANES; i++)
        x[i] = _mm256_loadu_ps(from + (size_t)i * from_stride);
    for (int i = 0; i < LANES; i += 2) {
        y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4) {
        x[i] = _mm256_shuffle_ps(y[i], y[i + 2], 0x44);
        x[i + 1] = _mm256_shuffle_ps(y[i], y[i + 2], 0xee);
        x[i + 2] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0x44);
        x[i + 3] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0xee);
    }
    for (int i = 0; i < LANES / 2; i++) {
        _mm256_storeu_ps(to + (size_t)i * to_stride, _mm256_permute2f128_ps(x[i], x[i + 4], 0x20));
        _mm256_storeu_ps(to + (size_t)(i + 4) * to_stride, _mm256_permute2f128_ps(x[i], x[i + 4], 0x31));
    }
}

/* `n` floats behind one another, and zeros up to `width`. */
static void copy_padded(float *to, const float *from, int n, int width)
{
    memcpy(to, from, (size_t)n * sizeof *to);
    memset(to + n, 0, (size_t)(width - n) * sizeof *to);
}

/* Panels from a B that is stored [k][n]. */
static void pack_b_rows(const struct gemm_product *p, const struct chunk *c, float *panels)
{
    int whole = c->n / COLUMNS * COLUMNS;
    for (int l = 0; l < c->k; l++) {
        const float *from = p->b + (size_t)(c->l + l) * p->ldb + c->j;
        float *to = panels + (size_t)l * COLUMNS;
        for (int j = 0; j < whole; j += COLUMNS, to += PANEL) {
            _mm256_store_ps(to, _mm256_loadu_ps(from + j));
            _mm256_store_ps(to + LANES, _mm256_loadu_ps(from + j + LANES));
        }
        if (whole < c->n)
            copy_padded(to, from + whole, c->n - whole, COLUMNS);
    }
}

/* LANES columns of a panel from a B that is stored [n][k]: `width` of its rows, and zeros. A cache line of each row at
 * a time: rows may lie so far apart that they drive one another out. */
static void pack_b_lanes(const float *from, size_t stride, int width, int k, float *to)
{
    int l = 0;
    for (; width >= LANES && l + 2 * LANES <= k; l += 2 * LANES) {
        transpose(from + l, stride, to + (size_t)l * COLUMNS, COLUMNS);
        transpose(from + l + LANES, stride, to + (size_t)(l + LANES) * COLUMNS, COLUMNS);
    }
    for (; width >= LANES && l + LANES <= k; l += LANES)
        transpose(from + l, stride, to + (size_t)l * COLUMNS, COLUMNS);
    for (; l < k; l++)
        for (int i = 0; i < LANES; i++)
            to[l * COLUMNS + i] = i < width ? from[(size_t)i * stride + (size_t)l] : 0;
}

void sgemm_avx2_pack_b(const struct gemm_product *p, const struct chunk *c, float *panels)
{
    size_t stride = (size_t)p->ldb;
    if (!p->transpose_b) {
        pack_b_rows(p, c, panels);
        return;
    }
    for (int j = 0; j < c->n; j += COLUMNS, panels += PANEL) {
        const float *from = p->b + (size_t)(c->j + j) * stride + c->l;
        int more = c->n - j - LANES;
        pack_b_lanes(from, stride, c->n - j, c->k, panels);
        pack_b_lanes(more > 0 ? from + LANES * stride : from, stride, more > 0 ? more : 0, c->k, panels + LANES);
    }
}

/* Slivers [ROWS][SLIVER_ROW] from an A that is stored [m][k]; they are packed, for six streams as far apart as A's rows
 * would meet in the cache. */
static void pack_a_rows(const struct gemm_product *p, const struct chunk *c, float *slivers)
{
    int rows = (c->m + ROWS - 1) / ROWS * ROWS;
    size_t bytes = (size_t)c->k * sizeof(float);
    for (int i = 0; i < rows; i++)
        if (i < c->m)
            memcpy(slivers + (size_t)i * SLIVER_ROW, p->a + (size_t)(c->i + i) * p->lda + c->l, bytes);
        else
            memset(slivers + (size_t)i * SLIVER_ROW, 0, bytes);
}

/* Slivers [k][ROWS] from an A that is stored [k][m]. */
static void pack_a_columns(const struct gemm_product *p, const struct chunk *c, float *slivers)
{
    int whole = c->m / ROWS * ROWS;
    for (int l = 0; l < c->k; l++) {
        const float *from = p->a + (size_t)(c->l + l) * p->lda + c->i;
        float *to = slivers + (size_t)l * ROWS;
        for (int i = 0; i < whole; i += ROWS, to += SLIVER)
            memcpy(to, from + i, ROWS * sizeof *to);
        if (whole < c->m)
            copy_padded(to, from + whole, c->m - whole, ROWS);
    }
}

void sgemm_avx2_pack_a(const struct gemm_product *p, const struct chunk *c, float *slivers)
{
    if (p->transpose_a)
        pack_a_columns(p, c, slivers);
    else
        pack_a_rows(p, c, slivers);
}

#else
typedef int sgemm_avx2_pack_is_for_x86_64;
#endif
