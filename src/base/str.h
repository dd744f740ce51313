/* str: a view of bytes that somebody else owns, and the few questions asked of text.
 *
 * It refuses to own, allocate or convert. Text is UTF-8 everywhere in the project. No shared state. */
#ifndef EGALIGN_BASE_STR_H
#define EGALIGN_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr; /* not NUL-terminated in general; NULL means absent */
    size_t len;
};

#define STR_LITERAL(text) ((struct str){(text), sizeof(text) - 1})

static inline struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Order by bytes, a prefix first: negative, 0 or positive. */
static inline int str_compare(struct str a, struct str b)
{
    size_t both = a.len < b.len ? a.len : b.len;
    int order = both ? memcmp(a.ptr, b.ptr, both) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool str_is(struct str a, const char *text)
{
    return str_equal(a, str_of(text));
}

/* True when the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool str_is_utf8(struct str text);

/* Length (1 .. 4) of the well-formed UTF-8 sequence at the start of `left` > 0 bytes; 0 when there is none. */
size_t str_utf8_sequence(const char *bytes, size_t left);

/* Reads a decimal integer that fills the whole view; false on anything else or on overflow. */
bool str_to_int64(struct str text, int64_t *ret);

/* Reads a finite decimal number that fills the whole view, in the C locale; false on anything else. */
bool str_to_double(struct str text, double *ret);

/* Compares two equally long secrets in a time that does not depend on where they differ. */
bool str_equal_secret(const void *a, const void *b, size_t length);

#endif
