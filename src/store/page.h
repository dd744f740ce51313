/* page: which part of a list is asked for: keyset pagination.
 *
 * A cursor is the key of the last element of the page before, as text; to clients it is opaque. Lists answer with
 * {"items": [...], "next_cursor": "..." or null}, written by PostgreSQL. */
#ifndef EGALIGN_STORE_PAGE_H
#define EGALIGN_STORE_PAGE_H

#include "base/str.h"

enum { PAGE_LIMIT_DEFAULT = 100, PAGE_LIMIT_MOST = 1000 };

struct page {
    int limit;         /* 1 .. PAGE_LIMIT_MOST */
    struct str cursor; /* ptr is NULL for the first page */
};

#endif
