#include "core/lm/linear.h"

/* low_rank [T, r] = x A^T. */
static void reduce(struct lm_run *run, const struct lm_adapter *a, int T, const float *x, float *low)
{
    int r = run->options.adapters->rank;
    gemm_run(&run->engine.gemm, &(struct gemm_product){.transpose_b = true, .m = T, .n = r, .k = a->in, .alpha = 1,
                                                       .a = x, .lda = a->in,
                                                       .b = run->options.adapters->weights + a->a, .ldb = a->in,
                                                       .c = low, .ldc = r});
}

static float adapter_scale(const struct lm_run *run)
{
    return run->options.adapters->alpha / (float)run->options.adapters->rank;
}

/* y[:, from ..] += scale (x A^T) B^T */
static void adapt_forward(struct lm_run *run, const struct lm_adapter *a, int T, const float *x, float *y, int stride)
{
    int r = run->options.adapters->rank;
    reduce(run, a, T, x, run->low_rank);
    gemm_run(&run->engine.gemm,
             &(struct gemm_product){.transpose_b = true, .m = T, .n = a->out, .k = r, .alpha = adapter_scale(run),
                                    .a = run->low_rank, .lda = r, .b = run->options.adapters->weights + a->b,
                                    .ldb = r, .beta = 1, .c = y + a->from, .ldc = stride});
}

/* With u = x A^T and v = scale dy B: dB += scale dy^T u, dA += v^T x, dx += v A. */
static void adapt_backward(struct lm_run *run, const struct lm_adapter *a, int T, const float *x, const float *dy,
                           int stride, float *dx)
{
    const struct gemm *g = &run->engine.gemm;
    const float *A = run->options.adapters->weights + a->a, *B = run->options.adapters->weights + a->b;
    int r = run->options.adapters->rank;
    float scale = adapter_scale(run), *u = run->low_rank, *v = run->low_rank_back;
    dy += a->from;
    gemm_run(g, &(struct gemm_product){.m = T, .n = r, .k = a->out, .alpha = scale, .a = dy, .lda = stride, .b = B,
                                       .ldb = r, .c = v, .ldc = r});
    gemm_run(g, &(struct gemm_product){.m = T, .n = a->in, .k = r, .alpha = 1, .a = v, .lda = r, .b = A,
                                       .ldb = a->in, .beta = 1, .c = dx, .ldc = a->in});
    reduce(run, a, T, x, u);
    gemm_run(g, &(struct gemm_product){.transpose_a = true, .m = a->out, .n = r, .k = T, .alpha = scale, .a = dy,
                                       .lda = stride, .b = u, .ldb = r, .beta = 1,
                                       .c = run->trained.gradients + a->b, .ldc = r});
    gemm_run(g, &(struct gemm_product){.transpose_a = true, .m = r, .n = a->in, .k = T, .alpha = 1, .a = v, .lda = r,
                                       .b = x, .ldb = a->in, .beta = 1, .c = run->trained.gradients + a->a,
                                       .ldc = a->in});
}

void linear_forward(struct lm_run *run, const struct lm_linear *l, int T, const float *x, const float *residual,
                    float *y)
{
    gemm_run(&run->engine.gemm,
             &(struct gemm_product){.transpose_b = l->transposed, .m = T, .n = l->out, .k = l->in, .alpha = 1, .a = x,
                                    .lda = l->in, .b = matrix_of(run, l),
                                    .ldb = l->transposed ? l->in : l->out, .c = y, .ldc = l->out,
                                    .bias = vector_at(run, l->bias), .residual = residual});
    const struct lm_adapter *a;
    int adapters = run->options.adapters ? lora_of(run->options.adapters, l->weight, &a) : 0;
    for (int i = 0; i < adapters; i++)
        adapt_forward(run, &a[i], T, x, y, l->out);
}

/* dW += x^T dy in the orientation in which W is stored. */
static void weight_gradient(struct lm_run *run, const struct lm_linear *l, int T, const float *x, const float *dy,
                            float *dw)
{
    struct gemm_product p = {.transpose_a = true, .m = l->in, .n = l->out, .k = T, .alpha = 1, .a = x, .lda = l->in,
                             .b = dy, .ldb = l->out, .beta = 1, .c = dw, .ldc = l->out};
    if (l->transposed) {
        p.m = l->out;
        p.n = l->in;
        p.a = dy;
        p.lda = l->out;
        p.b = x;
        p.ldb = l->in;
        p.ldc = l->in;
    }
    gemm_run(&run->engine.gemm, &p);
}

void linear_backward(struct lm_run *run, const struct lm_linear *l, int T, const float *x, const float *dy, float *dx)
{
    float *dw = gradient_at(run, l->weight), *db = gradient_at(run, l->bias);
    if (dw)
        weight_gradient(run, l, T, x, dy, dw);
    if (db)
        tokens_column_sums(&run->engine, T, l->out, dy, db);
    gemm_run(&run->engine.gemm,
             &(struct gemm_product){.transpose_b = !l->transposed, .m = T, .n = l->in, .k = l->out, .alpha = 1,
                                    .a = dy, .lda = l->out, .b = matrix_of(run, l),
                                    .ldb = l->transposed ? l->in : l->out, .c = dx, .ldc = l->in});
    const struct lm_adapter *a;
    int adapters = run->options.adapters ? lora_of(run->options.adapters, l->weight, &a) : 0;
    for (int i = 0; i < adapters; i++)
        adapt_backward(run, &a[i], T, x, dy, l->out, dx);
}
