/* ndjson: cuts a stream that arrives in arbitrary pieces into lines, in constant memory.
 *
 * Lines end with LF or CRLF; blank lines are skipped; the last line may lack its newline. Lines that lie whole in one
 * chunk are handed out from the chunk itself, only the rest is copied. A line longer than the limit, and a byte order
 * mark at the start of the stream, are errors (ERR_TOO_LARGE, ERR_INVALID_JSON) with the line number; after an error
 * the stream is over. It refuses to look into the lines.
 *
 *     ndjson_feed(&s, bytes, length);
 *     while ((got = ndjson_next(&s, &line, &err)) > 0) ...   // then feed more, or ndjson_end and the same loop again
 *
 * A zeroed struct with max_line set is ready. Release with ndjson_free. Thread rule: one stream, one thread. */
#ifndef EGALIGN_BASE_NDJSON_H
#define EGALIGN_BASE_NDJSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct ndjson {
    size_t max_line;    /* bytes of a line without its end; set by the caller */
    long line;          /* number of the line last handed out, 1-based; blank lines count */
    char *chunk;        /* the caller's bytes not yet looked at */
    size_t left;        /* how many */
    struct buf partial; /* the beginning of a line whose end has not come yet */
    bool handed;        /* `partial` holds the line last handed out */
    bool ended;
    bool broken; /* an error was reported */
};

struct ndjson_line {
    char *text; /* text[length] is '\0'; may be changed; valid until the next call of any function of the stream */
    size_t length;
    long number; /* 1-based */
};

/* Gives the stream more bytes; they stay the caller's, must be writable (line ends are overwritten) and must stay until
 * ndjson_next has returned 0. The chunk before must have been used up. */
void ndjson_feed(struct ndjson *s, char *bytes, size_t length);

/* No more bytes will come: what is left is the last line. */
void ndjson_end(struct ndjson *s);

/* 1 and the next line; 0 when more bytes are needed (or, after ndjson_end, when all is done); -1 with err, err->line.
 */
int ndjson_next(struct ndjson *s, struct ndjson_line *ret, struct err *err);

/* Releases what the stream keeps; the struct itself and the chunk are the caller's. */
void ndjson_free(struct ndjson *s);

#endif
