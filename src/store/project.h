/* project: the collections that everything else belongs to.
 *
 * Functions that give JSON append one complete document to `out`. ERR_NOT_FOUND when the project does not exist,
 * ERR_INVALID_REQUEST for a cursor that is none, ERR_DATABASE_* as the pool. Names match ^[a-z0-9][a-z0-9-]{0,62}$ and
 * the caller checks that first. Thread rule: as the pool. */
#ifndef EGALIGN_STORE_PROJECT_H
#define EGALIGN_STORE_PROJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "store/page.h"

struct pool;

/* What can be set. A view with ptr NULL, and a number below 0, leave the value as it is (or at its default). */
struct project_settings {
    struct str title;
    int64_t refit_after_comparisons; /* 0 is never */
    int64_t refit_after_seconds;     /* 0 is never */
    struct str fit_options;          /* a JSON object */
};

/* Makes a project, or finds the one of that name with the same settings (*ret_created false). ERR_CONFLICT when it
 * exists with other settings. Appends its document. */
int project_create(struct pool *pool, struct str name, const struct project_settings *settings, bool *ret_created,
                   struct buf *out, struct err *err);

/* The id that a name stands for; it never changes, so it may be remembered. */
int project_find(struct pool *pool, struct str name, struct uuid *ret, struct err *err);

/* {id, name, title, refit_after_comparisons, refit_after_seconds, fit_options, published_fit, created_at} */
int project_get(struct pool *pool, const struct uuid *project, struct buf *out, struct err *err);

/* By name. `only`: the one project that the token opens, or NULL for all. */
int project_list(struct pool *pool, const struct uuid *only, const struct page *page, struct buf *out, struct err *err);

/* Changes what `settings` gives and appends the document. */
int project_patch(struct pool *pool, const struct uuid *project, const struct project_settings *settings,
                  struct buf *out, struct err *err);

#endif
