/* route: what one operation of the HTTP API is. From the one table of routes follow routing, authorisation, the Allow
 * header of 405, the checks of body and query, and the OpenAPI document.
 *
 * Constant data; no shared state. */
#ifndef EGALIGN_API_ROUTE_H
#define EGALIGN_API_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "api/target.h"
#include "base/err.h"
#include "base/json.h"

struct request;

enum { ROUTE_PUBLIC = -1, ROUTE_ANSWERS = 4, ROUTE_PARAMETERS = 3 };

enum route_flag {
    ROUTE_HERE = 1,          /* the handler never waits: it runs on the HTTP thread */
    ROUTE_BODY_OPTIONAL = 2, /* no body is the same as {} */
    ROUTE_NDJSON = 4,        /* also takes application/x-ndjson, by batch */
    ROUTE_IDEMPOTENT = 8,    /* takes an Idempotency-Key */
    ROUTE_CONDITIONAL = 16,  /* takes If-None-Match */
    ROUTE_TRACED = 32,       /* carries a traceparent into what it starts */
    ROUTE_LATER = 64,        /* the handler answers later, by request_finish */
    ROUTE_FOLLOWED = 128,    /* its 200 is a stream of NDJSON when `follow=true` asks for it */
    ROUTE_RESUMED = 256,     /* takes a Last-Event-ID */
};

enum query_kind { QUERY_INT, QUERY_BOOL, QUERY_CHOICE, QUERY_TEXT };

struct query_parameter {
    const char *name;
    enum query_kind kind;
    long least, most;           /* QUERY_INT; QUERY_TEXT: of its length */
    const char *const *choices; /* QUERY_CHOICE, ended by NULL */
    const char *about;
};

/* A table of query parameters ends with a zeroed one. */

struct answer {
    int status;
    const char *schema; /* name of a schema of the document; "" is no body, "*" any bytes */
    const char *about;
};

struct route {
    const char *method;
    const char *path; /* "/v1/projects/{project}/..." */
    const char *id;   /* operationId */
    int role;         /* least enum role, or ROUTE_PUBLIC */
    unsigned flags;
    const struct json_shape *body;        /* of the JSON body; NULL when there is none */
    const struct query_parameter *query;  /* NULL is none */
    struct answer answers[ROUTE_ANSWERS]; /* good ones, and errors of its own; common errors follow from the rest */
    const char *summary;
    const char *example; /* of the body, JSON text; NULL when there is none */
    /* May answer from memory, on the HTTP thread; false when it cannot. NULL is never. */
    bool (*from_memory)(struct request *request);
    /* 0 when it has answered (or, with ROUTE_LATER, will), -1 with err. Runs where the flags say. */
    int (*handle)(struct request *request, struct err *err);
};

extern const struct route routes[];
extern const size_t route_count;

/* What the path names: the values of the template's {parameters}, in order. */
struct route_match {
    const struct route *route; /* NULL when no route has path and method */
    bool path_known;           /* but another method has the path: 405 */
    struct str parameters[ROUTE_PARAMETERS];
};

/* HEAD is taken as GET. */
struct route_match route_find(const char *method, const struct target *target);

/* The methods of the path, for Allow: "GET, HEAD, POST"; lives as long as the arena. "" when out of memory. */
const char *route_allow(const struct target *target, struct arena *arena);

/* The position of parameter `name` among the parameters of the template; -1 when it has none. */
int route_parameter(const struct route *route, const char *name);

/* Checks the query against the route's table: unknown members, types, ranges. */
int route_check_query(const struct route *route, const struct target *target, struct err *err);

#endif
