/* block: one transformer block, forward and backward. Private to the transformer; the equations are in transformer.h.
 * */
#ifndef EGALIGN_CORE_LM_BLOCK_H
#define EGALIGN_CORE_LM_BLOCK_H

#include "core/lm/run.h"

/* How many tokens come out of block `layer`: all, or of the last one those that are wanted, one behind the other. */
int block_tokens(const struct lm_run *run, int layer);

/* Runs block `layer` from saved[layer].x and keeps what backward needs. `out` [block_tokens, D] receives the result;
 * NULL stops before the last product, which is all that a recomputation needs. out may be saved[layer].x. */
void block_forward(struct lm_run *run, int layer, const struct lm_cache *cache, float *out);

/* Turns run->dx from the gradient of the block's output into that of its input, [T, D], and adds to the gradients. */
void block_backward(struct lm_run *run, int layer);

/* The weights of a norm of this model. */
struct norm_weights block_norm(const struct lm_run *run, const struct lm_norm *norm);

/* dx [T, D] += the way back through a norm at x, whose stats are in run->stats; and its weights' gradients. */
void block_norm_backward(struct lm_run *run, const struct lm_norm *norm, int T, const float *x, const float *dy,
                         float *dx);

#endif
