/* The output head and the scalar heads: from hidden states to numbers, and back. */
#include <string.h>

#include "base/check.h"
#include "core/lm/run.h"

/* One chunk of a request. */
struct chunk {
    struct lm_run *run;
    const struct lm_head_request *request;
    int first, count;
    float *logp, *entropy, *dlogp, *dentropy; /* [count] */
};

static void gather(struct lm_run *run, int count, const int *rows)
{
    size_t D = (size_t)run->model->shape.width;
    for (int i = 0; i < count; i++) {
        CHECK(rows[i] >= 0 && rows[i] < run->tokens);
        memcpy(run->gathered + (size_t)i * D, run->hidden + (size_t)rows[i] * D, D * sizeof(float));
    }
}

float *lm_logits(struct lm_run *run, int count, const int *rows)
{
    const struct lm_linear *head = &run->model->layout.head;
    CHECK(count <= lm_head_rows(run));
    gather(run, count, rows);
    gemm_run(&run->engine.gemm, &(struct gemm_product){.transpose_b = true, .m = count, .n = head->out, .k = head->in,
                                                       .alpha = 1, .a = run->gathered, .lda = head->in,
                                                       .b = matrix_of(run, head), .ldb = head->in,
                                                       .c = run->logits, .ldc = head->out});
    return run->logits;
}

static void choose_row(void *context, int row, int thread)
{
    (void)thread;
    struct chunk *c = context;
    size_t V = (size_t)c->run->model->shape.vocabulary;
    struct kernel_choice choice = c->run->engine.kernels->choose(
        V, c->request->temperature, c->run->logits + (size_t)row * V, c->request->targets[c->first + row]);
    c->logp[row] = choice.log_probability;
    c->entropy[row] = choice.entropy;
}

static void choose_row_backward(void *context, int row, int thread)
{
    (void)thread;
    struct chunk *c = context;
    size_t V = (size_t)c->run->model->shape.vocabulary;
    c->run->engine.kernels->choose_backward(V, c->request->temperature, c->dlogp[row], c->dentropy[row],
                                            c->entropy[row], c->request->targets[c->first + row],
                                            c->run->logits + (size_t)row * V);
}

/* From d logits in run->logits to the hidden states and the head's weights. */
static void head_backward(struct chunk *c)
{
    struct lm_run *run = c->run;
    const struct lm_linear *head = &run->model->layout.head;
    size_t D = (size_t)head->in;
    float *dw = gradient_at(run, head->weight);
    if (dw)
        gemm_run(&run->engine.gemm, &(struct gemm_product){.transpose_a = true, .m = head->out, .n = head->in,
                                                           .k = c->count, .alpha = 1, .a = run->logits,
                                                           .lda = head->out, .b = run->gathered, .ldb = head->in,
                                                           .beta = 1, .c = dw, .ldc = head->in});
    gemm_run(&run->engine.gemm, &(struct gemm_product){.m = c->count, .n = head->in, .k = head->out, .alpha = 1,
                                                       .a = run->logits, .lda = head->out,
                                                       .b = matrix_of(run, head), .ldb = head->in,
                                                       .c = run->gathered, .ldc = head->in});
    for (int i = 0; i < c->count; i++)
        run->engine.kernels->add(D, run->gathered + (size_t)i * D,
                                 run->dhidden + (size_t)c->request->rows[c->first + i] * D);
}

static void head_chunk(struct chunk *c)
{
    struct lm_run *run = c->run;
    const struct lm_head_request *r = c->request;
    size_t bytes = (size_t)c->count * sizeof(float);
    lm_logits(run, c->count, r->rows + c->first);
    threads_run(run->engine.gemm.threads, c->count, choose_row, c);
    memcpy(r->logp + c->first, c->logp, bytes);
    if (r->entropy)
        memcpy(r->entropy + c->first, c->entropy, bytes);
    if (!r->weigh)
        return;
    memset(c->dlogp, 0, bytes);
    memset(c->dentropy, 0, bytes);
    r->weigh(r->context, c->first, c->count, c->logp, c->entropy, c->dlogp, c->dentropy);
    threads_run(run->engine.gemm.threads, c->count, choose_row_backward, c);
    head_backward(c);
}

void lm_head(struct lm_run *run, const struct lm_head_request *request)
{
    int rows = lm_head_rows(run);
    CHECK(!request->weigh || run->options.train);
    for (int first = 0; first < request->count; first += rows) {
        float *w = run->weighed;
        struct chunk c = {.run = run, .request = request, .first = first, .logp = w, .entropy = w + rows,
                          .dlogp = w + 2 * (size_t)rows, .dentropy = w + 3 * (size_t)rows};
        c.count = request->count - first < rows ? request->count - first : rows;
        head_chunk(&c);
    }
}

/* The scalar heads: the adapters' own, or the model's. */
struct heads {
    int count;
    const float *weight, *bias;      /* [count, D], [count] */
    float *weight_gradient, *bias_gradient; /* NULL where they are not trained */
};

static struct heads heads_of(const struct lm_run *run)
{
    const struct lm_adapters *a = run->options.adapters;
    const struct lm_linear *l = &run->model->layout.scalar;
    float *gradients = run->options.train ? run->trained.gradients : NULL;
    if (a && a->heads > 0)
        return (struct heads){.count = a->heads, .weight = a->weights + a->head_weight,
                              .bias = a->weights + a->head_bias,
                              .weight_gradient = gradients ? gradients + a->head_weight : NULL,
                              .bias_gradient = gradients ? gradients + a->head_bias : NULL};
    return (struct heads){.count = l->out, .weight = matrix_of(run, l), .bias = vector_at(run, l->bias),
                          .weight_gradient = gradient_at(run, l->weight), .bias_gradient = gradient_at(run, l->bias)};
}

void lm_scalars(struct lm_run *run, int count, const int *rows, float *values)
{
    struct heads h = heads_of(run);
    size_t D = (size_t)run->model->shape.width;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < h.count; k++)
            values[(size_t)i * h.count + k] =
                h.bias[k] + run->engine.kernels->dot(D, run->hidden + (size_t)rows[i] * D, h.weight + (size_t)k * D);
}

void lm_scalars_backward(struct lm_run *run, int count, const int *rows, const float *dvalues)
{
    const struct kernels *kernels = run->engine.kernels;
    struct heads h = heads_of(run);
    size_t D = (size_t)run->model->shape.width;
    CHECK(run->options.train);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < h.count; k++) {
            float d = dvalues[(size_t)i * h.count + k];
            size_t row = (size_t)rows[i] * D;
            kernels->axpy(D, d, h.weight + (size_t)k * D, run->dhidden + row);
            if (h.weight_gradient)
                kernels->axpy(D, d, run->hidden + row, h.weight_gradient + (size_t)k * D);
            if (h.bias_gradient)
                h.bias_gradient[k] += d;
        }
}
