#include "core/lm/attention.h"

#include <math.h>
#include <string.h>

size_t attention_scratch(int length)
{
    return (size_t)ATTENTION_TILE * (2 * (size_t)length + 2);
}

size_t attention_cache_size(const struct attention *a, int slots, int length)
{
    return (size_t)slots * (size_t)a->kv_heads * 2 * (size_t)length * (size_t)a->head_width;
}

/* One call's arguments for the units of work. */
struct pass {
    const struct attention *a;
    const float *qkv;
    float *out; /* forward: written; backward: read */
    float *lse;
    const float *dout;
    float *dqkv;
    const struct lm_cache *cache;
    float *layer_cache;
};

/* One sequence and key head: where its rows are, and how far apart. */
struct unit {
    int sequence, group; /* key head */
    int first, tokens;   /* rows of the packed arrays */
    int past;            /* cached tokens before them */
    int qkv_stride, out_stride;
    const float *keys, *values; /* of all past + tokens */
    int key_stride;
    float scale; /* 1 / sqrt(W) */
};

static float *cache_at(const struct pass *p, int slot, int group)
{
    size_t one = (size_t)p->cache->length * p->a->head_width;
    return p->layer_cache + ((size_t)slot * p->a->kv_heads + group) * 2 * one;
}

static struct unit unit_of(const struct pass *p, int block)
{
    const struct attention *a = p->a;
    const struct lm_batch *b = a->batch;
    struct unit u = {.sequence = block / a->kv_heads, .group = block % a->kv_heads};
    u.first = b->starts[u.sequence];
    u.tokens = b->starts[u.sequence + 1] - u.first;
    u.past = batch_past(b, u.sequence);
    u.out_stride = a->heads * a->head_width;
    u.qkv_stride = u.out_stride + 2 * a->kv_heads * a->head_width;
    u.scale = 1 / sqrtf((float)a->head_width);
    u.keys = p->qkv + (size_t)u.first * u.qkv_stride + u.out_stride + u.group * a->head_width;
    u.values = u.keys + a->kv_heads * a->head_width;
    u.key_stride = u.qkv_stride;
    return u;
}

/* Copies the unit's new keys and values into the cache and reads all of them from there from now on. */
static void move_to_cache(const struct pass *p, struct unit *u)
{
    size_t width = (size_t)p->a->head_width;
    float *keys = cache_at(p, p->a->batch->slots[u->sequence], u->group);
    float *values = keys + (size_t)p->cache->length * width;
    for (int t = 0; t < u->tokens; t++) {
        size_t to = (size_t)(u->past + t) * width, from = (size_t)t * u->key_stride;
        memcpy(keys + to, u->keys + from, width * sizeof *keys);
        memcpy(values + to, u->values + from, width * sizeof *values);
    }
    u->keys = keys;
    u->values = values;
    u->key_stride = p->a->head_width;
}

/* Queries of head h from token t of the unit on. */
static const float *queries(const struct pass *p, const struct unit *u, int head, int t)
{
    return p->qkv + (size_t)(u->first + t) * u->qkv_stride + head * p->a->head_width;
}

static float *rows_of(const struct pass *p, const struct unit *u, const float *array, int head, int t)
{
    return (float *)array + (size_t)(u->first + t) * u->out_stride + head * p->a->head_width;
}

/* A single query: no matrix product is worth its preparation. */
static void forward_one(const struct pass *p, const struct unit *u, int head, float *scores)
{
    const struct kernels *k = p->a->kernels;
    size_t keys = (size_t)u->past + 1, width = (size_t)p->a->head_width;
    k->dots(keys, width, queries(p, u, head, 0), u->keys, (size_t)u->key_stride, scores);
    p->lse[(size_t)u->first * p->a->heads + head] = k->softmax(keys, u->scale, scores);
    k->mix(keys, width, scores, u->values, (size_t)u->key_stride, rows_of(p, u, p->out, head, 0));
}

/* Query rows t .. t + rows - 1 of one head. */
static void forward_tile(const struct pass *p, const struct unit *u, int head, int t, int rows, float *scores)
{
    const struct attention *a = p->a;
    int keys = u->past + t + rows;
    gemm_run_here(a->gemm, &(struct gemm_product){.transpose_b = true, .m = rows, .n = keys, .k = a->head_width,
                                                  .alpha = 1, .a = queries(p, u, head, t), .lda = u->qkv_stride,
                                                  .b = u->keys, .ldb = u->key_stride, .c = scores, .ldc = keys});
    for (int r = 0; r < rows; r++) {
        float *row = scores + (size_t)r * keys;
        size_t seen = (size_t)(u->past + t + r + 1);
        p->lse[(size_t)(u->first + t + r) * a->heads + head] = a->kernels->softmax(seen, u->scale, row);
        memset(row + seen, 0, ((size_t)keys - seen) * sizeof *row);
    }
    gemm_run_here(a->gemm, &(struct gemm_product){.m = rows, .n = a->head_width, .k = keys, .alpha = 1, .a = scores,
                                                  .lda = keys, .b = u->values, .ldb = u->key_stride,
                                                  .c = rows_of(p, u, p->out, head, t), .ldc = u->out_stride});
}

static void forward_unit(void *context, int block, int thread)
{
    const struct pass *p = context;
    const struct attention *a = p->a;
    float *scores = a->scratch + (size_t)thread * a->scratch_stride;
    struct unit u = unit_of(p, block);
    if (p->cache)
        move_to_cache(p, &u);
    int shared = a->heads / a->kv_heads;
    for (int head = u.group * shared; head < (u.group + 1) * shared; head++) {
        if (u.tokens == 1)
            forward_one(p, &u, head, scores);
        for (int t = 0; t < u.tokens && u.tokens > 1; t += ATTENTION_TILE)
            forward_tile(p, &u, head, t, u.tokens - t < ATTENTION_TILE ? u.tokens - t : ATTENTION_TILE, scores);
    }
}

void attention_forward(const struct attention *a, const float *qkv, float *out, float *lse,
                       const struct lm_cache *cache, float *layer_cache)
{
    struct pass p = {.a = a, .qkv = qkv, .out = out, .lse = lse, .cache = cache, .layer_cache = layer_cache};
    threads_run(a->gemm->threads, a->batch->sequences * a->kv_heads, forward_unit, &p);
}

/* Turns a tile of scores into probabilities p and a tile of dp into scores' gradients; 0 beyond the diagonal. */
static void backward_rows(const struct pass *p, const struct unit *u, int head, int t, int rows, float *scores,
                          float *gradients)
{
    const struct attention *a = p->a;
    const struct kernels *k = a->kernels;
    int keys = t + rows;
    for (int r = 0; r < rows; r++) {
        float *row = scores + (size_t)r * keys, *drow = gradients + (size_t)r * keys;
        size_t seen = (size_t)(t + r + 1), rest = ((size_t)keys - seen) * sizeof *row;
        float delta = k->dot((size_t)a->head_width, rows_of(p, u, p->dout, head, t + r),
                             rows_of(p, u, p->out, head, t + r));
        k->softmax_again(seen, u->scale, p->lse[(size_t)(u->first + t + r) * a->heads + head], row);
        k->softmax_backward(seen, u->scale, delta, row, drow);
        memset(row + seen, 0, rest);
        memset(drow + seen, 0, rest);
    }
}

static void backward_tile(const struct pass *p, const struct unit *u, int head, int t, int rows, float *scores)
{
    const struct attention *a = p->a;
    const struct gemm *g = a->gemm;
    int keys = t + rows, width = a->head_width, stride = u->qkv_stride;
    float *gradients = scores + (size_t)rows * keys;
    const float *q = queries(p, u, head, t), *dout = rows_of(p, u, p->dout, head, t);
    float *dq = p->dqkv + (q - p->qkv), *dk = p->dqkv + (u->keys - p->qkv), *dv = p->dqkv + (u->values - p->qkv);
    gemm_run_here(g, &(struct gemm_product){.transpose_b = true, .m = rows, .n = keys, .k = width, .alpha = 1, .a = q,
                                            .lda = stride, .b = u->keys, .ldb = stride, .c = scores, .ldc = keys});
    gemm_run_here(g, &(struct gemm_product){.transpose_b = true, .m = rows, .n = keys, .k = width, .alpha = 1,
                                            .a = dout, .lda = u->out_stride, .b = u->values, .ldb = stride,
                                            .c = gradients, .ldc = keys});
    backward_rows(p, u, head, t, rows, scores, gradients);
    gemm_run_here(g, &(struct gemm_product){.transpose_a = true, .m = keys, .n = width, .k = rows, .alpha = 1,
                                            .a = scores, .lda = keys, .b = dout, .ldb = u->out_stride, .beta = 1,
                                            .c = dv, .ldc = stride});
    gemm_run_here(g, &(struct gemm_product){.transpose_a = true, .m = keys, .n = width, .k = rows, .alpha = 1,
                                            .a = gradients, .lda = keys, .b = q, .ldb = stride, .beta = 1, .c = dk,
                                            .ldc = stride});
    gemm_run_here(g, &(struct gemm_product){.m = rows, .n = width, .k = keys, .alpha = 1, .a = gradients, .lda = keys,
                                            .b = u->keys, .ldb = stride, .c = dq, .ldc = stride});
}

static void backward_unit(void *context, int block, int thread)
{
    const struct pass *p = context;
    const struct attention *a = p->a;
    float *scores = a->scratch + (size_t)thread * a->scratch_stride;
    struct unit u = unit_of(p, block);
    size_t width = (size_t)a->head_width * sizeof(float);
    for (int t = 0; t < u.tokens; t++) { /* the query heads add up in these */
        size_t at = (size_t)t * u.qkv_stride;
        memset(p->dqkv + (u.keys - p->qkv) + at, 0, width);
        memset(p->dqkv + (u.values - p->qkv) + at, 0, width);
    }
    int shared = a->heads / a->kv_heads;
    for (int head = u.group * shared; head < (u.group + 1) * shared; head++)
        for (int t = 0; t < u.tokens; t += ATTENTION_TILE)
            backward_tile(p, &u, head, t, u.tokens - t < ATTENTION_TILE ? u.tokens - t : ATTENTION_TILE, scores);
}

void attention_backward(const struct attention *a, const float *qkv, const float *out, const float *lse,
                        const float *dout, float *dqkv)
{
    struct pass p = {.a = a, .qkv = qkv, .out = (float *)out, .lse = (float *)lse, .dout = dout, .dqkv = dqkv};
    threads_run(a->gemm->threads, a->batch->sequences * a->kv_heads, backward_unit, &p);
}
