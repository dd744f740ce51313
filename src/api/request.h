/* request: one HTTP request from its first byte to its log line.
 *
 * It is made when the request line has arrived, checked when the header section is there (framing, route, token, query,
 * media type, size: before a byte of the body is read), given its body, handed to its handler, and answered at one exit
 * that also writes the log line, counts, and frees the arena. A handler that has to wait runs on the executor, or
 * answers later by request_finish; its connection is suspended meanwhile.
 *
 * Thread rule: one thread at a time: an HTTP thread, or, between suspension and request_finish, the one that carries it
 * out. After request_finish the caller must not touch it. */
#ifndef EGALIGN_API_REQUEST_H
#define EGALIGN_API_REQUEST_H

#include <microhttpd.h>

#include "api/auth.h"
#include "api/daemon.h"
#include "api/framing.h"
#include "api/reply.h"
#include "api/route.h"
#include "base/buf.h"
#include "store/ingest.h"
#include "store/page.h"

enum { REQUEST_ID_SIZE = 65 };

enum request_phase {
    REQUEST_HEAD,     /* the header section has not been checked yet */
    REQUEST_BODY,     /* the body is arriving */
    REQUEST_DISCARD,  /* the answer is ready, the body is thrown away */
    REQUEST_SHUT,     /* the answer was sent around the library, the rest is thrown away */
    REQUEST_WORKING,  /* suspended: another thread has it */
    REQUEST_ANSWERED, /* the answer is ready */
};

struct request {
    struct task task; /* first, so that a task is its request */
    struct api *api;
    struct MHD_Connection *connection;
    struct watch *watch;
    struct arena arena;            /* everything that lives as long as the request */
    int64_t started_ns, queued_ns; /* when its first byte came; when it was given to the executor */
    enum request_phase phase;
    const char *method;
    struct target target;
    struct err target_err; /* why the target is not acceptable, if it is not */
    struct framing framing;
    char id[REQUEST_ID_SIZE];
    const char *traceparent; /* NULL when there is none */
    struct route_match match;
    const struct route *route; /* NULL until known */
    struct principal who;
    bool looked_again, look_failed; /* for a token that was not known; the database did not answer */
    bool has_project;
    struct uuid project; /* of the path, when has_project */
    struct buf body;
    void *input;               /* the body as the struct of route->body */
    struct stream *stream;     /* of an NDJSON stream */
    struct ingest_entry entry; /* of a single comparison */
    struct reply reply;
};

/* The library's callbacks; `api` is their context. */
void *request_on_target(void *api, const char *target, struct MHD_Connection *connection);
enum MHD_Result request_on_data(void *api, struct MHD_Connection *connection, const char *url, const char *method,
                                const char *version, const char *data, size_t *size, void **request);
void request_on_end(void *api, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode how);

/* The answer is in r->reply, or is the problem `err` when that is not NULL: wakes the connection, which sends it. */
void request_finish(struct request *r, const struct err *err);

/* Suspends the connection: the request belongs to another thread until request_finish or request_go_on. Only on the
 * HTTP thread. */
void request_suspend(struct request *r);

/* Wakes a connection whose body is still arriving. */
void request_go_on(struct request *r);

/* Answers at once, around the library, while the body is still arriving (it would only answer after its end). */
void request_last_word(struct request *r, const struct err *err);

/* A header of the request; NULL when it was not sent. */
const char *request_header(const struct request *r, const char *name);

/* The value of a {parameter} of the path. */
struct str request_parameter(const struct request *r, const char *name);

/* A {parameter} that is a UUID; ERR_NOT_FOUND when it is none. */
int request_uuid(const struct request *r, const char *name, struct uuid *ret, struct err *err);

/* The page that the query asks for, with the store's defaults. */
struct page request_page(const struct request *r);

/* Whether a boolean member of the query is true. */
bool request_asks(const struct request *r, const char *name);

#endif
