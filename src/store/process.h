/* process: runs a program of PostgreSQL as the cluster's user.
 *
 * Between fork and exec only async-signal-safe calls are made, for the daemon may have threads by then: everything is
 * composed before. The child has an environment of its own, closes all descriptors, leaves the terminal's session, and
 * gets SIGINT (a fast shutdown for postgres) when the thread that forked it ends: so fork from the main thread only. */
#ifndef EGALIGN_STORE_PROCESS_H
#define EGALIGN_STORE_PROCESS_H

#include <sys/types.h>

#include "base/err.h"
#include "store/place.h"

enum { PROCESS_FILES = 2 };

struct process {
    const char *const *argv; /* argv[0] is the absolute path; ends with NULL */
    int input;               /* standard input, or -1 for /dev/null */
    int output;              /* standard output and error */
    pid_t grandparent;       /* PG_GRANDPARENT_PID, 0 for none */
    struct {                 /* files that the child writes as the cluster's user before it runs the program */
        const char *path, *text;
    } files[PROCESS_FILES];
};

/* Starts it; *ret_pid is to be waited for. */
int process_start(const struct place *place, const struct process *what, pid_t *ret_pid, struct err *err);

/* Starts it and waits for its end. ERR_SYSTEM unless it exits with 0. */
int process_run(const struct place *place, const struct process *what, struct err *err);

#endif
