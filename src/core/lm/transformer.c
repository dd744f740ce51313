#include "core/lm/transformer.h"

#include <string.h>

#include "base/check.h"
#include "core/lm/block.h"

static int check_sequence(const struct lm_run *run, const struct lm_batch *b, const struct lm_cache *cache, int i,
                          struct err *err)
{
    const struct lm_shape *s = &run->model->shape;
    int limit = run->options.max_sequence ? run->options.max_sequence : s->context;
    int length = b->starts[i + 1] - b->starts[i], past = batch_past(b, i);
    if (cache && cache->length < limit)
        limit = cache->length;
    if (length < 1 || past < 0 || length > limit - past || (past > 0 && !cache))
        return err_set(err, ERR_INVALID_VALUE, "sequence %d has %d tokens after %d; at most %d are possible", i, length,
                       past, limit);
    if (cache && (!b->slots || b->slots[i] < 0 || b->slots[i] >= cache->slots))
        return err_set(err, ERR_INVALID_VALUE, "sequence %d has no slot of the cache", i);
    for (int t = b->starts[i]; t < b->starts[i + 1]; t++)
        if (b->tokens[t] < 0 || b->tokens[t] >= s->vocabulary)
            return err_set(err, ERR_INVALID_VALUE, "token %d of sequence %d is %d; the vocabulary has %d",
                           t - b->starts[i], i, (int)b->tokens[t], s->vocabulary);
    return 0;
}

static int check_wanted(const struct lm_batch *b, struct err *err)
{
    int last = -1;
    for (int i = 0; i < b->wanted_count && b->wanted; last = b->wanted[i++])
        if (b->wanted[i] <= last || b->wanted[i] >= batch_tokens(b))
            return err_set(err, ERR_INVALID_VALUE, "wanted token %d is %d; they ascend, below %d", i, b->wanted[i],
                           batch_tokens(b));
    return b->wanted && last < 0 ? err_set(err, ERR_INVALID_VALUE, "no token is wanted") : 0;
}

/* Checks the batch, borrows it, and works out positions. */
static int take_batch(struct lm_run *run, const struct lm_batch *b, const struct lm_cache *cache, struct err *err)
{
    if (b->sequences < 1 || b->starts[0] != 0)
        return err_set(err, ERR_INVALID_VALUE, "a batch needs a sequence, from token 0 on");
    for (int i = 0; i < b->sequences; i++)
        if (b->starts[i + 1] > run->options.max_tokens)
            return err_set(err, ERR_INVALID_VALUE, "%d tokens in a batch; the run holds %d", b->starts[i + 1],
                           run->options.max_tokens);
    for (int i = 0; i < b->sequences; i++)
        if (check_sequence(run, b, cache, i, err) < 0)
            return -1;
    if (check_wanted(b, err) < 0)
        return -1;
    run->batch = *b;
    run->tokens = batch_tokens(b);
    for (int i = 0; i < b->sequences; i++)
        for (int t = b->starts[i]; t < b->starts[i + 1]; t++)
            run->positions[t] = batch_past(b, i) + t - b->starts[i];
    return 0;
}

/* Where the output of block `layer - 1` goes. */
static float *input_of(const struct lm_run *run, int layer)
{
    return layer < run->model->shape.layers ? run->saved[layer].x : run->x;
}

/* x[t] += row `index[t]` of the matrix at `offset` of a mapped model. */
static void add_mapped_rows(struct lm_run *run, size_t offset, const int32_t *index, float *x)
{
    const struct lm_model *m = run->model;
    size_t D = (size_t)m->shape.width;
    for (int t = 0; t < run->tokens; t++) {
        mapped_widen(m->mapped, &m->layout, &run->engine, offset + (size_t)index[t] * D, D, run->normed);
        run->engine.kernels->add(D, run->normed, x + (size_t)t * D);
    }
}

static void embed_mapped(struct lm_run *run)
{
    const struct lm_layout *l = &run->model->layout;
    float *x = input_of(run, 0);
    memset(x, 0, (size_t)run->tokens * (size_t)run->model->shape.width * sizeof *x);
    add_mapped_rows(run, l->tokens, run->batch.tokens, x);
    if (l->positions != LM_ABSENT)
        add_mapped_rows(run, l->positions, run->positions, x);
}

static void embed(struct lm_run *run)
{
    const struct lm_layout *l = &run->model->layout;
    const float *weights = run->model->weights;
    if (!weights) {
        embed_mapped(run);
        return;
    }
    tokens_embed(&run->engine, run->tokens, run->model->shape.width, run->batch.tokens, run->positions,
                 weights + l->tokens, l->positions == LM_ABSENT ? NULL : weights + l->positions, input_of(run, 0));
}

static void run_blocks(struct lm_run *run, int from, int to, const struct lm_cache *cache)
{
    for (int layer = from; layer < to; layer++)
        block_forward(run, layer, cache, input_of(run, layer + 1));
}

/* The last norm; and the gradient of the hidden states begins at 0. */
static void finish(struct lm_run *run)
{
    struct norm_weights n = block_norm(run, &run->model->layout.last_norm);
    const struct lm_batch *b = &run->batch;
    tokens_norm(&run->engine, block_tokens(run, run->model->shape.layers - 1), &n, run->x, run->hidden, run->stats);
    if (b->wanted)
        tokens_scatter(run->tokens, b->wanted_count, b->wanted, n.columns, run->hidden);
    if (run->options.train)
        memset(run->dhidden, 0, (size_t)run->tokens * (size_t)n.columns * sizeof(float));
}

int lm_forward(struct lm_run *run, const struct lm_batch *batch, const struct lm_cache *cache, struct err *err)
{
    if (take_batch(run, batch, cache, err) < 0)
        return -1;
    embed(run);
    run_blocks(run, 0, run->model->shape.layers, cache);
    finish(run);
    return 0;
}

int lm_forward_trunk(struct lm_run *run, const struct lm_batch *batch, float *trunk, struct err *err)
{
    struct lm_batch whole = *batch; /* what is above may look back at every token */
    whole.wanted = NULL;
    if (take_batch(run, &whole, NULL, err) < 0)
        return -1;
    embed(run);
    run_blocks(run, 0, run->options.frozen, NULL);
    memcpy(trunk, input_of(run, run->options.frozen),
           (size_t)run->tokens * (size_t)run->model->shape.width * sizeof *trunk);
    return 0;
}

int lm_forward_from(struct lm_run *run, const struct lm_batch *batch, const float *trunk, struct err *err)
{
    if (take_batch(run, batch, NULL, err) < 0)
        return -1;
    memcpy(input_of(run, run->options.frozen), trunk,
           (size_t)run->tokens * (size_t)run->model->shape.width * sizeof *trunk);
    run_blocks(run, run->options.frozen, run->model->shape.layers, NULL);
    finish(run);
    return 0;
}

const float *lm_hidden(const struct lm_run *run)
{
    return run->hidden;
}

void lm_backward(struct lm_run *run)
{
    const struct lm_layout *l = &run->model->layout;
    CHECK(run->options.train && run->batch.pasts == NULL);
    int D = run->model->shape.width, T = block_tokens(run, run->model->shape.layers - 1);
    memset(run->dx, 0, (size_t)T * (size_t)D * sizeof(float)); /* run->stats still are the last norm's */
    if (T < run->tokens)
        tokens_gather(T, run->batch.wanted, D, run->dhidden, run->dhidden);
    block_norm_backward(run, &l->last_norm, T, run->x, run->dhidden, run->dx);
    for (int layer = run->model->shape.layers - 1; layer >= run->options.frozen; layer--)
        block_backward(run, layer);
    float *dtokens = gradient_at(run, l->tokens), *dplaces = gradient_at(run, l->positions);
    if (dtokens)
        tokens_embed_gradients(&run->engine, run->tokens, run->model->shape.width, run->batch.tokens, run->positions,
                               run->dx, dtokens, dplaces);
}
