/* cluster: the private PostgreSQL that `egalign serve` makes and supervises when no database URL is given.
 *
 * It listens on a unix socket only, lets in root, the cluster's user and the user of the daemon (peer authentication
 * through a map), keeps fsync on, and runs as a child of the daemon: it ends with it, also when the daemon is killed. A
 * lock on the data directory keeps a second supervisor out. When the server dies it is started again with back-off
 * (0.1 to 5 s); after 5 deaths in 60 s it is given up.
 *
 * A stale postmaster.pid is never removed: PostgreSQL judges it by itself, except that it takes any live process of
 * that number for a server; when that process is another program, PostgreSQL is told so.
 *
 * Thread rule: all of it on the main thread, because the server ends with the thread that forked it. */
#ifndef EGALIGN_STORE_CLUSTER_H
#define EGALIGN_STORE_CLUSTER_H

#include <stddef.h>
#include <sys/types.h>

#include "base/config.h"
#include "base/err.h"

enum { CLUSTER_CONNINFO = 2048 };

struct cluster;

enum cluster_state {
    CLUSTER_STARTING, /* also: waiting to be started again */
    CLUSTER_READY,
    CLUSTER_FAILED, /* died too often: given up */
};

/* Makes the cluster in the data directory of `config` when there is none (under a second), and launches the server
 * without waiting for it. ERR_CONFIG when another process supervises it, or as place_find. */
int cluster_start(const struct config *config, struct cluster **ret, struct err *err);

/* Connection string, valid as long as the cluster. */
const char *cluster_conninfo(const struct cluster *c);

/* To be called every 100 ms or so, and after SIGCHLD: reaps, restarts, notices readiness. When something happened that
 * should be logged, `event` has a code other than ERR_OK and says what: the server ended, or was given up. */
enum cluster_state cluster_step(struct cluster *c, struct err *event);

/* Calls cluster_step until the server is ready. ERR_DATABASE_DOWN when it is given up or `timeout_ms` have passed,
 * ERR_CONFIG when it cannot help to try again. */
int cluster_wait_ready(struct cluster *c, long timeout_ms, struct err *err);

/* The server's process, 0 when it is not running. */
pid_t cluster_pid(const struct cluster *c);

/* Stops the server (SIGINT; after 10 s SIGQUIT; never SIGKILL), waits for it, lets go of the data directory and frees
 * `c`. Connections should be closed before. NULL is allowed. */
void cluster_stop(struct cluster *c);

/* For other processes of the same machine: the connection string of the cluster that some daemon supervises in the data
 * directory of `config`. Waits a few seconds for one that is starting. ERR_DATABASE_DOWN when there is none. */
int cluster_find(const struct config *config, char *conninfo, size_t room, struct err *err);

#endif
