/* document: immutable bytes with an entity tag, shared by the requests that are sending them and the cache that will
 * replace them.
 *
 * Counted references: document_new gives the first, document_hold another, document_drop gives one back; the last drop
 * frees. Thread rule: hold and drop from any thread that has a reference. */
#ifndef EGALIGN_API_DOCUMENT_H
#define EGALIGN_API_DOCUMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum { ETAG_SIZE = 72 };

struct document {
    atomic_int references;
    char etag[ETAG_SIZE]; /* strong, with its quotes */
    size_t length;
    char bytes[]; /* NUL-terminated */
};

/* A copy of `body`. `etag` is cut to its room; when it is empty, one is made from the bytes. NULL when out of memory.
 */
struct document *document_new(struct str body, const char *etag);
struct document *document_hold(struct document *d);
void document_drop(struct document *d); /* NULL is fine */

/* Whether the value of an If-None-Match header (NULL when absent) names `etag`: a list, weak or strong, or `*`. */
bool etag_matches(const char *if_none_match, const char *etag);

#endif
