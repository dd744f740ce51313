/* reward_model: fine-tuning a language model with scalar reward heads on judged pairs, step by step.
 *
 * A response's reward under head u is the head at the last token of its sequence. The loss of a pair (a, b), with m =
 * r_u(a) - r_u(b) and the weights w_a, w_b of the judgements for either (Bradley-Terry; soft responsibilities make it
 * the M-step of the mixture):
 *   sum_u  - w_a log sigma(m) - w_b log sigma(-m) + c (w_a + w_b) (r_u(a) + r_u(b))^2
 * over the weight of the batch; the last term keeps rewards centred (arXiv 2312.09244), for pairs fix differences only.
 * Both sequences of a pair are in one batch. AdamW, clipped at 1; the rate rises linearly and falls linearly to 0 over
 * the epochs (one by default: reward models overfit in the second).
 *
 * With several heads one backbone is shaped by all groups at once (`rebase`); with one head it is the reward model of a
 * group (`full` mode, reward_em.h). The state can be saved at any step and resumed to the same bits on the same
 * machine, whatever the number of threads. It refuses to know the time, signals and terminals. The model, the data and
 * the pool are borrowed; the weights change. One thread. */
#ifndef EGALIGN_CORE_ALIGN_REWARD_MODEL_H
#define EGALIGN_CORE_ALIGN_REWARD_MODEL_H

#include "base/buf.h"
#include "core/align/reward_data.h"
#include "core/interval.h"
#include "core/lm/model.h"
#include "core/lm/transformer.h"

struct reward_options {
    struct gemm gemm;
    double epochs;      /* > 0, at most 1000 */
    int batch_tokens;   /* of a step at most; at least twice the data's longest */
    double rate;        /* the highest learning rate */
    double warm_up;     /* share of the steps, 0 .. 1 */
    double weight_decay;
    double centring;    /* c >= 0 */
    uint64_t seed;      /* of the order */
    int frozen;         /* bottom blocks that are not trained */
    bool recompute;     /* less memory, a third more time */
};

/* What is usual: one epoch of 4096 tokens a step at 5e-5, c = 0.01. */
struct reward_options reward_options_default(struct gemm gemm);

struct reward_trainer;

struct reward_step {
    int64_t step;  /* steps done */
    double loss;   /* of the batch, by weight */
    double accuracy; /* weight of the judgements that the rewards agreed with, before the step */
    double rate;
    double norm;   /* of the gradient, before clipping */
    int tokens, pairs;
};

/* The model `base` (not mapped) with `heads` new heads: N(0, 1 / (D + 1)), bias 0 (Stiennon et al. 2020). The caller
 * frees it. */
struct lm_model *reward_model_new(const struct lm_model *base, int heads, uint64_t seed, struct err *err);

/* The loss of one pair above and its slopes with respect to both rewards, d_first[heads] and d_second[heads]. Finite
 * for any finite rewards. Pure. */
double reward_pair_loss(int heads, const float *wins, double centring, const float *first, const float *second,
                        float *d_first, float *d_second);

/* Bytes that training takes besides the data. */
size_t reward_trainer_bytes(const struct lm_shape *shape, const struct reward_data *data,
                            const struct reward_options *options);

/* `model` must have as many heads as the data. ERR_INVALID_VALUE for options out of range, ERR_INSUFFICIENT_DATA
 * without a judged pair to train on, ERR_NO_MEMORY. */
struct reward_trainer *reward_trainer_new(struct lm_model *model, const struct reward_data *data,
                                          const struct reward_options *options, struct err *err);
void reward_trainer_free(struct reward_trainer *t);

int64_t reward_trainer_steps(const struct reward_trainer *t); /* in all */
int64_t reward_trainer_done(const struct reward_trainer *t);

/* Makes one step. ERR_NUMERICAL when the gradient is not finite; then nothing has changed. */
int reward_trainer_advance(struct reward_trainer *t, struct reward_step *ret, struct err *err);

/* The rewards of sequences first .. first + count - 1 of the data, ret[count x heads]. */
int reward_trainer_score(struct reward_trainer *t, int first, int count, float *ret, struct err *err);

/* How well a head predicts what its group judged, on held-out pairs. */
struct reward_accuracy {
    struct proportion right; /* of the weight of judgements; equal rewards count a half */
    double loss;             /* mean -log sigma(m), nats; 0 without judgements */
};

/* Appends its members n, rate, low, high, log_loss to a JSON object that is open. */
void reward_accuracy_write(struct buf *out, const struct reward_accuracy *a);

/* ret[heads]. */
int reward_trainer_held_out(struct reward_trainer *t, struct reward_accuracy *ret, struct err *err);

/* As sft_save, sft_resume and sft_forget (sft.h). */
int reward_trainer_save(struct reward_trainer *t, const char *out, struct err *err);
int reward_trainer_resume(struct reward_trainer *t, const char *out, struct err *err);

#endif
