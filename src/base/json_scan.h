/* json_scan: the lexical half of the JSON reader: strings, numbers, punctuation, values of free shape, and errors that
 * know where they are. Private to base/json: others include base/json.h.
 *
 * The text ends with a '\0' that stops every scan, so nothing compares with `end` but the error messages. It refuses to
 * know what a document should hold. Thread rule: one scan, one thread. */
#ifndef EGALIGN_BASE_JSON_SCAN_H
#define EGALIGN_BASE_JSON_SCAN_H

#include "base/json.h"

/* Where in the document the reader is; a list of these, innermost first, lies on the C stack and becomes the pointer.
 */
struct json_place {
    const struct json_place *up;
    struct str name; /* of a member; ptr NULL for an element */
    size_t index;
};

struct json_scan {
    char *p, *start, *end; /* *end is '\0' */
    char *value;           /* where the value begins that an error would be about */
    const struct json_place *at;
    struct json_limits limits;
    int depth;
    struct arena *arena;
    struct err *err;
};

/* An error about the byte at `where`, with the pointer to the present place. Returns -1. */
int scan_fail(struct json_scan *r, enum err_code code, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold, noinline));

/* ERR_INVALID_VALUE about the present value. */
#define scan_unfit(r, ...) scan_fail(r, ERR_INVALID_VALUE, (r)->value, __VA_ARGS__)

/* ERR_INVALID_JSON at p: `what`, or that the text is cut short. Returns -1. */
int scan_syntax(struct json_scan *r, const char *what);

static inline void scan_space(struct json_scan *r)
{
    while (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r')
        r->p++;
}

/* A string, p at its opening quote, unescaped in place: what is written never overtakes what is read. */
int scan_string(struct json_scan *r, struct str *ret);

/* `word` (true, false, null) and nothing else. */
int scan_literal(struct json_scan *r, const char *word);

/* A number by the grammar of RFC 8259 section 6; what follows it is left to the caller. */
int scan_number(struct json_scan *r, struct str *ret, bool *ret_integer);

/* The value of what scan_number took; something that is no part of a number follows it, so strtod stops there. */
int scan_finite(struct json_scan *r, struct str text, double *ret);

/* Into an object or array, p at its bracket; checks the depth. */
int scan_enter(struct json_scan *r);

/* True, and out of it again, when the container that was just entered is empty. */
bool scan_empty(struct json_scan *r, char close);

/* After an element: 1 when another one follows, 0 when the container is closed, -1. */
int scan_another(struct json_scan *r, char close);

/* The colon after a member's name, and the space around it. */
int scan_colon(struct json_scan *r);

/* A value of any shape, checked and left as it is; *ret is its text. */
int scan_raw(struct json_scan *r, struct str *ret);

#endif
