/* run: what a struct lm_run holds. Private to the files of the transformer. */
#ifndef EGALIGN_CORE_LM_RUN_H
#define EGALIGN_CORE_LM_RUN_H

#include "core/lm/transformer.h"

/* What one block leaves for its way back; blocks that are not trained share one set. */
struct saved_block {
    float *x;   /* [T, D] input */
    float *qkv; /* [T, (H + 2 G) W], rotated */
    float *att; /* [T, H W] */
    float *lse; /* [T, H] */
    float *x1;  /* [T, D] after attention */
    float *up;  /* [T, F or 2F] */
};

struct lm_run {
    const struct lm_model *model;
    struct lm_options options;
    struct lm_engine engine;
    struct attention attention;
    struct saved_block *saved; /* [L] */
    struct lm_trained trained;
    float *block; /* everything below lies in it */
    size_t block_floats;

    struct lm_batch batch; /* of the last forward pass */
    int tokens;            /* T of it */
    int *positions;        /* [T] */

    float *x;                        /* [block_tokens, D] after the last block */
    float *hidden;                   /* [T, D] after the last norm */
    float *normed;                   /* [T, D] output of a block's norm; [T, H W] of attention, packed */
    float *stats;                    /* [T, 2] of that norm */
    float *act;                      /* [T, F] */
    float *cosines, *sines;          /* [positions, W / 2] */
    float *logits;                   /* [head_rows, V] */
    float *gathered;                 /* [head_rows, D] */
    float *weighed;                  /* [4, head_rows]: logp, entropy and their gradients */
    float *dhidden, *dx, *dn;        /* [T, D] */
    float *dqkv;                     /* [T, (H + 2 G) W] */
    float *dup, *dact;               /* [T, F or 2F], [T, F] */
    float *low_rank, *low_rank_back; /* [T, r] of an adapter */
    float *widened;                  /* the largest matrix, when the model is mapped */
};

/* Where the gradient of the parameter at `offset` of the model is summed; NULL when it is not trained. */
static inline float *gradient_at(const struct lm_run *run, size_t offset)
{
    if (run->options.adapters || !run->options.train || offset == LM_ABSENT || offset < run->trained.start)
        return NULL;
    return run->trained.gradients + (offset - run->trained.start);
}

/* The vector (norm, bias) at `offset`; NULL when the family has none. */
static inline const float *vector_at(const struct lm_run *run, size_t offset)
{
    const struct lm_model *m = run->model;
    if (offset == LM_ABSENT)
        return NULL;
    return m->mapped ? mapped_vector(m->mapped, &m->layout, offset) : m->weights + offset;
}

/* The weights of `l`, in the orientation in which they are stored; of a mapped model valid until the next call. */
static inline const float *matrix_of(const struct lm_run *run, const struct lm_linear *l)
{
    const struct lm_model *m = run->model;
    if (!m->mapped)
        return m->weights + l->weight;
    mapped_widen(m->mapped, &m->layout, &run->engine, l->weight, (size_t)l->in * (size_t)l->out, run->widened);
    return run->widened;
}

#endif
