/* transformer: forward and hand-written backward passes of a decoder over packed batches.
 *
 * A `struct lm_run` is the working memory of one user of a model: every buffer is carved from one block whose size is
 * known before anything is allocated (lm_run_bytes) and refused when it exceeds the limit. It borrows the model, the
 * adapters and the pool. Several runs may share one model while nobody changes its weights; a run is used by one
 * thread at a time and spreads work over its pool. The results do not depend on the number of threads.
 *
 * A block (Radford et al. 2019; Touvron et al., arXiv 2302.13971), with x [T, D]:
 *   x1 = x + attention(norm1(x) Wqkv) Wproj,   x2 = x1 + act(norm2(x1) Wup) Wdown.
 * Kept for the way back, per token and trained block: x, qkv, attention's output and log-sum-exps, x1, and the input of
 * act; norms and act are computed again. With `recompute` only x is kept, and the block runs twice.
 *
 * A training step: lm_forward; lm_head and lm_scalars on the rows that matter, which add to the gradient of the hidden
 * states; lm_backward; then adamw.h over `gradients`, and lm_zero_gradients. */
#ifndef EGALIGN_CORE_LM_TRANSFORMER_H
#define EGALIGN_CORE_LM_TRANSFORMER_H

#include <stdbool.h>

#include "core/lm/attention.h"
#include "core/lm/batch.h"
#include "core/lm/lora.h"
#include "core/lm/model.h"
#include "core/lm/tokenwise.h"

struct lm_options {
    struct gemm gemm;            /* backend and pool */
    int max_tokens;              /* T of the largest batch */
    int max_sequence;            /* longest sequence, past included; 0: the model's context */
    int head_rows;               /* rows of logits that exist at once; 0: about 64 MB of them */
    bool train;                  /* keep what backward needs, and have gradients */
    int frozen;                  /* bottom blocks that are not trained; above 0, the embeddings are not either */
    bool recompute;              /* keep only the input of each block */
    bool mapped;                 /* for lm_run_bytes: the model's weights stay in files; a run sees for itself */
    struct lm_adapters *adapters; /* LoRA; with `train` only these and their heads are trained. NULL: none */
    size_t memory_limit;         /* bytes the run may take; 0: no limit */
};

struct lm_run;

/* Bytes that a run of these options takes (weights and optimiser state not included). */
size_t lm_run_bytes(const struct lm_shape *shape, const struct lm_options *options);

/* ERR_INVALID_VALUE for options that contradict the shape; ERR_NO_MEMORY, with both figures, above the limit. */
struct lm_run *lm_run_new(const struct lm_model *model, const struct lm_options *options, struct err *err);

/* Frees the run; the model, the adapters and the pool stay. */
void lm_run_free(struct lm_run *run);

/* Runs the model over `batch` (borrowed until lm_backward). With a cache, keys and values of the batch's tokens are
 * added to it and earlier ones read; then there is no way back. ERR_INVALID_VALUE for tokens, lengths or positions out
 * of range. */
int lm_forward(struct lm_run *run, const struct lm_batch *batch, const struct lm_cache *cache, struct err *err);

/* The two halves of lm_forward for a frozen trunk: the output of the bottom `frozen` blocks, [T, D], computed once and
 * kept by the caller, and the rest of the pass from there, as often as wanted. */
int lm_forward_trunk(struct lm_run *run, const struct lm_batch *batch, float *trunk, struct err *err);
int lm_forward_from(struct lm_run *run, const struct lm_batch *batch, const float *trunk, struct err *err);

/* What the run computes with; lives as long as the run. */
const struct lm_engine *lm_run_engine(const struct lm_run *run);

/* Hidden states after the last norm, [T, D], of the last forward pass; those that were not wanted are 0. */
const float *lm_hidden(const struct lm_run *run);

/* What the output head is asked: log-probabilities of `targets` at the `rows` (token indices, each at most once). */
struct lm_head_request {
    int count;
    const int *rows;
    const int32_t *targets;
    float temperature; /* logits are divided by it; > 0 */
    float *logp;       /* [count] out */
    float *entropy;    /* [count] out, nats; may be NULL */
    /* For the way back: given logp and entropy of `count` rows from `first` on, writes d loss / d logp and d loss / d
     * entropy (both come in as 0). NULL: no gradients. */
    void (*weigh)(void *context, int first, int count, const float *logp, const float *entropy, float *dlogp,
                  float *dentropy);
    void *context;
};

/* Computes the request in chunks of head_rows; logits never exist whole. With `weigh`, adds to the gradients. */
void lm_head(struct lm_run *run, const struct lm_head_request *request);

/* The logits themselves, [count, V], of `count` <= head_rows rows; valid until the next call on this run. */
float *lm_logits(struct lm_run *run, int count, const int *rows);

/* How many rows of logits exist at once. */
int lm_head_rows(const struct lm_run *run);

/* values[count, K]: each scalar head on the hidden states of `rows`. The K heads are the adapters' when they have any,
 * else the model's. */
void lm_scalars(struct lm_run *run, int count, const int *rows, float *values);

/* Adds the gradient of the scalar heads, dvalues[count, K], to the gradients. */
void lm_scalars_backward(struct lm_run *run, int count, const int *rows, const float *dvalues);

/* From the gradient of the hidden states, which the heads have summed, down to what is trained. */
void lm_backward(struct lm_run *run);

/* The trained parameters are weights + start of the model (or the adapters' vector), `count` floats; gradients are
 * sums over all backward passes since lm_zero_gradients. */
struct lm_trained {
    float *weights, *gradients;
    size_t start, count;
    size_t matrices; /* of adapters: floats of matrices; the biases of heads come behind them */
};

/* What is trained; the weights are the model's or the adapters' own, so the caller must own those to change them. */
struct lm_trained lm_trained(const struct lm_run *run);

/* Sets the gradients to 0, as they are in a new run. */
void lm_zero_gradients(struct lm_run *run);

#endif
