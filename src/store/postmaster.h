/* postmaster: what PostgreSQL's lock file, postmaster.pid in its data directory, says about a running server.
 *
 * Only reads; the file belongs to PostgreSQL. Any thread. */
#ifndef EGALIGN_STORE_POSTMASTER_H
#define EGALIGN_STORE_POSTMASTER_H

#include <stdbool.h>
#include <sys/types.h>

enum postmaster_kind {
    POSTMASTER_NONE,     /* no file, or its process is gone: PostgreSQL starts by itself */
    POSTMASTER_RUNNING,  /* a live server of this data directory */
    POSTMASTER_MISTAKEN, /* the number now belongs to another program, which PostgreSQL would take for a server */
};

/* Judges `pg_dir`/postmaster.pid by /proc; *ret_pid is the number in it, 0 when there is none. */
enum postmaster_kind postmaster_kind(const char *pg_dir, pid_t *ret_pid);

/* Whether the file names `pid` and says that it takes connections. */
bool postmaster_ready(const char *pg_dir, pid_t pid);

#endif
