/* completion: what a complete job samples, stored as responses of items and as the job's own record of them.
 *
 * All samples of a prompt are stored in one statement's transaction, and the record says which prompts are done: an
 * attempt that goes on after a crash samples only the others, so that nothing is stored twice even where it would come
 * out differently. It refuses to sample. Thread rule: as the connection. */
#ifndef EGALIGN_STORE_COMPLETION_H
#define EGALIGN_STORE_COMPLETION_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"

struct pg;
struct job_lease;

/* Texts of items as a language model is given them (prompt_text in the schema), in the order of `items`, in the arena.
 * ERR_UNKNOWN_REFERENCE when one is not there. */
int completion_prompts(struct pg *pg, const struct uuid *project, const struct uuid *items, int count,
                       struct arena *arena, struct str *ret, struct err *err);

/* done[i], for the prompts 0 .. count-1 of the job: whether its samples are stored. */
int completion_done(struct pg *pg, const struct job_lease *lease, bool *done, int count, struct err *err);

struct completion {
    struct str text;    /* UTF-8 without NUL */
    struct str figures; /* a JSON object: how it was sampled */
};

struct completion_set {
    int place;           /* of the prompt in the job */
    struct uuid item;
    bool makes_item;     /* the item is to be stored, unless it is there: a plain prompt */
    struct str prompt;
    struct str policy;   /* name: the tag of the responses */
    const struct completion *samples;
    int count;
};

/* Stores the samples of a prompt. ERR_LEASE_LOST: nothing was stored. */
int completion_store(struct pg *pg, const struct job_lease *lease, const struct completion_set *set, struct err *err);

#endif
