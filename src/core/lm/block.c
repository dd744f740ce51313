#include "core/lm/block.h"

#include "core/lm/linear.h"

struct norm_weights block_norm(const struct lm_run *run, const struct lm_norm *norm)
{
    return (struct norm_weights){.columns = run->model->shape.width, .eps = (float)run->model->shape.norm_eps,
                                 .weight = vector_at(run, norm->weight), .bias = vector_at(run, norm->bias)};
}

void block_norm_backward(struct lm_run *run, const struct lm_norm *norm, int T, const float *x, const float *dy,
                         float *dx)
{
    struct norm_weights n = block_norm(run, norm);
    float *dw = gradient_at(run, norm->weight), *db = gradient_at(run, norm->bias);
    if (dw)
        tokens_norm_gradients(&run->engine, T, n.columns, x, run->stats, dy, dw, db);
    tokens_norm_backward(&run->engine, T, &n, x, run->stats, dy, dx);
}

int block_tokens(const struct lm_run *run, int layer)
{
    return run->batch.wanted && layer == run->model->shape.layers - 1 ? run->batch.wanted_count : run->tokens;
}

/* run->normed = norm(x), with its stats. */
static void normalise(struct lm_run *run, const struct lm_norm *norm, int T, const float *x)
{
    struct norm_weights n = block_norm(run, norm);
    tokens_norm(&run->engine, T, &n, x, run->normed, run->stats);
}

/* What goes on after the attention of block `layer`: att, or in run->normed the rows of it that are wanted. */
static const float *attended(struct lm_run *run, int layer, const float *att)
{
    const struct lm_shape *s = &run->model->shape;
    if (block_tokens(run, layer) == run->tokens)
        return att;
    tokens_gather(run->batch.wanted_count, run->batch.wanted, s->heads * s->head_width, att, run->normed);
    return run->normed;
}

/* Rotates queries and keys, where the family has rotary positions. */
static void rotate(struct lm_run *run, float sign, float *qkv)
{
    const struct lm_shape *s = &run->model->shape;
    if (s->family == LM_LLAMA)
        tokens_rotate(&run->engine, run->tokens, s->heads + s->kv_heads, s->head_width / 2, lm_qkv_width(s),
                      run->positions, run->cosines, run->sines, sign, qkv);
}

void block_forward(struct lm_run *run, int layer, const struct lm_cache *cache, float *out)
{
    const struct lm_shape *s = &run->model->shape;
    const struct lm_block *b = &run->model->layout.blocks[layer];
    struct saved_block *k = &run->saved[layer];
    int T = run->tokens, out_tokens = block_tokens(run, layer);
    size_t cached = cache ? attention_cache_size(&run->attention, cache->slots, cache->length) : 0;
    float *layer_cache = cache ? cache->values + (size_t)layer * cached : NULL;
    normalise(run, &b->norm1, T, k->x);
    linear_forward(run, &b->qkv, T, run->normed, NULL, k->qkv);
    rotate(run, 1, k->qkv);
    attention_forward(&run->attention, k->qkv, k->att, k->lse, cache, layer_cache);
    if (out_tokens < T)
        tokens_gather(out_tokens, run->batch.wanted, s->width, k->x, k->x1);
    linear_forward(run, &b->proj, out_tokens, attended(run, layer, k->att), out_tokens < T ? k->x1 : k->x, k->x1);
    normalise(run, &b->norm2, out_tokens, k->x1);
    linear_forward(run, &b->up, out_tokens, run->normed, NULL, k->up);
    if (!out)
        return;
    tokens_activate(&run->engine, out_tokens, s->hidden, s->family == LM_LLAMA, k->up, run->act);
    linear_forward(run, &b->down, out_tokens, run->act, k->x1, out);
}

/* From the gradient of x2 in run->dx to that of x1, of T tokens. */
static void feed_forward_backward(struct lm_run *run, const struct lm_block *b, const struct saved_block *k, int T)
{
    const struct lm_shape *s = &run->model->shape;
    bool gated = s->family == LM_LLAMA;
    tokens_activate(&run->engine, T, s->hidden, gated, k->up, run->act);
    linear_backward(run, &b->down, T, run->act, run->dx, run->dact);
    tokens_activate_backward(&run->engine, T, s->hidden, gated, k->up, run->dact, run->dup);
    normalise(run, &b->norm2, T, k->x1);
    linear_backward(run, &b->up, T, run->normed, run->dup, run->dn);
    block_norm_backward(run, &b->norm2, T, k->x1, run->dn, run->dx);
}

/* From the gradient of x1 in run->dx, of block_tokens, to that of x, of all tokens; run->dup holds what comes back
 * through the projection first. */
static void attention_part_backward(struct lm_run *run, int layer)
{
    const struct lm_shape *s = &run->model->shape;
    const struct lm_block *b = &run->model->layout.blocks[layer];
    const struct saved_block *k = &run->saved[layer];
    int T = run->tokens, out_tokens = block_tokens(run, layer);
    float *datt = run->dup; /* as wide as it is allocated: see run.c */
    linear_backward(run, &b->proj, out_tokens, attended(run, layer, k->att), run->dx, datt);
    if (out_tokens < T) {
        tokens_scatter(T, out_tokens, run->batch.wanted, s->heads * s->head_width, datt);
        tokens_scatter(T, out_tokens, run->batch.wanted, s->width, run->dx);
    }
    attention_backward(&run->attention, k->qkv, k->att, k->lse, datt, run->dqkv);
    rotate(run, -1, run->dqkv);
    normalise(run, &b->norm1, T, k->x);
    linear_backward(run, &b->qkv, T, run->normed, run->dqkv, run->dn);
    block_norm_backward(run, &b->norm1, T, k->x, run->dn, run->dx);
}

void block_backward(struct lm_run *run, int layer)
{
    if (run->options.recompute)
        block_forward(run, layer, NULL, NULL);
    feed_forward_backward(run, &run->model->layout.blocks[layer], &run->saved[layer], block_tokens(run, layer));
    attention_part_backward(run, layer);
}
