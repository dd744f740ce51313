/* model: a shape and its weights in memory.
 *
 * One aligned block of floats holds every parameter (see shape.h), or the files do (mapped.h). The model owns it; runs
 * (transformer.h) only borrow it, any number at once while nobody writes. It refuses to know of files (checkpoint.h)
 * and of training (adamw.h). */
#ifndef EGALIGN_CORE_LM_MODEL_H
#define EGALIGN_CORE_LM_MODEL_H

#include <stdint.h>

#include "base/err.h"
#include "core/lm/mapped.h"
#include "core/lm/shape.h"

struct lm_model {
    struct lm_shape shape;
    struct lm_layout layout;
    float *weights;           /* layout.count floats; NULL when the model is mapped */
    struct lm_mapped *mapped; /* where its weights are then; owned */
};

/* A model of zeros. ERR_INVALID_VALUE for an impossible shape, ERR_NO_MEMORY. */
struct lm_model *lm_model_new(const struct lm_shape *shape, struct err *err);
void lm_model_free(struct lm_model *m);

/* Floats in front of the scalar heads, which come last. */
static inline size_t lm_model_below_scalars(const struct lm_model *m)
{
    return m->shape.scalars > 0 ? m->layout.scalar.weight : m->layout.count;
}

/* Elements from .. from + n - 1 of tensor number `tensor` of the layout, mapped or not. */
void lm_model_read(const struct lm_model *m, int tensor, size_t from, size_t n, float *out);

/* A copy of `m`, which is not mapped, with `scalars` scalar heads: its own ones when it has as many, else zeros.
 * ERR_NO_MEMORY. */
struct lm_model *lm_model_copy(const struct lm_model *m, int scalars, struct err *err);

/* Random weights as GPT-2 starts: normal of s.d. 0.02, the projections into the residual stream 0.02 / sqrt(2 L), norms
 * 1, biases and scalar heads 0. Depends on the seed and the shape only. */
void lm_model_randomize(struct lm_model *m, uint64_t seed);

#endif
