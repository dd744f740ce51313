/* document: what a GET answers: one thing of a project, or a page of a list of them, as the query writes it.
 *
 * Each appends one complete JSON document to `out`. It refuses to know what is in it: the resources' own functions name
 * the query and say what it gives. Thread rule: as the pool. */
#ifndef EGALIGN_STORE_DOCUMENT_H
#define EGALIGN_STORE_DOCUMENT_H

#include "store/page.h"
#include "store/pool.h"

/* The document of `id` in the project, which are $1 and $2; `id` NULL: of the project, $1. ERR_NOT_FOUND. */
int document_get(struct pool *pool, enum query query, const struct uuid *project, const struct uuid *id,
                 struct buf *out, struct err *err);

/* How a page becomes the next two parameters: page_by_uuid, page_by_text, ... */
typedef int page_by(const struct page *page, struct pg_params *p, struct err *err);

/* A page of the project's list: the project is $1, cursor and limit are $2 and $3. ERR_INVALID_REQUEST for a cursor
 * that the list has not given. */
int document_page(struct pool *pool, enum query query, const struct uuid *project, page_by *by,
                  const struct page *page, struct buf *out, struct err *err);

#endif
