/* attention: causal softmax attention over packed sequences, forward and backward, with grouped query heads.
 *
 * For query head h, key head g = h / (H / G) and token t of a sequence: o_t = sum over s <= t of p_ts v_s with p_t =
 * softmax_s(q_t . k_s / sqrt(W)). One unit of work is one (sequence, key head): it owns the outputs of its query heads
 * and the gradients of its keys and values, so there are no races and no dependence on threads. Scores are made in
 * tiles of ATTENTION_TILE query rows and never kept: backward makes them again from the log-sum-exp.
 *
 * The plain twin is naive_attention. The struct borrows everything. */
#ifndef EGALIGN_CORE_LM_ATTENTION_H
#define EGALIGN_CORE_LM_ATTENTION_H

#include "core/lm/batch.h"
#include "core/lm/gemm.h"
#include "core/lm/kernels.h"

enum { ATTENTION_TILE = 64 };

/* Keys and values of earlier tokens: [layer][slot][key head][2][length][W] floats; 2: keys, then values. */
struct lm_cache {
    int slots, length; /* sequences, and tokens of each at most */
    float *values;
};

struct attention {
    const struct gemm *gemm;
    const struct kernels *kernels;
    int heads, kv_heads, head_width; /* H, G, W */
    const struct lm_batch *batch;
    float *scratch;        /* [threads][attention_scratch()] */
    size_t scratch_stride; /* floats of one thread */
};

/* Floats of scratch that one thread needs for sequences of at most `length` tokens, past included. */
size_t attention_scratch(int length);

/* Floats of the cache of one layer. */
size_t attention_cache_size(const struct attention *a, int slots, int length);

/* qkv [T][(H + 2 G) W] -> out [T][H W], lse [T][H] (log-sum-exp of the scaled scores). With a cache, `layer_cache` is
 * its part for this layer: the new keys and values are stored there first, and the past ones read. */
void attention_forward(const struct attention *a, const float *qkv, float *out, float *lse,
                       const struct lm_cache *cache, float *layer_cache);

/* dqkv (written whole) from dout, with qkv, out and lse of the forward pass. Without cache. */
void attention_backward(const struct attention *a, const float *qkv, const float *out, const float *lse,
                        const float *dout, float *dqkv);

#endif
