#include "core/lm/bf16.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "core/blas.h"
#include "core/lm/kernels.h"
#include "core/lm/onednn.h"

/* Long sums are cut, which bounds the scratch; edges are filled up with zeros to a multiple of EDGE, so that the
 * ragged sizes of batches need few of oneDNN's primitives, which are compiled one by one. */
enum { DEPTH = 1024, EDGE = 32, PARTS = 2 /* high and low */ };

/* One rounded operand: its stored rows, one behind the other. */
struct rounded {
    int rows, columns;     /* as stored, filled up */
    uint16_t *bits[PARTS]; /* [rows * columns] high, low */
};

struct scratch {
    uint16_t *bits; /* [ALL] both operands, high parts then low ones */
    float *widened; /* [ALL] the same as floats, for OpenBLAS; made when it is first needed */
    float *tile;    /* a block of results; likewise */
};

enum { OPERAND_A = BF16_ROWS * DEPTH, OPERAND_B = BF16_COLUMNS * DEPTH, ALL = PARTS * (OPERAND_A + OPERAND_B) };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t scratch_key;

static void free_scratch(void *scratch)
{
    struct scratch *s = scratch;
    mem_free(s->bits);
    mem_free(s->widened);
    mem_free(s->tile);
    mem_free(s);
}

static void make_key(void)
{
    CHECK(pthread_key_create(&scratch_key, free_scratch) == 0);
}

/* The calling thread's scratch. Multiplying cannot fail, so being out of memory here ends the process. */
static struct scratch *scratch_of_thread(void)
{
    pthread_once(&once, make_key);
    struct scratch *s = pthread_getspecific(scratch_key);
    if (s)
        return s;
    s = mem_zeroed(1, sizeof *s);
    CHECK(s);
    s->bits = mem_aligned(ALL, sizeof *s->bits);
    CHECK(s->bits && pthread_setspecific(scratch_key, s) == 0);
    return s;
}

/* *buffer, made with room for `count` floats when it is not there. */
static float *floats(float **buffer, size_t count)
{
    if (!*buffer)
        *buffer = mem_aligned(count, sizeof **buffer);
    CHECK(*buffer);
    return *buffer;
}

static int filled_up(int n)
{
    return n < 1 ? EDGE : (n + EDGE - 1) / EDGE * EDGE;
}

/* Rounds `rows` stored rows of `columns` floats into r, whose sizes are set, with zeros around them. */
static void round_operand(const struct rounded *r, int parts, int rows, int columns, const float *x, int stride)
{
    const struct kernels *k = kernels_best();
    for (int i = 0; i < r->rows; i++) {
        size_t at = (size_t)i * r->columns;
        int n = i < rows ? columns : 0;
        if (n > 0 && parts == 1)
            k->to_bf16((size_t)n, x + (size_t)i * stride, r->bits[0] + at);
        else if (n > 0)
            k->split_bf16((size_t)n, x + (size_t)i * stride, r->bits[0] + at, r->bits[1] + at);
        for (int part = 0; part < parts; part++)
            memset(r->bits[part] + at + n, 0, (size_t)(r->columns - n) * sizeof(uint16_t));
    }
}

/* One slice of a block: both operands rounded, for k <= DEPTH. */
struct slice {
    const struct gemm_product *part;
    int m, k; /* filled up */
    struct rounded a, b;
    struct scratch *scratch;
};

static struct slice slice_of(const struct gemm_product *p, int parts)
{
    struct slice s = {.part = p, .m = filled_up(p->m), .k = filled_up(p->k)};
    s.scratch = scratch_of_thread();
    s.a = (struct rounded){.rows = p->transpose_a ? s.k : s.m, .columns = p->transpose_a ? s.m : s.k};
    s.b = (struct rounded){.rows = p->transpose_b ? p->n : s.k, .columns = p->transpose_b ? s.k : p->n};
    for (int i = 0; i < parts; i++) {
        s.a.bits[i] = s.scratch->bits + (size_t)i * (OPERAND_A + OPERAND_B);
        s.b.bits[i] = s.a.bits[i] + OPERAND_A;
    }
    round_operand(&s.a, parts, p->transpose_a ? p->k : p->m, p->transpose_a ? p->m : p->k, p->a, p->lda);
    round_operand(&s.b, parts, p->transpose_b ? p->n : p->k, p->transpose_b ? p->k : p->n, p->b, p->ldb);
    return s;
}

/* C = alpha A_i B_j + beta C by oneDNN; -1 when it cannot. */
static int multiply_natively(const struct slice *s, int i, int j, float beta)
{
    const struct gemm_product *p = s->part;
    bool whole = s->m == p->m;
    float *tile = whole ? NULL : floats(&s->scratch->tile, (size_t)BF16_ROWS * BF16_COLUMNS);
    struct onednn_product o = {.type = ONEDNN_BF16, .transpose_a = p->transpose_a, .transpose_b = p->transpose_b,
                               .m = s->m, .n = p->n, .k = s->k, .alpha = p->alpha, .beta = whole ? beta : 0,
                               .a = s->a.bits[i], .lda = s->a.columns, .b = s->b.bits[j], .ldb = s->b.columns,
                               .c = whole ? p->c : tile, .ldc = whole ? p->ldc : p->n};
    if (onednn_multiply(&o) < 0)
        return -1;
    for (int row = 0; row < p->m && !whole; row++) {
        const float *from = tile + (size_t)row * p->n;
        float *to = p->c + (size_t)row * p->ldc;
        for (int column = 0; column < p->n; column++)
            to[column] = from[column] + (beta != 0 ? beta * to[column] : 0);
    }
    return 0;
}

/* One part of an operand as floats. */
static const float *widen(const struct slice *s, const struct rounded *r, int part)
{
    float *to = floats(&s->scratch->widened, ALL) + (r->bits[part] - s->scratch->bits);
    kernels_best()->from_bf16((size_t)r->rows * r->columns, r->bits[part], to);
    return to;
}

static void multiply_widened(const struct slice *s, int i, int j, float beta)
{
    const struct gemm_product *p = s->part;
    const float *a = widen(s, &s->a, i), *b = widen(s, &s->b, j);
    cblas_sgemm(CblasRowMajor, p->transpose_a ? CblasTrans : CblasNoTrans, p->transpose_b ? CblasTrans : CblasNoTrans,
                p->m, p->n, s->k, p->alpha, a, s->a.columns, b, s->b.columns, beta, p->c, p->ldc);
}

static void multiply_slice(const struct gemm_product *p, int parts)
{
    static const int pairs[3][2] = {{0, 0}, {0, 1}, {1, 0}};
    struct slice s = slice_of(p, parts);
    bool native = onednn_has_bf16();
    for (int i = 0; i < (parts == 1 ? 1 : 3); i++) {
        float beta = i == 0 ? p->beta : 1;
        if (!native || multiply_natively(&s, pairs[i][0], pairs[i][1], beta) < 0)
            multiply_widened(&s, pairs[i][0], pairs[i][1], beta);
    }
}

static void multiply(const struct gemm_product *whole, int parts)
{
    struct gemm_product p = *whole;
    CHECK(p.m <= BF16_ROWS && p.n <= BF16_COLUMNS);
    for (int from = 0; from == 0 || from < whole->k; from += DEPTH) {
        p.k = whole->k - from < DEPTH ? whole->k - from : DEPTH;
        p.a = whole->a + (whole->transpose_a ? (size_t)from * whole->lda : (size_t)from);
        p.b = whole->b + (whole->transpose_b ? (size_t)from : (size_t)from * whole->ldb);
        p.beta = from == 0 ? whole->beta : 1;
        multiply_slice(&p, parts);
    }
}

void bf16_multiply(const struct gemm_product *part)
{
    multiply(part, 1);
}

void bf16x3_multiply(const struct gemm_product *part)
{
    multiply(part, PARTS);
}
