/* page: which part of a list is asked for: keyset pagination.
 *
 * A cursor is the key of the last element of the page before, as text; to clients it is opaque. Lists answer with
 * {"items": [...], "next_cursor": "..." or null}, written by PostgreSQL. No shared state. */
#ifndef EGALIGN_STORE_PAGE_H
#define EGALIGN_STORE_PAGE_H

#include "base/err.h"
#include "base/str.h"
#include "store/param.h"

enum { PAGE_LIMIT_DEFAULT = 100, PAGE_LIMIT_MOST = 1000 };

struct page {
    int limit;         /* 1 .. PAGE_LIMIT_MOST */
    struct str cursor; /* ptr is NULL for the first page */
};

/* Add cursor (null on the first page) and limit as two parameters. ERR_INVALID_REQUEST when the cursor is no key of the
 * list's kind. */
int page_by_uuid(const struct page *page, struct pg_params *p, struct err *err);
int page_by_number(const struct page *page, struct pg_params *p, struct err *err);
int page_by_text(const struct page *page, struct pg_params *p, struct err *err);

#endif
