/* api: the HTTP service, as `egalign serve` starts and stops it.
 *
 * It starts whether or not the database answers: /healthz is 200 at once, /readyz when the schema is there and the
 * tokens have been read. It refuses to make a database, to start workers and to look at signals: the caller does.
 *
 * Thread rule: one thread calls these functions. */
#ifndef EGALIGN_API_API_H
#define EGALIGN_API_API_H

#include <stdbool.h>

#include "base/config.h"
#include "base/err.h"

struct api;

/* Starts to serve with the database `conninfo`. `config` and conninfo must stay until api_stop. */
int api_start(const struct config *config, const char *conninfo, struct api **ret, struct err *err);

/* The TCP port it listens on. */
int api_port(const struct api *api);

/* Whether it answers 200 at /readyz. */
bool api_ready(const struct api *api);

/* True, with why, when it can never become ready: a schema that does not fit. */
bool api_hopeless(struct api *api, struct err *ret);

/* The database is known to be up again. */
void api_database_is_up(struct api *api);

/* Stops, in order: no new connections, /readyz 503, streams ended, requests in work answered (at most `seconds`), what
 * is queued committed, connections closed. Frees `api`; NULL is fine. */
void api_stop(struct api *api, int seconds);

#endif
