#include "core/lm/tokenwise.h"

#include <string.h>

enum { BLOCK_ELEMENTS = 1 << 14 }; /* below this a thread's wake-up costs more than the work */

/* The arguments of any of the operators; each uses its own. */
struct loop {
    const struct lm_engine *e;
    void (*row)(const struct loop *l, int token);            /* per token */
    void (*columns_of)(const struct loop *l, int from, int n); /* per block of columns: all tokens */
    int T, columns, rows_per_block;
    const struct norm_weights *norm;
    const float *x, *y, *stats;
    float *out, *out2;
    bool gated;
    int heads, half;
    const int *positions;
    const int32_t *tokens;
    const float *cosines, *sines;
    float sign;
};

static void run_row_block(void *context, int block, int thread)
{
    (void)thread;
    const struct loop *l = context;
    int from = block * l->rows_per_block;
    int to = from + l->rows_per_block < l->T ? from + l->rows_per_block : l->T;
    for (int t = from; t < to; t++)
        l->row(l, t);
}

static void run_rows(struct loop *l)
{
    l->rows_per_block = l->columns < BLOCK_ELEMENTS ? BLOCK_ELEMENTS / l->columns : 1;
    threads_run(l->e->gemm.threads, (l->T + l->rows_per_block - 1) / l->rows_per_block, run_row_block, l);
}

static void run_column_block(void *context, int block, int thread)
{
    (void)thread;
    const struct loop *l = context;
    int from = block * TOKENWISE_COLUMNS;
    l->columns_of(l, from, l->columns - from < TOKENWISE_COLUMNS ? l->columns - from : TOKENWISE_COLUMNS);
}

static void run_columns(struct loop *l)
{
    threads_run(l->e->gemm.threads, (l->columns + TOKENWISE_COLUMNS - 1) / TOKENWISE_COLUMNS, run_column_block, l);
}

void tokens_gather(int count, const int *rows, int columns, const float *from, float *to)
{
    size_t n = (size_t)columns;
    for (int i = 0; i < count; i++)
        memmove(to + (size_t)i * n, from + (size_t)rows[i] * n, n * sizeof *to);
}

void tokens_scatter(int T, int count, const int *rows, int columns, float *x)
{
    size_t n = (size_t)columns;
    int end = T; /* rows from here on are done */
    for (int i = count - 1; i >= 0; end = rows[i--]) {
        memmove(x + (size_t)rows[i] * n, x + (size_t)i * n, n * sizeof *x);
        memset(x + ((size_t)rows[i] + 1) * n, 0, (size_t)(end - rows[i] - 1) * n * sizeof *x);
    }
    memset(x, 0, (size_t)end * n * sizeof *x);
}

static void norm_row(const struct loop *l, int t)
{
    const struct norm_weights *n = l->norm;
    size_t columns = (size_t)n->columns, at = (size_t)t * columns;
    float *mean = l->out2 + 2 * (size_t)t, *rstd = mean + 1;
    *mean = 0;
    if (n->bias)
        l->e->kernels->layernorm(columns, n->eps, l->x + at, n->weight, n->bias, l->out + at, mean, rstd);
    else
        l->e->kernels->rmsnorm(columns, n->eps, l->x + at, n->weight, l->out + at, rstd);
}

void tokens_norm(const struct lm_engine *e, int T, const struct norm_weights *n, const float *x, float *y,
                 float *stats)
{
    run_rows(&(struct loop){.e = e, .row = norm_row, .T = T, .columns = n->columns, .norm = n, .x = x, .out = y,
                            .out2 = stats});
}

static void norm_backward_row(const struct loop *l, int t)
{
    const struct norm_weights *n = l->norm;
    size_t columns = (size_t)n->columns, at = (size_t)t * columns;
    const float *stats = l->stats + 2 * (size_t)t;
    if (n->bias)
        l->e->kernels->layernorm_backward(columns, l->x + at, n->weight, l->y + at, stats[0], stats[1], l->out + at);
    else
        l->e->kernels->rmsnorm_backward(columns, l->x + at, n->weight, l->y + at, stats[1], l->out + at);
}

void tokens_norm_backward(const struct lm_engine *e, int T, const struct norm_weights *n, const float *x,
                          const float *stats, const float *dy, float *dx)
{
    run_rows(&(struct loop){.e = e, .row = norm_backward_row, .T = T, .columns = n->columns, .norm = n, .x = x,
                            .stats = stats, .y = dy, .out = dx});
}

static void norm_gradient_columns(const struct loop *l, int from, int n)
{
    for (int t = 0; t < l->T; t++) {
        size_t at = (size_t)t * l->columns + from;
        const float *stats = l->stats + 2 * (size_t)t;
        l->e->kernels->norm_weights((size_t)n, l->x + at, l->y + at, stats[0], stats[1], l->out + from,
                                    l->out2 ? l->out2 + from : NULL);
    }
}

void tokens_norm_gradients(const struct lm_engine *e, int T, int columns, const float *x, const float *stats,
                           const float *dy, float *dw, float *db)
{
    run_columns(&(struct loop){.e = e, .columns_of = norm_gradient_columns, .T = T, .columns = columns, .x = x,
                               .stats = stats, .y = dy, .out = dw, .out2 = db});
}

static void sum_columns(const struct loop *l, int from, int n)
{
    l->e->kernels->add_rows((size_t)l->T, (size_t)n, l->y + from, (size_t)l->columns, l->out + from);
}

void tokens_column_sums(const struct lm_engine *e, int T, int columns, const float *y, float *sums)
{
    run_columns(&(struct loop){.e = e, .columns_of = sum_columns, .T = T, .columns = columns, .y = y, .out = sums});
}

static void activate_row(const struct loop *l, int t)
{
    size_t F = (size_t)l->columns, at = (size_t)t * F;
    if (l->gated)
        l->e->kernels->swiglu(F, l->x + 2 * at, l->x + 2 * at + F, l->out + at);
    else
        l->e->kernels->gelu(F, l->x + at, l->out + at);
}

void tokens_activate(const struct lm_engine *e, int T, int F, bool gated, const float *up, float *act)
{
    run_rows(&(struct loop){.e = e, .row = activate_row, .T = T, .columns = F, .gated = gated, .x = up, .out = act});
}

static void activate_backward_row(const struct loop *l, int t)
{
    size_t F = (size_t)l->columns, at = (size_t)t * F;
    if (l->gated)
        l->e->kernels->swiglu_backward(F, l->x + 2 * at, l->x + 2 * at + F, l->y + at, l->out + 2 * at,
                                       l->out + 2 * at + F);
    else
        l->e->kernels->gelu_backward(F, l->x + at, l->y + at, l->out + at);
}

void tokens_activate_backward(const struct lm_engine *e, int T, int F, bool gated, const float *up, const float *dact,
                              float *dup)
{
    run_rows(&(struct loop){.e = e, .row = activate_backward_row, .T = T, .columns = F, .gated = gated, .x = up,
                            .y = dact, .out = dup});
}

static void rotate_row(const struct loop *l, int t)
{
    size_t at = (size_t)l->positions[t] * l->half;
    l->e->kernels->rotate((size_t)l->heads, (size_t)l->half, l->cosines + at, l->sines + at, l->sign,
                          l->out + (size_t)t * l->columns);
}

void tokens_rotate(const struct lm_engine *e, int T, int heads, int half, int stride, const int *positions,
                   const float *cosines, const float *sines, float sign, float *x)
{
    run_rows(&(struct loop){.e = e, .row = rotate_row, .T = T, .columns = stride, .heads = heads, .half = half,
                            .positions = positions, .cosines = cosines, .sines = sines, .sign = sign, .out = x});
}

static void embed_row(const struct loop *l, int t)
{
    size_t n = (size_t)l->columns;
    float *x = l->out + (size_t)t * n;
    memcpy(x, l->x + (size_t)l->tokens[t] * n, n * sizeof *x);
    if (l->y)
        l->e->kernels->add(n, l->y + (size_t)l->positions[t] * n, x);
}

void tokens_embed(const struct lm_engine *e, int T, int columns, const int32_t *tokens, const int *positions,
                  const float *table, const float *places, float *x)
{
    run_rows(&(struct loop){.e = e, .row = embed_row, .T = T, .columns = columns, .tokens = tokens,
                            .positions = positions, .x = table, .y = places, .out = x});
}

static void embed_gradient_columns(const struct loop *l, int from, int n)
{
    for (int t = 0; t < l->T; t++) {
        const float *dx = l->y + (size_t)t * l->columns + from;
        if (l->out)
            l->e->kernels->add((size_t)n, dx, l->out + (size_t)l->tokens[t] * l->columns + from);
        if (l->out2)
            l->e->kernels->add((size_t)n, dx, l->out2 + (size_t)l->positions[t] * l->columns + from);
    }
}

void tokens_embed_gradients(const struct lm_engine *e, int T, int columns, const int32_t *tokens,
                            const int *positions, const float *dx, float *dtable, float *dplaces)
{
    run_columns(&(struct loop){.e = e, .columns_of = embed_gradient_columns, .T = T, .columns = columns,
                               .tokens = tokens, .positions = positions, .y = dx, .out = dtable, .out2 = dplaces});
}
