/* machine: what this machine has for a job, and how a model is opened so that it fits. It is asked before anything is
 * taken, so that a job that is too large ends with both figures and not by the kernel's hand. It refuses to know what
 * else runs beside. No shared state. */
#ifndef EGALIGN_JOBS_MACHINE_H
#define EGALIGN_JOBS_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/align/language_model.h"
#include "core/lm/generate.h"

/* Bytes of memory. */
size_t machine_memory(void);

/* ERR_NO_MEMORY, with both figures, when `bytes` are more than the machine has. */
int machine_fits(size_t bytes, struct err *err);

/* Whether the weights in `folder` are to stay in their files (core/lm/mapped.h): they can, for their matrices are BF16,
 * and would take more than half of the memory as fp32. False when the folder cannot be read. */
bool machine_leaves_in_files(const char *folder);

/* ERR_NO_MEMORY when the weights in `folder`, loaded as fp32, are more than the machine's memory. */
int machine_may_load(const char *folder, struct err *err);

/* As language_model_load, for a model that is only read: its weights stay in their files where machine_leaves_in_files
 * says so. ERR_NO_MEMORY, before anything is loaded, when they must be loaded and may not. */
int machine_load_model(struct language_model *l, const char *folder, struct err *err);

/* Whether the machine has room to sample from `model` as `how` says, for prompts of at most `longest` tokens, beside
 * the weights: ERR_NO_MEMORY. To be asked before sampling. */
int machine_samples(const struct lm_model *model, const struct generate_options *how, int longest, struct err *err);

#endif
