/* place: where the private cluster lives and as whom it runs.
 *
 * Everything is under the data directory: pg/ (the cluster, 0700), cluster.lock (held by the supervisor), conninfo (how
 * to connect, written when the server is ready), postgres.start.log (what the server said before its own log began).
 * The socket is in pg/ too, or, where that path is too long for a socket (107 bytes), in a folder of its own under
 * $XDG_RUNTIME_DIR or /tmp.
 *
 * PostgreSQL refuses root: then the cluster runs as the owner of an existing pg/, else as the user of the knob
 * postgres_user, else as postgres, else as nobody.
 *
 * Filled once, by the main thread. */
#ifndef EGALIGN_STORE_PLACE_H
#define EGALIGN_STORE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/config.h"
#include "base/err.h"

enum { PLACE_PATH = 1024, PLACE_USER = 64 };

struct place {
    char data_dir[PLACE_PATH]; /* absolute */
    char pg_dir[PLACE_PATH];
    char socket_dir[PLACE_PATH];
    char bin_dir[PLACE_PATH]; /* of postgres and initdb */
    char user[PLACE_USER];    /* as whom postgres runs */
    uid_t uid;
    gid_t gid;
    bool drop; /* we are root and must become that user first */
};

/* The data directory that the knob data_dir names, or its default; absolute, and not made. */
int place_data_dir(const struct config *config, char path[PLACE_PATH], struct err *err);

/* Joins the data directory and a name. */
int place_file(const char *data_dir, const char *name, char path[PLACE_PATH], struct err *err);

/* The folder of policies and checkpoints that the knob model_folder names, or its default; absolute, and not made. */
int place_model_folder(const struct config *config, char path[PLACE_PATH], struct err *err);

/* Makes the data directory if need be, and finds the rest. ERR_CONFIG when there is no PostgreSQL, when its version
 * does not fit the cluster, or when the storage does not keep data (see the knob allow_unsafe_storage). */
int place_find(const struct config *config, struct place *ret, struct err *err);

/* Whether pg/ has a cluster. */
bool place_has_cluster(const struct place *p);

/* Picks the folder of the socket and makes it, which needs pg_dir to exist. */
int place_socket_dir(struct place *p, struct err *err);

/* The connection string of the cluster. */
int place_conninfo(const struct place *p, char *text, size_t room, struct err *err);

#endif
