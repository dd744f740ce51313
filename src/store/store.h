/* store: the door to the database: which one it is, and how a program opens it.
 *
 * Every command finds its database here: the knob database_url, or the private cluster that a running daemon supervises
 * in the data directory. Any thread. */
#ifndef EGALIGN_STORE_STORE_H
#define EGALIGN_STORE_STORE_H

#include <stddef.h>

#include "base/config.h"
#include "base/err.h"
#include "store/pool.h"

enum { STORE_CONNINFO = 2048 };

/* The connection string into conninfo[room]; STORE_CONNINFO is enough for the private cluster. ERR_DATABASE_DOWN when
 * there is neither a database_url nor a running cluster. */
int store_conninfo(const struct config *config, char *conninfo, size_t room, struct err *err);

/* A pool by the knobs database_pool and database_deadline_ms on `conninfo`, whose statements the server gives up half a
 * second before the deadline: so a slow statement is told from a frozen server. */
int store_pool(const struct config *config, const char *conninfo, const char *application, struct pool **ret,
               struct err *err);

/* Connects to `conninfo` without any limit on statements, migrates, and disconnects. *ret_applied may be NULL. Waits up
 * to `timeout_ms` for it all. */
int store_migrate(const char *conninfo, long timeout_ms, int *ret_applied, struct err *err);

#endif
