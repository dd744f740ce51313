#include "core/lm/sgemm_avx2.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <stdalign.h>

#include "core/lm/sgemm_avx2_pack.h"

bool sgemm_avx2_can(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool sgemm_avx2_pays(void)
{
    return sgemm_avx2_can() && !__builtin_cpu_supports("avx512f");
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int parts_of(int n, int size)
{
    return (n + size - 1) / size;
}

/* ---- a tile ---- */

/* What a tile multiplies: ROWS rows of op(A), `row` floats from `a`, and COLUMNS columns of op(B). */
struct operands {
    const float *a, *b;
    ptrdiff_t row[ROWS];
    ptrdiff_t a_step, b_step; /* floats from one k to the next */
};

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

/* One step of a tile: sums[i] += a[i] b over one k. */
static inline __attribute__((always_inline)) void step(__m256 sums[ROWS][2], const float *a, const ptrdiff_t row[ROWS],
                                                       const float *b)
{
    __m256 left = _mm256_loadu_ps(b), right = _mm256_loadu_ps(b + LANES);
#pragma GCC unroll 6
    for (int i = 0; i < ROWS; i++) {
        __m256 x = _mm256_broadcast_ss(a + row[i]);
        sums[i][0] = _mm256_fmadd_ps(x, left, sums[i][0]);
        sums[i][1] = _mm256_fmadd_ps(x, right, sums[i][1]);
    }
}

/* A tile. The operands' strides are constants where it is called, and then four steps at a time pay; otherwise
 * registers must hold them. */
static inline __attribute__((always_inline)) void tile(int k, const struct operands *o, bool constant,
                                                       const struct landing *to)
{
    const float *a = o->a, *b = o->b;
    ptrdiff_t a_step = o->a_step, b_step = o->b_step;
    __m256 sums[ROWS][2];
#pragma GCC unroll 6
    for (int i = 0; i < ROWS; i++)
        sums[i][0] = sums[i][1] = _mm256_setzero_ps();
    prefetch(to);
    int l = 0;
    for (; constant && l + 4 <= k; l += 4, a += 4 * a_step, b += 4 * b_step) {
        step(sums, a, o->row, b);
        step(sums, a + a_step, o->row, b + b_step);
        step(sums, a + 2 * a_step, o->row, b + 2 * b_step);
        step(sums, a + 3 * a_step, o->row, b + 3 * b_step);
    }
    for (; l < k; l++, a += a_step, b += b_step)
        step(sums, a, o->row, b);
#pragma GCC unroll 6
    for (int i = 0; i < ROWS; i++) {
        land(to, i, 0, sums[i][0]);
        land(to, i, LANES, sums[i][1]);
    }
}

typedef void tile_function(int k, const struct operands *o, const struct landing *to);

static __attribute__((noinline)) void tile_of_rows(int k, const struct operands *o, const struct landing *to)
{
    tile(k, &(struct operands){o->a, o->b, {0, SLIVER_ROW, 2 * SLIVER_ROW, 3 * SLIVER_ROW, 4 * SLIVER_ROW,
                                            5 * SLIVER_ROW}, 1, COLUMNS}, true, to);
}

static __attribute__((noinline)) void tile_of_columns(int k, const struct operands *o, const struct landing *to)
{
    tile(k, &(struct operands){o->a, o->b, {0, 1, 2, 3, 4, 5}, ROWS, COLUMNS}, true, to);
}

static __attribute__((noinline)) void tile_in_place(int k, const struct operands *o, const struct landing *to)
{
    tile(k, o, false, to);
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

/* A tile of which only m x n may lie within C; then with the same roundings as in land. `edge`: [ROWS * COLUMNS]. */
static void multiply_tile(tile_function *compute, int k, const struct operands *o, int m, int n, float *edge,
                          const struct landing *to)
{
    if (m >= ROWS && n >= COLUMNS) {
        compute(k, o, to);
        return;
    }
    compute(k, o, &(struct landing){.c = edge, .alpha = to->alpha, .ldc = COLUMNS});
    for (int i = 0; i < m && i < ROWS; i++)
        for (int j = 0; j < n && j < COLUMNS; j++) {
            size_t at = (size_t)i * to->ldc + j;
            float start = to->bias ? to->bias[j] : 0;
            if (to->from)
                start = fmaf(to->keep, to->from[at], start);
            to->c[at] = to->from || to->bias ? start + edge[i * COLUMNS + j] : edge[i * COLUMNS + j];
        }
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

/* ---- on the pool ---- */

enum { LINE = 16 }; /* floats of a cache line */

/* Part of a matrix that is wanted in the second cache soon. */
struct ahead {
    const float *row;
    size_t stride, width; /* floats */
    size_t at;
    int rows;
};

/* The rows of op(A) from c->i + skip on, as many as c has. */
static struct ahead ahead_of(const struct gemm_product *p, const struct chunk *c, int skip)
{
    int i = c->i + skip, m = p->m - i < c->m ? p->m - i : c->m;
    if (m <= 0)
        return (struct ahead){.rows = 0};
    if (p->transpose_a)
        return (struct ahead){.row = p->a + (size_t)c->l * p->lda + i, .stride = (size_t)p->lda, .width = (size_t)m,
                              .rows = c->k};
    return (struct ahead){.row = p->a + (size_t)i * p->lda + c->l, .stride = (size_t)p->lda, .width = (size_t)c->k,
                          .rows = m};
}

/* Asks for the next few cache lines of it. */
static void look_ahead(struct ahead *h, int lines)
{
    for (; lines > 0 && h->rows > 0; lines--) {
        _mm_prefetch((const char *)(h->row + h->at), _MM_HINT_T1);
        h->at += LINE;
        if (h->at >= h->width) {
            h->at = 0;
            h->row += h->stride;
            h->rows--;
        }
    }
}

/* One chunk of the product on its way through the pool: B is packed by all threads, then each packs the rows of A of
 * its units and multiplies them. */
struct pass {
    const struct gemm_product *p;
    struct chunk chunk;
    float *panels;
    int high, wide; /* of a unit; wide is a multiple of COLUMNS */
    int across;     /* units side by side */
    int threads;
};

enum { PACK_ROWS = 2 * COLUMNS }; /* of B as it is stored: these lie behind one another */

static void pack_unit(void *context, int block, int thread)
{
    (void)thread;
    const struct pass *s = context;
    struct chunk c = s->chunk;
    int from = block * PACK_ROWS;
    if (s->p->transpose_b) {
        c.j += from;
        c.n = least(c.n - from, PACK_ROWS);
        sgemm_avx2_pack_b(s->p, &c, s->panels + from / COLUMNS * PANEL);
        return;
    }
    c.l += from;
    c.k = least(c.k - from, PACK_ROWS);
    sgemm_avx2_pack_b(s->p, &c, s->panels + from * COLUMNS);
}

static void multiply_unit(void *context, int block, int thread)
{
    (void)thread;
    const struct pass *s = context;
    const struct gemm_product *p = s->p;
    alignas(64) float slivers[HIGH / ROWS * SLIVER];
    alignas(64) float edge[ROWS * COLUMNS];
    tile_function *compute = p->transpose_a ? tile_of_columns : tile_of_rows;
    struct chunk c = s->chunk;
    int from = block % s->across * s->wide, end = least(c.n, from + s->wide);
    c.i = block / s->across * s->high;
    c.m = least(p->m - c.i, s->high);
    sgemm_avx2_pack_a(p, &c, slivers);
    /* What this thread is likely to take next; where units lie side by side, what comes some units later. */
    struct ahead next = ahead_of(p, &c, s->high * s->threads);
    int tiles = parts_of(c.m, ROWS) * parts_of(end - from, COLUMNS), lines = c.m * c.k / LINE / tiles + 1;
    for (int j = from; j < end; j += COLUMNS)
        for (int i = 0; i < c.m; i += ROWS) {
            struct operands o = {.a = slivers + i / ROWS * SLIVER, .b = s->panels + j / COLUMNS * PANEL};
            struct landing to = landing_of(p, &c, i, j);
            look_ahead(&next, lines);
            multiply_tile(compute, c.k, &o, c.m - i, c.n - j, edge, &to);
        }
}

/* Units enough that no thread waits long for the last one; the fewer the better, for each packs its rows of A anew. */
static void cut_units(struct pass *s)
{
    enum { A_THREAD = 6, LOW = HIGH / 2, NARROW = 128 }; /* units a thread; the least rows, and columns, of one */
    int enough = s->threads > 1 ? A_THREAD * s->threads : 1, n = s->chunk.n;
    s->high = HIGH;
    if (parts_of(s->p->m, HIGH) < enough)
        s->high = LOW;
    s->across = 1;
    while (parts_of(s->p->m, s->high) * s->across < enough && n / (2 * s->across) >= NARROW)
        s->across *= 2;
    s->wide = parts_of(parts_of(n, s->across), COLUMNS) * COLUMNS;
    s->across = parts_of(n, s->wide);
}

void sgemm_avx2_run(struct threads *threads, const struct gemm_product *p)
{
    enum { SMALL = 1 << 18 }; /* below this a thread's wake-up costs more than it does */
    alignas(64) float panels[WIDE / COLUMNS * PANEL];
    if ((double)p->m * p->n * p->k < SMALL)
        threads = NULL;
    struct pass s = {.p = p, .panels = panels, .threads = threads_count(threads)};
    struct chunk *c = &s.chunk;
    if (p->k == 0)
        multiply_nothing(p);
    for (c->j = 0; c->j < p->n; c->j += WIDE)
        for (c->l = 0; c->l < p->k; c->l += DEEP) {
            c->n = least(p->n - c->j, WIDE);
            c->k = least(p->k - c->l, DEEP);
            cut_units(&s);
            threads_run(threads, parts_of(p->transpose_b ? c->n : c->k, PACK_ROWS), pack_unit, &s);
            threads_run(threads, parts_of(p->m, s.high) * s.across, multiply_unit, &s);
        }
}

/* ---- on the calling thread ---- */

/* The panel of op(B) where it lies if it is whole and stored in rows, otherwise packed. */
static void find_panel(const struct gemm_product *p, const struct chunk *c, float *panel, struct operands *o)
{
    if (!p->transpose_b && c->n == COLUMNS) {
        o->b = p->b + (size_t)c->l * p->ldb + c->j;
        o->b_step = p->ldb;
        return;
    }
    sgemm_avx2_pack_b(p, c, panel);
    o->b = panel;
    o->b_step = COLUMNS;
}

/* A column of tiles. Rows beyond the last are read as the last once more. */
static void multiply_panel(const struct gemm_product *p, struct chunk *c, float *panel)
{
    alignas(64) float edge[ROWS * COLUMNS];
    ptrdiff_t to_row = p->transpose_a ? 1 : p->lda, to_k = p->transpose_a ? p->lda : 1;
    struct operands o = {.a_step = to_k};
    find_panel(p, c, panel, &o);
    for (int i = 0; i < p->m; i += ROWS) {
        struct landing to = landing_of(p, c, i, 0);
        o.a = p->a + i * to_row + c->l * to_k;
        for (int r = 0; r < ROWS; r++)
            o.row[r] = least(r, p->m - i - 1) * to_row;
        multiply_tile(tile_in_place, c->k, &o, p->m - i, c->n, edge, &to);
    }
}

void sgemm_avx2_here(const struct gemm_product *p)
{
    alignas(64) float panel[PANEL];
    struct chunk c = {.m = p->m};
    if (p->k == 0)
        multiply_nothing(p);
    for (c.l = 0; c.l < p->k; c.l += DEEP)
        for (c.j = 0; c.j < p->n; c.j += COLUMNS) {
            c.k = least(p->k - c.l, DEEP);
            c.n = least(p->n - c.j, COLUMNS);
            multiply_panel(p, &c, panel);
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

void sgemm_avx2_run(struct threads *threads, const struct gemm_product *p)
{
    (void)threads, (void)p;
}

void sgemm_avx2_here(const struct gemm_product *p)
{
    (void)p;
}

#endif
