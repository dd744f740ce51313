/* http: the HTTP server itself: libmicrohttpd with internal poll and a thread pool.
 *
 * Never its internal epoll mode: when exactly 128 x n connections are ready in one thread, that sleeps with all of them
 * unanswered (measured; tests/api/test_stall.py). It refuses to know what requests mean: see request.h.
 *
 * Thread rule: start, quiesce and stop from one thread. */
#ifndef EGALIGN_API_HTTP_H
#define EGALIGN_API_HTTP_H

#include "api/daemon.h"

/* Listens as the configuration says and serves. Sets api->daemon and api->port. */
int http_start(struct api *api, struct err *err);

/* No new connections from now on. */
void http_quiesce(struct api *api);

/* Closes every connection; none may be suspended. */
void http_stop(struct api *api);

#endif
