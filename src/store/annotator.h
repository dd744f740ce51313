/* annotator: the people who judge, by pseudonym, with what they have done.
 *
 * Functions that give JSON append one complete document to `out`: {id, name, created_at, comparisons, by_outcome: {a,
 * b, tie, both_bad, skip}, retracted, last_judged_at}. Thread rule: as the pool. */
#ifndef EGALIGN_STORE_ANNOTATOR_H
#define EGALIGN_STORE_ANNOTATOR_H

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "store/page.h"

struct pool;

/* ERR_NOT_FOUND when the project has no such annotator. */
int annotator_get(struct pool *pool, const struct uuid *project, const struct uuid *annotator, struct buf *out,
                  struct err *err);
int annotator_list(struct pool *pool, const struct uuid *project, const struct page *page, struct buf *out,
                   struct err *err);

#endif
