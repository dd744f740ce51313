/* target: the request target (RFC 9112, origin form) cut into path segments and query members, strictly.
 *
 * Segments are cut before they are percent-decoded, so an encoded slash never makes a segment. It refuses what is not
 * in origin form, bad escapes, NUL and control characters, bytes that are not UTF-8, repeated query members, and more
 * parts than there is room for. All texts live in the caller's arena and are NUL-terminated. No shared state. */
#ifndef EGALIGN_API_TARGET_H
#define EGALIGN_API_TARGET_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { TARGET_SEGMENTS = 10, TARGET_QUERY = 12 };

struct target_member {
    struct str name, value;
};

struct target {
    char *path;                           /* as sent, without the query; for the log */
    struct str segments[TARGET_SEGMENTS]; /* decoded; "/" has none, "/a/" has "a" and "" */
    size_t segment_count;
    struct target_member query[TARGET_QUERY];
    size_t query_count;
};

/* Cuts `text`. ERR_INVALID_REQUEST when it is not acceptable; ret->path is set all the same. */
int target_parse(const char *text, struct arena *arena, struct target *ret, struct err *err);

/* The value of a query member; ptr is NULL when it was not given. */
struct str target_query(const struct target *t, const char *name);

#endif
