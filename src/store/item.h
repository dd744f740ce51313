/* item: prompts with their candidate responses, as the API shows and takes them.
 *
 * Functions that give JSON append one complete document to `out`: {id, prompt (text or messages), created_at,
 * responses: [{id, text, policy}]}. Thread rule: as the pool. */
#ifndef EGALIGN_STORE_ITEM_H
#define EGALIGN_STORE_ITEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "store/page.h"

struct pg;
struct pool;

struct item_response {
    struct str text, policy; /* policy.ptr NULL when not told */
};

/* Stores the item and those responses that it does not have yet, in one transaction. *ret_created: the item is new. */
int item_create(struct pool *pool, const struct uuid *project, struct str prompt, bool prompt_is_messages,
                const struct item_response *responses, size_t count, bool *ret_created, struct buf *out,
                struct err *err);
int item_get(struct pool *pool, const struct uuid *project, const struct uuid *item, struct buf *out, struct err *err);
int item_list(struct pool *pool, const struct uuid *project, const struct page *page, struct buf *out, struct err *err);

/* For a transaction of the caller's: stores the responses that the item does not have, and the item itself, a plain
 * one, when `prompt` is given (ptr not NULL) and it is not there. */
int item_store_on(struct pg *pg, const struct uuid *project, const struct uuid *item, struct str prompt,
                  const struct item_response *responses, size_t count, struct err *err);

/* Looks for the first of `count` items that is not in the project, among those with `looked_for` (NULL: all): 1 and its
 * place, 0 when all are there. */
int item_absent(struct pool *pool, const struct uuid *project, const struct uuid *items, const bool *looked_for,
                size_t count, size_t *ret_place, struct err *err);

#endif
