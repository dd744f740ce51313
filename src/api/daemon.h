/* daemon: what the parts of the HTTP service share: one struct for the process, made by api_start.
 *
 * Only files of this folder include it. The pointers are set before the first request and stay until after the last;
 * what they point to has its own thread rule. */
#ifndef EGALIGN_API_DAEMON_H
#define EGALIGN_API_DAEMON_H

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "api/document.h"
#include "api/executor.h"
#include "api/watch.h"
#include "base/buf.h"
#include "base/config.h"

struct pool;
struct ingest;
struct tokens;
struct projects;
struct published;
struct followers;
struct upkeep;

struct api {
    const struct config *config;
    struct MHD_Daemon *daemon;
    int port;
    int listen_fd; /* after http_quiesce, which takes it back from the library; else -1 */
    struct reaper *reaper;
    struct executor *readers;  /* for requests that wait for the database */
    struct executor *batchers; /* for blocks of NDJSON streams */
    struct pool *pool;
    struct ingest *ingest;
    struct tokens *tokens;
    struct projects *projects;
    struct published *published;
    struct followers *followers;
    struct upkeep *upkeep;
    struct document *openapi;
    struct buf timeout_answer; /* the whole 408 of a body that does not come: the reaper says it, for any request */
    char *web_dir;           /* folder of the pages; NULL when there is none */
    atomic_bool database_up; /* as the listener saw it last */
    atomic_bool draining;    /* no new work; every answer closes its connection */
    atomic_int active;       /* requests begun and not yet answered */
};

#endif
