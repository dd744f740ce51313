/* mapped: the weights of a model whose matrices stay in their files as BF16, read through mmap.
 *
 * For models larger than memory holds in fp32: a matrix is widened into scratch just before it is multiplied, and the
 * system may drop and read again what it has mapped. Vectors (norms, biases) are small and kept as floats. Such a model
 * is read-only: it can score, sample, and be trained through adapters (lora.h). Widening is exact, so the results are
 * those of the same checkpoint loaded as fp32, bit for bit.
 *
 * The struct owns the files' mappings. Read-only after checkpoint_map, so any number of runs may share it. */
#ifndef EGALIGN_CORE_LM_MAPPED_H
#define EGALIGN_CORE_LM_MAPPED_H

#include "core/lm/safetensors.h"
#include "core/lm/shape.h"
#include "core/lm/tokenwise.h"

struct lm_mapped {
    struct safetensors *files;
    const uint16_t **matrices; /* [tensors of the layout]; NULL for vectors */
    float **vectors;           /* [tensors of the layout]; NULL for matrices; they lie in `block` */
    float *block;
};

/* Unmaps the files. */
void mapped_free(struct lm_mapped *m);

/* Points the tensors of `layout` at `found` (one per tensor of the layout, shapes already checked). Takes `files` over,
 * also on failure. ERR_BAD_FILE when a matrix is not BF16 or lies at an odd address, ERR_NUMERICAL for a weight that is
 * not finite, ERR_NO_MEMORY. */
struct lm_mapped *mapped_take(struct safetensors *files, const struct lm_layout *layout,
                              const struct safetensor *const *found, struct err *err);

/* The floats of the vector at `offset` of the layout. */
const float *mapped_vector(const struct lm_mapped *m, const struct lm_layout *layout, size_t offset);

/* Elements from .. from + count - 1 of tensor number `tensor` of the layout, a matrix or a vector, as floats. */
void mapped_read(const struct lm_mapped *m, int tensor, size_t from, size_t count, float *out);

/* Widens `count` weights from `offset` on, which may be several matrices in a row, into out[count], on the pool. */
void mapped_widen(const struct lm_mapped *m, const struct lm_layout *layout, const struct lm_engine *engine,
                  size_t offset, size_t count, float *out);

#endif
