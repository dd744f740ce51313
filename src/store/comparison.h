/* comparison: recorded judgements: one, a page, undo, and the whole stream. Storing them is ingest's.
 *
 * JSON documents have the members of a comparison record (formats/record.h), texts by id, with null for what was not
 * given, and `received_at` and `retracted_at`; with `inline_texts` also the prompt, and {id, text, policy} as a and b.
 * Functions that give JSON append one complete document to `out`. Thread rule: as the pool. */
#ifndef EGALIGN_STORE_COMPARISON_H
#define EGALIGN_STORE_COMPARISON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "formats/record.h"
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

struct comparison_filter {
    int64_t up_to;   /* watermark: highest seq; 0 is no limit */
    bool with_skips; /* outcomes `skip` too */
    bool with_retracted;
};

/* Hands over the project's comparisons in order of arrival, as records with their texts: all of one moment (one
 * snapshot), in constant memory. `each` gets views that are valid during the call; a negative answer of it ends the
 * stream, with its error. Takes a connection of the pool for as long as it lasts. The pool's deadline, and the server's
 * statement_timeout, must leave room for a sort of the whole before the first row; every row gives `row_ms` more. */
int comparison_stream(struct pool *pool, const struct uuid *project, const struct comparison_filter *filter,
                      int64_t row_ms,
                      int (*each)(const struct record *record, int64_t seq, void *context, struct err *err),
                      void *context, struct err *err);

#endif
