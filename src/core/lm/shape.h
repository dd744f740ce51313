/* shape: the numbers that fix a decoder's form, and where each of its weights lies in one flat vector.
 *
 * All parameters of a model are one vector of floats, so that the optimiser, clipping and checkpoints are plain loops.
 * Matrices keep the orientation of their file: GPT-2's Conv1D [in, out], LLaMA's Linear [out, in]. What is multiplied
 * together lies together: q, k, v of LLaMA are one matrix of three parts, gate and up are one of two.
 *
 * Order: token embedding, position embedding (GPT-2), the blocks from the bottom up, the last norm, an output head
 * when it is not tied, scalar heads. So what is trained above a frozen trunk is one suffix. Every part begins at a
 * multiple of 16 floats; the gaps are 0. A layout is read-only once made; the owner frees it. */
#ifndef EGALIGN_CORE_LM_SHAPE_H
#define EGALIGN_CORE_LM_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum lm_family { LM_GPT2, LM_LLAMA };

struct lm_shape {
    enum lm_family family;
    int vocabulary;  /* V */
    int context;     /* longest sequence */
    int layers;      /* L */
    int width;       /* D, of the residual stream */
    int heads;       /* query heads, H */
    int kv_heads;    /* key and value heads, G; H is a multiple of it */
    int head_width;  /* columns of a head, W; even for LLaMA */
    int hidden;      /* F, of the feed-forward part */
    double norm_eps;
    double rope_theta; /* LLaMA */
    bool tied;         /* the output head is the token embedding */
    int scalars;       /* scalar heads on the last hidden state: value, rewards; 0 when there are none */
    int bos, eos;      /* token ids, -1 when there is none */
};

/* Columns of the fused q, k, v: (H + 2 G) W. */
static inline int lm_qkv_width(const struct lm_shape *s)
{
    return (s->heads + 2 * s->kv_heads) * s->head_width;
}

/* Columns that enter the feed-forward non-linearity: F, or 2 F where it is gated. */
static inline int lm_up_width(const struct lm_shape *s)
{
    return s->family == LM_LLAMA ? 2 * s->hidden : s->hidden;
}

/* "gpt2" or "llama". */
const char *lm_family_name(enum lm_family family);

/* ERR_INVALID_VALUE that names the number out of range or at odds with another. */
int lm_shape_check(const struct lm_shape *shape, struct err *err);

#define LM_ABSENT SIZE_MAX /* offset of a part that the family does not have */

/* Y = X W + b of T tokens: X [T, in], Y [T, out]. */
struct lm_linear {
    size_t weight, bias; /* offsets */
    int in, out;
    bool transposed; /* stored [out, in] */
};

struct lm_norm {
    size_t weight, bias; /* offsets; no bias in LLaMA */
};

struct lm_block {
    struct lm_norm norm1, norm2;
    struct lm_linear qkv, proj; /* D -> (H + 2G) W, H W -> D */
    struct lm_linear up, down;  /* D -> F or 2F, F -> D */
};

/* One tensor as it is in a file: a contiguous part of the flat vector. */
struct lm_tensor {
    char name[72]; /* Hugging Face's */
    size_t offset;
    int rows, columns; /* columns is 0 for a vector of `rows` */
    bool decays;       /* weight decay applies: matrices, not norms and biases */
};

struct lm_layout {
    size_t tokens, positions; /* embeddings [V, D] and [context, D] */
    struct lm_block *blocks;  /* L */
    struct lm_norm last_norm;
    struct lm_linear head;    /* D -> V, stored [V, D]; at `tokens` when tied */
    struct lm_linear scalar;  /* D -> K, stored [K, D]; out is 0 when there are none */
    struct lm_tensor *tensors;
    int tensor_count;
    size_t count; /* floats of the vector */
};

/* Lays out a shape that passed lm_shape_check. ERR_NO_MEMORY. */
int lm_layout_make(const struct lm_shape *shape, struct lm_layout *ret, struct err *err);
void lm_layout_free(struct lm_layout *layout);

/* Where the trainable suffix begins when the `frozen` bottom blocks (0 .. L) and, if any, the embeddings are frozen. */
size_t lm_layout_start(const struct lm_layout *layout, const struct lm_shape *shape, int frozen);

/* The first tensor that ends behind `offset`; tensor_count when there is none. */
int lm_layout_find(const struct lm_layout *layout, size_t offset);

/* Elements of a tensor. */
static inline size_t lm_tensor_count(const struct lm_tensor *t)
{
    return (size_t)t->rows * (size_t)(t->columns ? t->columns : 1);
}

#endif
