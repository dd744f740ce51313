/* snapshot: the state of a training run on disk, as folders `out`/checkpoint-N of which each is whole or not there.
 *
 * A folder is filled as `out`/unfinished-checkpoint, synced and renamed; older ones are removed then. In it are the
 * weights, the optimiser's moments and trainer.json: the optimiser's step, a digest of all that the course depends on,
 * and what the trainer adds. What N counts (steps, updates) is the trainer's business. It refuses to choose when to
 * save, and to go on from a snapshot of another course.
 *
 * No shared state; one writer for an `out`. Paths are of PATH_MAX bytes. */
#ifndef EGALIGN_CORE_ALIGN_SNAPSHOT_H
#define EGALIGN_CORE_ALIGN_SNAPSHOT_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>

#include "core/lm/adamw.h"

/* path = folder/name. ERR_BAD_FILE when that is too long. */
int snapshot_path(char path[PATH_MAX], const char *folder, const char *name, struct err *err);

/* A trainer, as a snapshot sees it. The functions get `trainer`. */
struct snapshot_trainer {
    void *trainer;
    int64_t step;
    const char *course; /* the digest, in hexadecimal */
    struct adamw *adam; /* NULL: snapshot is to keep nothing of it */
    int (*save_weights)(void *trainer, const char *folder, struct err *err);
    int (*load_weights)(void *trainer, const char *folder, struct err *err);
    json_t *(*describe)(const void *trainer);         /* its own members of trainer.json; NULL: no memory */
    bool (*take)(void *trainer, const json_t *saved); /* what describe gave; false, and nothing taken: not usable */
};

/* Writes snapshot `step` in `out`, unless it is there (resumed and not advanced). ERR_SYSTEM. */
int snapshot_save(const struct snapshot_trainer *t, const char *out, struct err *err);

/* Goes on from the newest one: 1, or 0 when there is none. ERR_BAD_FILE, or ERR_CONFLICT when it is of another course;
 * the trainer is to be freed then. */
int snapshot_resume(const struct snapshot_trainer *t, const char *out, struct err *err);

/* Removes all of them. */
int snapshot_forget(const char *out, struct err *err);

/* The optimiser's moments in a folder, for a trainer that has an optimiser at times only: in its save_weights and
 * load_weights. Its step is the trainer's business. ERR_BAD_FILE when they are of another shape. */
int snapshot_save_moments(const struct adamw *adam, const char *folder, struct err *err);
int snapshot_load_moments(struct adamw *adam, const char *folder, struct err *err);

/* Where a trainer stands that goes through its examples in an order of each epoch. */
struct snapshot_place {
    int64_t done; /* steps */
    int epoch;
    size_t next; /* position in the order */
};

/* For describe and take; `count` examples make an epoch. */
json_t *snapshot_put_place(const struct snapshot_place *p);
bool snapshot_get_place(const json_t *saved, size_t count, struct snapshot_place *ret);

/* Puts the weights in `folder` into `m`. ERR_CONFLICT when they are of another shape. */
int snapshot_load_weights(struct lm_model *m, const char *folder, struct err *err);

#endif
