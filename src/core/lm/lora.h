/* lora: low-rank adapters on named matrices (Hu et al., arXiv 2106.09685), as PEFT stores them.
 *
 * For a matrix y = W x: y += (alpha / r) B A x with A [r, in] and B [out, r]; B starts at 0, so a new adapter changes
 * nothing. All adapters of a model are one vector of floats. A part of a fused matrix (LLaMA's q_proj within q, k, v)
 * is adapted by itself. The struct owns its vector; it refers to a model by offsets only, so one set serves any model
 * of the same shape, and several sets may share one read-only base. */
#ifndef EGALIGN_CORE_LM_LORA_H
#define EGALIGN_CORE_LM_LORA_H

#include <stdint.h>

#include "core/lm/model.h"

enum { LORA_MAX_RANK = 1024 };

struct lm_adapter {
    const char *tensor; /* the adapted tensor's name, in the layout */
    size_t linear;      /* offset of the (fused) matrix that it is part of */
    int from, out;      /* columns of that matrix's output: from .. from + out - 1 */
    int in;
    size_t a, b; /* offsets of A and B in `weights` */
};

struct lm_adapters {
    struct lm_shape shape;
    struct lm_layout layout; /* for names */
    char **targets;          /* module names such as "q_proj", as they were asked for */
    int target_count, rank;
    float alpha;
    struct lm_adapter *items; /* in the order of the layout */
    int count;
    float *weights; /* [total] */
    size_t total;
};

/* Adapters of `rank` for every matrix whose module is in `targets`, comma-separated ("c_attn" or "q_proj,v_proj"). A is
 * uniform within +-1 / sqrt(in) as PEFT starts it. ERR_INVALID_VALUE names a target that no matrix has. */
struct lm_adapters *lora_new(const struct lm_shape *shape, const char *targets, int rank, float alpha, uint64_t seed,
                             struct err *err);

/* Frees the adapters. */
void lora_free(struct lm_adapters *adapters);

/* Adds each adapter to the matrix that it adapts, in `model`, of the same shape and not mapped: W += (alpha / r) B A.
 * The model then computes without the adapters what it computed with them. */
void lora_merge(const struct lm_adapters *adapters, struct lm_model *model);

/* The adapters of the matrix at offset `linear`: ret_first is the first of them, the result how many. */
int lora_of(const struct lm_adapters *adapters, size_t linear, const struct lm_adapter **ret_first);

/* Writes adapter_config.json and adapter_model.safetensors into `folder`, as PEFT reads them. */
int lora_save(const struct lm_adapters *adapters, const char *folder, struct err *err);

/* Reads such a directory for a model of `shape`. Refuses by name what would change the computation: bias, dora, rslora,
 * per-module ranks, layers left out. ERR_BAD_FILE. */
struct lm_adapters *lora_load(const struct lm_shape *shape, const char *folder, struct err *err);

#endif
