/* lora: low-rank adapters on named matrices (Hu et al., arXiv 2106.09685), as PEFT stores them.
 *
 * For a matrix y = W x: y += (alpha / r) B A x with A [r, in] and B [out, r]; B starts at 0, so a new adapter changes
 * nothing. All adapters of a model are one vector of floats, and scalar heads that are trained with them come last in
 * it, so that the base stays as it is and the optimiser, clipping and swapping remain plain loops. A part of a fused
 * matrix (LLaMA's q_proj within q, k, v) is adapted by itself. The struct owns its vector; it refers to a model by
 * offsets only, so one set serves any model of the same shape, and several sets may share one read-only base. */
#ifndef EGALIGN_CORE_LM_LORA_H
#define EGALIGN_CORE_LM_LORA_H

#include <stdint.h>

#include "core/lm/model.h"

enum { LORA_MAX_RANK = 1024, LORA_TARGETS_SIZE = 160 };

/* Which adapters somebody wants, as plain data. */
struct lora_wanted {
    int rank;                        /* 0: none at all */
    double alpha;                    /* 0: twice the rank */
    char targets[LORA_TARGETS_SIZE]; /* module names, comma-separated; "": lora_usual_targets */
};

/* What adapters of a model are made of. */
struct lora_options {
    const char *targets; /* module names, comma-separated: "c_attn" or "q_proj,v_proj" */
    int rank;            /* 1 .. LORA_MAX_RANK */
    double alpha;        /* > 0 */
    int frozen;          /* bottom blocks that get none; below the model's blocks */
    int heads;           /* scalar heads that are trained beside them, of zeros; 0: the model's own ones are used */
};

struct lm_adapter {
    const char *tensor; /* the adapted tensor's name, in the layout */
    size_t linear;      /* offset of the (fused) matrix that it is part of */
    size_t offset;      /* of the adapted tensor itself */
    int from, out;      /* columns of the matrix's output: from .. from + out - 1 */
    int in;
    size_t a, b; /* offsets of A and B in `weights` */
};

struct lm_adapters {
    struct lm_shape shape;
    struct lm_layout layout; /* for names */
    char **targets;          /* module names such as "q_proj", as they were asked for */
    int target_count, rank;
    float alpha;
    int frozen;               /* bottom blocks without adapters */
    struct lm_adapter *items; /* in the order of the layout */
    int count;
    int heads;                      /* scalar heads of their own; 0: none */
    size_t head_weight, head_bias;  /* offsets in `weights` of [heads, D] and [heads], behind all A and B */
    float *weights;                 /* [total]; NULL when they are only planned */
    size_t total;
};

/* The attention projections that are adapted when nothing else is said: "c_attn", or "q_proj,k_proj,v_proj,o_proj". */
const char *lora_usual_targets(enum lm_family family);

/* What was wanted, defaults filled in; the targets are a view of `wanted`. */
struct lora_options lora_chosen(const struct lora_wanted *wanted, enum lm_family family, int frozen, int heads);

/* Adapters without their vector: sizes and places, for predictions of memory and to check a choice. ERR_INVALID_VALUE
 * names a target that no matrix has; ERR_NO_MEMORY. */
struct lm_adapters *lora_plan(const struct lm_shape *shape, const struct lora_options *options, struct err *err);

/* Gives planned adapters their vector: A is uniform within +-1 / sqrt(in) as PEFT starts it, B and heads are 0.
 * ERR_NO_MEMORY. */
int lora_start(struct lm_adapters *adapters, uint64_t seed, struct err *err);

/* Both at once, for all blocks and without heads: adapters of `rank` for every matrix whose module is in `targets`. */
struct lm_adapters *lora_new(const struct lm_shape *shape, const char *targets, int rank, float alpha, uint64_t seed,
                             struct err *err);

/* Frees the adapters. */
void lora_free(struct lm_adapters *adapters);

/* Adds each adapter to the matrix that it adapts, in `model`, not mapped and of the same shape but for scalar heads:
 * W += (alpha / r) B A. The model then computes without the adapters what it computed with them. */
void lora_merge(const struct lm_adapters *adapters, struct lm_model *model);

/* The same for elements from .. from + n - 1 of the tensor at `offset` of the layout, which are values[n]: so a model
 * can be merged while it is written. Nothing happens to a tensor that has no adapter. */
void lora_add(const struct lm_adapters *adapters, size_t offset, size_t from, size_t n, float *values);

/* The adapters of the matrix at offset `linear`: ret_first is the first of them, the result how many. */
int lora_of(const struct lm_adapters *adapters, size_t linear, const struct lm_adapter **ret_first);

/* Writes adapter_config.json and adapter_model.safetensors into `folder`, as PEFT reads them: heads as its module to
 * save "score", blocks without adapters by its layers to transform. */
int lora_save(const struct lm_adapters *adapters, const char *folder, struct err *err);

/* Reads such a directory for a model of `shape`. Refuses by name what would change the computation: bias, dora, rslora,
 * per-module ranks, other modules to save than "score", layers left out but for the bottom ones. ERR_BAD_FILE. */
struct lm_adapters *lora_load(const struct lm_shape *shape, const char *folder, struct err *err);

/* Reads such a directory into started adapters of the same form. ERR_CONFLICT when it is of others, ERR_BAD_FILE. */
int lora_reload(struct lm_adapters *adapters, const char *folder, struct err *err);

#endif
