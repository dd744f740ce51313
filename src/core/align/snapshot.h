/* snapshot: the state of a training run on disk, as folders `out`/checkpoint-N of which each is whole or not there.
 *
 * A folder is filled as `out`/unfinished-checkpoint, synced and renamed; older ones are removed then. What N counts
 * (steps, updates) and what else lies in a folder is the trainer's business. It refuses to choose when to save.
 *
 * No shared state; one writer for an `out`. Paths are of PATH_MAX bytes. */
#ifndef EGALIGN_CORE_ALIGN_SNAPSHOT_H
#define EGALIGN_CORE_ALIGN_SNAPSHOT_H

#include <limits.h>
#include <stdbool.h>

#include "core/lm/adamw.h"

/* path = folder/name. ERR_BAD_FILE when that is too long. */
int snapshot_path(char path[PATH_MAX], const char *folder, const char *name, struct err *err);

/* Where snapshot `step` is to be written; the model's and the trainer's files go there. *ret_there: it exists already,
 * and there is nothing to do. ERR_SYSTEM. */
int snapshot_begin(const char *out, int64_t step, char unfinished[PATH_MAX], bool *ret_there, struct err *err);

/* What was written becomes `out`/checkpoint-`step`, and older ones go. */
int snapshot_commit(const char *out, int64_t step, struct err *err);

/* The newest one's folder: 1, or 0 when there is none. */
int snapshot_newest(const char *out, char path[PATH_MAX], struct err *err);

/* Removes all of them. */
int snapshot_forget(const char *out, struct err *err);

/* The optimiser's moments, in optimizer.safetensors; its step is the trainer's to keep. ERR_BAD_FILE when they do not
 * fit. */
int snapshot_save_moments(const struct adamw *adam, const char *folder, struct err *err);
int snapshot_load_moments(struct adamw *adam, const char *folder, struct err *err);

/* Writes a JSON text that ends in '\0' as trainer.json. */
int snapshot_save_trainer(const char *folder, const char *text, struct err *err);

/* Puts the weights in `folder` into `m`. ERR_CONFLICT when they are of another shape. */
int snapshot_load_weights(struct lm_model *m, const char *folder, struct err *err);

#endif
