/* adamw: the optimiser, over flat vectors (Loshchilov & Hutter, arXiv 1711.05101), with clipping by the global norm.
 *
 * m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, then with the corrections c1 = 1 - b1^t, c2 = 1 - b2^t
 *   ADAM_PYTORCH:    p = p (1 - lr wd) - lr / c1 * m / (sqrt(v / c2) + eps)
 *   ADAM_TENSORFLOW: p = p (1 - lr wd) - lr sqrt(c2) / c1 * m / (sqrt(v) + eps), eps outside the corrected root, which
 *                    makes early steps less eager (the form that PPO's published results used).
 * Decay applies to matrices only. Sums are made in fixed blocks, so a step does not depend on threads.
 *
 * The struct owns m and v; weights, gradients and the engine are borrowed from the run, which must outlive it. */
#ifndef EGALIGN_CORE_LM_ADAMW_H
#define EGALIGN_CORE_LM_ADAMW_H

#include "core/lm/transformer.h"

enum adam_form { ADAM_PYTORCH, ADAM_TENSORFLOW };

struct adamw_options {
    enum adam_form form;
    float beta1, beta2, epsilon, weight_decay;
    float clip; /* largest norm of the gradient; 0: no clipping */
};

struct adamw {
    struct adamw_options options;
    const struct lm_engine *engine; /* the run's */
    struct lm_trained trained;
    const struct lm_layout *layout; /* says what decays; NULL: trained.matrices does */
    float *m, *v;                   /* [trained.count] */
    double *partial;                /* sums of squares by block */
    int64_t step;                   /* steps taken */
};

/* State of zeros for what `run` trains. ERR_NO_MEMORY. */
struct adamw *adamw_new(const struct lm_model *model, const struct lm_run *run, const struct adamw_options *options,
                        struct err *err);

/* Frees the state. */
void adamw_free(struct adamw *a);

/* Bytes of state for `count` trained parameters. */
size_t adamw_bytes(size_t count);

/* One step at learning rate `lr`; *ret_norm is the gradient's norm before clipping. ERR_NUMERICAL, with nothing
 * changed, when that is not finite. */
int adamw_step(struct adamw *a, float lr, double *ret_norm, struct err *err);

#endif
