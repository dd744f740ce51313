#include "core/lm/sgemm_avx2.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <stdalign.h>
#include <string.h>

enum {
    LANES = 8,
    ROWS = 6,            /* of a tile: with COLUMNS, 12 of the 16 registers hold sums */
    COLUMNS = 2 * LANES,
    DEEP = 384,          /* k of a chunk: a panel of B of 24 kB stays in the first cache */
    HIGH = 96,           /* rows of A packed at once: 147 kB, in the second cache */
    WIDE = 1024,         /* columns of B packed at once */
    SLIVER = ROWS * DEEP,
    PANEL = DEEP * COLUMNS + COLUMNS, /* one line more than it holds: neighbours must not share cache sets */
};

/* What is packed of one chunk. */
struct packed {
    alignas(64) float b[WIDE / COLUMNS * PANEL]; /* panels [k][COLUMNS] of op(B) */
    alignas(64) float a[HIGH / ROWS * SLIVER];   /* slivers of op(A): [ROWS][DEEP], or [k][ROWS] when A is transposed */
    alignas(64) float edge[ROWS * COLUMNS];      /* a tile that is not wholly within C */
};

/* A part of the product: rows i .. i + m - 1, columns j .. j + n - 1, summed over l .. l + k - 1. */
struct chunk {
    int i, j, l;
    int m, n, k;
};

bool sgemm_avx2_can(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool sgemm_avx2_pays(void)
{
    return sgemm_avx2_can() && !__builtin_cpu_supports("avx512f");
}

/* One step of a tile: sums[i] += a[i] b over one k. */
static inline __attribute__((always_inline)) void step(__m256 sums[ROWS][2], const float *a, ptrdiff_t row_stride,
                                                       const float *b)
{
    __m256 left = _mm256_load_ps(b), right = _mm256_load_ps(b + LANES);
#pragma GCC unroll 6
    for (int i = 0; i < ROWS; i++) {
        __m256 x = _mm256_broadcast_ss(a + i * row_stride);
        sums[i][0] = _mm256_fmadd_ps(x, left, sums[i][0]);
        sums[i][1] = _mm256_fmadd_ps(x, right, sums[i][1]);
    }
}

/* Where a tile of results goes: C = alpha A B + keep from + bias. */
struct landing {
    float *c;
    const float *from; /* C itself, a residual with rows as far apart as C's, or NULL */
    const float *bias; /* [COLUMNS], or NULL */
    float alpha, keep;
    int ldc;
};

/* Lets the rows of a tile come while its sums are made. */
static inline __attribute__((always_inline)) void prefetch(const struct landing *to)
{
    const float *rows = to->from ? to->from : to->c;
#pragma GCC unroll 6
    for (int i = 0; i < ROWS; i++) {
        _mm_prefetch((const char *)(rows + (size_t)i * to->ldc), _MM_HINT_T0);
        _mm_prefetch((const char *)(rows + (size_t)i * to->ldc + COLUMNS - 1), _MM_HINT_T0);
    }
}

/* LANES results of a row, from column j of the tile on. */
static inline __attribute__((always_inline)) void land(const struct landing *to, int i, int j, __m256 sums)
{
    size_t at = (size_t)i * to->ldc + j;
    __m256 x = _mm256_mul_ps(_mm256_set1_ps(to->alpha), sums);
    __m256 start = to->bias ? _mm256_loadu_ps(to->bias + j) : _mm256_setzero_ps();
    if (to->from)
        start = _mm256_fmadd_ps(_mm256_set1_ps(to->keep), _mm256_loadu_ps(to->from + at), start);
    _mm256_storeu_ps(to->c + at, to->from || to->bias ? _mm256_add_ps(start, x) : x);
}

/* A tile from a sliver and a panel. The strides are constants where it is called. */
static inline __attribute__((always_inline)) void tile(int k, const float *a, ptrdiff_t row_stride, ptrdiff_t k_stride,
                                                       const float *b, const struct landing *to)
{
    __m256 sums[ROWS][2];
#pragma GCC unroll 6
    for (int i = 0; i < ROWS; i++)
        sums[i][0] = sums[i][1] = _mm256_setzero_ps();
    prefetch(to);
    int l = 0;
    for (; l + 4 <= k; l += 4, a += 4 * k_stride, b += 4 * COLUMNS) {
        step(sums, a, row_stride, b);
        step(sums, a + k_stride, row_stride, b + COLUMNS);
        step(sums, a + 2 * k_stride, row_stride, b + 2 * COLUMNS);
        step(sums, a + 3 * k_stride, row_stride, b + 3 * COLUMNS);
    }
    for (; l < k; l++, a += k_stride, b += COLUMNS)
        step(sums, a, row_stride, b);
#pragma GCC unroll 6
    for (int i = 0; i < ROWS; i++) {
        land(to, i, 0, sums[i][0]);
        land(to, i, LANES, sums[i][1]);
    }
}

typedef void tile_function(int k, const float *a, const float *b, const struct landing *to);

static __attribute__((noinline)) void tile_of_rows(int k, const float *a, const float *b, const struct landing *to)
{
    tile(k, a, DEEP, 1, b, to);
}

static __attribute__((noinline)) void tile_of_columns(int k, const float *a, const float *b, const struct landing *to)
{
    tile(k, a, 1, ROWS, b, to);
}

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

/* One panel from a B that is stored [n][k]: `width` of its rows. */
static void pack_b_columns(const struct gemm_product *p, const struct chunk *c, int j, int width, float *panel)
{
    const float *from = p->b + (size_t)(c->j + j) * p->ldb + c->l;
    size_t stride = (size_t)p->ldb;
    int l = 0;
    for (; width == COLUMNS && l + LANES <= c->k; l += LANES) {
        transpose(from + l, stride, panel + (size_t)l * COLUMNS, COLUMNS);
        transpose(from + LANES * stride + l, stride, panel + (size_t)l * COLUMNS + LANES, COLUMNS);
    }
    for (; l < c->k; l++)
        for (int i = 0; i < COLUMNS; i++)
            panel[l * COLUMNS + i] = i < width ? from[(size_t)i * stride + (size_t)l] : 0;
}

static void pack_b(const struct gemm_product *p, const struct chunk *c, float *panels)
{
    if (!p->transpose_b) {
        pack_b_rows(p, c, panels);
        return;
    }
    for (int j = 0; j < c->n; j += COLUMNS, panels += PANEL)
        pack_b_columns(p, c, j, c->n - j < COLUMNS ? c->n - j : COLUMNS, panels);
}

/* Slivers [ROWS][DEEP] from an A that is stored [m][k]; they are packed, for six short streams would come slowly.
 * Rows beyond the last are zeros, for all of them are multiplied. */
static void pack_a_rows(const struct gemm_product *p, const struct chunk *c, float *slivers)
{
    int rows = (c->m + ROWS - 1) / ROWS * ROWS;
    for (int i = 0; i < rows; i++)
        if (i < c->m)
            memcpy(slivers + (size_t)i * DEEP, p->a + (size_t)(c->i + i) * p->lda + c->l, (size_t)c->k * sizeof(float));
        else
            memset(slivers + (size_t)i * DEEP, 0, (size_t)c->k * sizeof(float));
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

/* What C starts from in this chunk, for the tile at row i and column j of it. */
static struct landing landing_of(const struct gemm_product *p, const struct chunk *c, int i, int j)
{
    size_t at = (size_t)(c->i + i) * p->ldc + c->j + j;
    struct landing to = {.c = p->c + at, .from = p->c + at, .alpha = p->alpha, .keep = 1, .ldc = p->ldc};
    if (c->l > 0)
        return to;
    to.bias = p->bias ? p->bias + c->j + j : NULL;
    if (p->residual)
        to.from = p->residual + at;
    else if (p->beta != 0)
        to.keep = p->beta;
    else
        to.from = NULL;
    return to;
}

/* A tile of which only m x n lie within C; the same roundings as in land. */
static void multiply_edge(tile_function *compute, int k, const float *a, const float *b, int m, int n, float *edge,
                          const struct landing *to)
{
    compute(k, a, b, &(struct landing){.c = edge, .alpha = to->alpha, .ldc = COLUMNS});
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            size_t at = (size_t)i * to->ldc + j;
            float start = to->bias ? to->bias[j] : 0;
            if (to->from)
                start = fmaf(to->keep, to->from[at], start);
            to->c[at] = to->from || to->bias ? start + edge[i * COLUMNS + j] : edge[i * COLUMNS + j];
        }
}

/* The packed rows of A times the packed columns of B. */
static void multiply_packed(const struct gemm_product *p, const struct chunk *c, struct packed *packed)
{
    tile_function *compute = p->transpose_a ? tile_of_columns : tile_of_rows;
    for (int j = 0; j < c->n; j += COLUMNS)
        for (int i = 0; i < c->m; i += ROWS) {
            const float *a = packed->a + i / ROWS * SLIVER, *b = packed->b + j / COLUMNS * PANEL;
            struct landing to = landing_of(p, c, i, j);
            int m = c->m - i, n = c->n - j;
            if (m >= ROWS && n >= COLUMNS)
                compute(c->k, a, b, &to);
            else
                multiply_edge(compute, c->k, a, b, m < ROWS ? m : ROWS, n < COLUMNS ? n : COLUMNS, packed->edge, &to);
        }
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* What C starts from is all there is of a product over no k. */
static void multiply_nothing(const struct gemm_product *p)
{
    for (int i = 0; i < p->m; i++)
        for (int j = 0; j < p->n; j++) {
            size_t at = (size_t)i * p->ldc + j;
            float start = p->residual ? p->residual[at] : p->beta != 0 ? p->beta * p->c[at] : 0;
            p->c[at] = start + (p->bias ? p->bias[j] : 0);
        }
}

void sgemm_avx2_multiply(const struct gemm_product *p)
{
    struct packed packed;
    struct chunk c;
    if (p->k == 0)
        multiply_nothing(p);
    for (c.j = 0; c.j < p->n; c.j += WIDE)
        for (c.l = 0; c.l < p->k; c.l += DEEP) {
            c.n = least(p->n - c.j, WIDE);
            c.k = least(p->k - c.l, DEEP);
            pack_b(p, &c, packed.b);
            for (c.i = 0; c.i < p->m; c.i += HIGH) {
                c.m = least(p->m - c.i, HIGH);
                (p->transpose_a ? pack_a_columns : pack_a_rows)(p, &c, packed.a);
                multiply_packed(p, &c, &packed);
            }
        }
}

#else

bool sgemm_avx2_can(void)
{
    return false;
}

bool sgemm_avx2_pays(void)
{
    return false;
}

void sgemm_avx2_multiply(const struct gemm_product *p)
{
    (void)p;
}

#endif
