/* sft: supervised training of a language model, step by step.
 *
 * A step packs examples (sft_data.h) in the order of a permutation that depends on (seed, epoch), takes the mean loss
 * over the tokens that count, and makes one AdamW step at a rate that rises linearly and then falls as a cosine to a
 * tenth. The state can be saved at any step and resumed: on the same machine the rest is bit for bit what it would have
 * been, whatever the number of threads. It refuses to know the time, signals and terminals: the caller makes the loop.
 *
 * The model, the data and the pool are borrowed; the weights of the model, or of the adapters, change. One
 * thread. */
#ifndef EGALIGN_CORE_ALIGN_SFT_H
#define EGALIGN_CORE_ALIGN_SFT_H

#include "core/align/sft_data.h"
#include "core/lm/adamw.h"

struct sft_options {
    struct gemm gemm;
    int64_t steps;    /* > 0; otherwise `epochs` decides */
    double epochs;    /* > 0 */
    int batch_tokens; /* of a step at most; >= the data's longest */
    double rate;      /* the highest learning rate */
    double warm_up;   /* share of the steps, 0 .. 1 */
    double weight_decay;
    uint64_t seed;
    int frozen;     /* bottom blocks that are not trained */
    bool recompute; /* less memory, a third more time */
    struct lm_adapters *adapters; /* borrowed: only these are trained, and the model stays as it is. NULL: the model */
    bool mapped;    /* for sft_bytes: the model's weights stay in files; sft_new sees for itself */
};

struct sft;

struct sft_step {
    int64_t step; /* steps done */
    int epoch;    /* of its examples, 0-based */
    double loss;  /* mean over the predictions, nats */
    double rate;  /* learning rate */
    double norm;  /* of the gradient, before clipping */
    int tokens;   /* that went through the model */
    int predictions;
};

/* Bytes that training takes besides the data: weights (unless they are mapped), gradients, optimiser, activations. */
size_t sft_bytes(const struct lm_shape *shape, const struct sft_data *data, const struct sft_options *options);

/* ERR_INVALID_VALUE for options out of range, ERR_INSUFFICIENT_DATA without an example to train on, ERR_NO_MEMORY. */
struct sft *sft_new(struct lm_model *model, const struct sft_data *data, const struct sft_options *options,
                    struct err *err);
void sft_free(struct sft *s);

/* Steps in all, and steps done. */
int64_t sft_steps(const struct sft *s);
int64_t sft_done(const struct sft *s);

/* Makes one step. ERR_NUMERICAL when the gradient is not finite; then nothing has changed. */
int sft_advance(struct sft *s, struct sft_step *ret, struct err *err);

/* Mean loss over the predictions of what is held out, and their number (0, and loss 0, when nothing is). */
int sft_held_out(struct sft *s, double *ret_loss, long *ret_predictions, struct err *err);

/* Writes the state to `out`/checkpoint-N, whole or not at all, then removes older ones. */
int sft_save(struct sft *s, const char *out, struct err *err);

/* Continues from the newest checkpoint in `out`: 1, or 0 when there is none. ERR_CONFLICT when it is of other data or
 * options. */
int sft_resume(struct sft *s, const char *out, struct err *err);

/* Removes the checkpoints in `out`. */
int sft_forget(const char *out, struct err *err);

#endif
