/* comparison: recorded judgements: one, a page, undo, and the whole stream. Storing them is ingest's.
 *
 * JSON documents have the members of a comparison record (formats/record.h) with ids, `retracted_at`, `received_at`;
 * with `inline_texts` also prompt and responses. Functions that give JSON append one complete document to `out`. Thread
 * rule: as the pool; a stream belongs to one thread. */
#ifndef EGALIGN_STORE_COMPARISON_H
#define EGALIGN_STORE_COMPARISON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "store/page.h"

struct pool;

/* ERR_NOT_FOUND when the project has no such comparison. */
int comparison_get(struct pool *pool, const struct uuid *project, const struct uuid *comparison, bool inline_texts,
                   struct buf *out, struct err *err);

/* In order of arrival. */
int comparison_list(struct pool *pool, const struct uuid *project, bool inline_texts, const struct page *page,
                    struct buf *out, struct err *err);

/* Undoes the comparison: it stays stored and no longer counts. Again: the same answer. `token` is who, or NULL. */
int comparison_undo(struct pool *pool, const struct uuid *project, const struct uuid *comparison,
                    const struct uuid *token, struct buf *out, struct err *err);

#endif
