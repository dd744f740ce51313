/* reply: what will be answered to one request: status, header fields and a body of one of four kinds.
 *
 * It refuses to send: http does that, at the one exit of a request. Texts of header fields live in the request's arena
 * or are constants. Thread rule: belongs to its request. */
#ifndef EGALIGN_API_REPLY_H
#define EGALIGN_API_REPLY_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/document.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { REPLY_FIELDS = 16 };

/* Seconds after which a client should try again: long enough for a restart of the database, short enough for people. */
#define REPLY_RETRY_SECONDS "2"

struct reply_field {
    const char *name, *value;
};

struct reply {
    int status;         /* 0 until there is an answer */
    enum err_code code; /* ERR_OK, or why it failed; for the log line */
    bool close;         /* the connection ends with this answer */
    const char *content_type;
    struct reply_field fields[REPLY_FIELDS];
    size_t field_count;
    /* The body: the first of these that is there. */
    struct MHD_Response *stream; /* made by a handler; owned until it is sent */
    struct document *document;   /* one reference */
    struct buf body;
    int file; /* a descriptor of a regular file, owned until it is sent; -1 when there is none */
    int64_t file_size;
};

/* An empty reply. */
void reply_init(struct reply *r);

/* Frees what has not been handed over. */
void reply_free(struct reply *r);

/* Adds a header field; the texts stay the caller's until the answer has been sent. */
void reply_field(struct reply *r, const char *name, const char *value);

/* A JSON answer made of `body`, whose bytes are taken over. */
void reply_json(struct reply *r, int status, struct buf *body);

/* A JSON answer: a copy of text. */
void reply_text(struct reply *r, int status, struct str text);

/* An answer without a body. */
void reply_empty(struct reply *r, int status);

/* 200 with the document and its ETag, or 304 when if_none_match (may be NULL) names it. Takes over one reference. The
 * body of a 304 is set and not sent: its Content-Length must be that of the 200. */
void reply_document(struct reply *r, struct document *d, const char *if_none_match);

/* The problem document (RFC 9457) of `err`, in place of what was there; `request_id` is a member of it. Adds
 * Retry-After to answers that invite to try again, but for ERR_RATE_LIMITED. */
void reply_problem(struct reply *r, const struct err *err, const char *request_id);

/* Appends the problem document alone; errors is the text of a JSON array for its member `errors`, or NULL. */
void problem_render(struct buf *out, const struct err *err, const char *request_id, const char *errors);

#endif
