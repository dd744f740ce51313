/* err: the one error type of the project.
 *
 * A function that can fail returns 0 for success and -1 (or another negative number) for failure, and takes a
 * `struct err *` as its last parameter, which it fills before it returns a failure. The struct is of fixed size and
 * setting it never allocates, so running out of memory can be reported like anything else.
 *
 * base, core and store return errors; api, jobs and cli log them, once. This module never logs and never exits.
 * Every code is declared in errors.def, which also gives its wire name, HTTP status and documentation.
 *
 * Thread rule: a struct err belongs to its caller; no shared state. */
#ifndef EGALIGN_BASE_ERR_H
#define EGALIGN_BASE_ERR_H

#include <stdbool.h>

enum err_code {
    ERR_OK = 0,
#define ERROR(symbol, wire, status, retryable, title, prose) ERR_##symbol,
#include "base/errors.def"
#undef ERROR
    ERR_COUNT
};

struct err {
    enum err_code code;
    long line;         /* 1-based line of an NDJSON stream or a file; 0 when there is none */
    char pointer[128]; /* RFC 6901 JSON Pointer to the offending member; "" is the whole document */
    char message[384]; /* one sentence for the person who gets it; UTF-8, never empty after err_set */
};

/* What errors.def says of one code. */
struct err_info {
    const char *wire;  /* stable name on the wire, e.g. "unknown_member" */
    int status;        /* HTTP status */
    bool retryable;    /* the same request may succeed later, unchanged */
    const char *title; /* short, constant: RFC 9457 "title" */
    const char *prose; /* what it means and what to do, for docs/errors.md */
};

/* The declaration of `code`. Asserts that the code is in range. */
const struct err_info *err_info(enum err_code code);

/* Fills `e` with a code and a formatted message (cut, never overflowing); clears pointer and line. Returns -1, so that
 * `return err_set(e, ...)` is the usual way out of a failing function. `e` may be NULL: the failure is then silent. */
int err_set(struct err *e, enum err_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, with a JSON Pointer to what is wrong. */
int err_at(struct err *e, enum err_code code, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "what: " in front of the message of `e`, for the caller's context. Returns -1. */
int err_wrap(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A failed system call: "what: strerror(errno)", code ERR_SYSTEM. Returns -1. */
int err_errno(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Out of memory: ERR_NO_MEMORY. Returns -1. */
int err_memory(struct err *e);

/* The table of errors as Markdown, for docs/errors.md; written to standard output. */
void err_print_docs(void);

#endif
