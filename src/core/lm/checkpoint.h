/* checkpoint: Hugging Face model directories, in and out.
 *
 * Reads config.json (model_type gpt2 or llama) and the weights beside it; names with or without the leading
 * "transformer." or "model.", GPT-2's mask buffers and LLaMA's inv_freq passed over, a tied head left out or repeated,
 * any of F32, F16, BF16. Writes the layout that transformers loads. It refuses, by name, every setting that would
 * change the computation and is not implemented, tensors that the model does not have, and wrong shapes; and it looks
 * at the files before it allocates, so that a huge config costs nothing.
 *
 * No shared state. */
#ifndef EGALIGN_CORE_LM_CHECKPOINT_H
#define EGALIGN_CORE_LM_CHECKPOINT_H

#include <stddef.h>

#include <stdbool.h>

#include "base/err.h"
#include "core/lm/lora.h"
#include "core/lm/safetensors.h"

/* Reads the text of a config.json into *ret (scalars stays 0: that is in the weights). ERR_BAD_FILE. */
int checkpoint_config(const char *text, size_t length, struct lm_shape *ret, struct err *err);

/* The shape of the model in `folder`, its scalar heads included, without its weights. */
int checkpoint_shape(const char *folder, struct lm_shape *ret, struct err *err);

/* Loads the model in `folder`; the caller frees it. ERR_BAD_FILE, ERR_NUMERICAL (a weight that is not finite),
 * ERR_NO_MEMORY, ERR_SYSTEM. */
struct lm_model *checkpoint_load(const char *folder, struct err *err);

/* As checkpoint_load, but the matrices, which must be BF16, stay in their files: see mapped.h. */
struct lm_model *checkpoint_map(const char *folder, struct err *err);

/* What checkpoint_write writes: a model, mapped or not, as it would be after changes that it need not go through. */
struct checkpoint_source {
    const struct lm_model *model;
    const struct lm_adapters *adapters; /* added to its matrices; NULL: none */
    bool headless;                      /* without its scalar heads */
};

/* Writes it into `folder` as checkpoint_save does. Memory is needed for a part of a tensor only: weights are read, and
 * merged with what the adapters add to them, while they are written. */
int checkpoint_write(const struct checkpoint_source *source, const char *folder, const char *like,
                     enum safetensors_dtype stored, struct err *err);

/* Writes `m`, which is not a mapped one, into `folder` (made when it is not there) as config.json and
 * model.safetensors, stored as F32 or BF16. With `like`, the tokenizer's files and generation_config.json of that
 * folder are copied too, as far as they are there. Each file is replaced whole, the weights last. */
int checkpoint_save(const struct lm_model *m, const char *folder, const char *like, enum safetensors_dtype stored,
                    struct err *err);

#endif
