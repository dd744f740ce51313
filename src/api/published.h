/* published: the scorers of the published fits, opened and kept in memory for those who score.
 *
 * Opening a model reads megabytes from the database; scoring takes microseconds. The scorers of the PUBLISHED_KEPT
 * projects that were used last are kept until a notification drops them. A fit that was opened before the drop is not
 * kept after it. It refuses to score: core/selector.h does.
 *
 * A fit in use stays whole after it was dropped: counted references. Thread rule: every function from any thread;
 * published_hold waits for the database, so not on an HTTP thread. */
#ifndef EGALIGN_API_PUBLISHED_H
#define EGALIGN_API_PUBLISHED_H

#include "base/err.h"
#include "base/uuid.h"
#include "core/scorer.h"
#include "store/fit_read.h"

enum { PUBLISHED_KEPT = 16 };

struct published; /* the cache */

struct published_fit {
    struct fit_published facts; /* without the model's bytes */
    struct scorer *scorer;
    int references; /* under the cache's lock */
};

struct published *published_new(void); /* NULL when out of memory */
void published_free(struct published *p);

/* The published fit of a project: one reference, to be given back. ERR_NOT_READY when there is none, its groups are not
 * those of its model, or it scores with a language model. */
int published_hold(struct published *p, struct pool *pool, const struct uuid *project, struct published_fit **ret,
                   struct err *err);
void published_drop(struct published *p, struct published_fit *fit);

/* Forgets the fit of one project, or all when `project` is NULL. */
void published_forget(struct published *p, const struct uuid *project);

#endif
