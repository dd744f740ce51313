/* child: the process that does a job's work, `egalign run-job`.
 *
 * A job runs in a process of its own: its memory goes back to the system when it ends, it can be killed at any
 * moment, and what crashes it leaves the worker standing. It runs at nice 19, dies with the worker (PR_SET_PDEATHSIG),
 * and gets its settings in the environment, because the connection string may hold a password and command lines are
 * public.
 *
 * It reports to the database by itself, fenced by the lease token, rather than to the worker through a pipe: then a
 * worker has nothing to parse or to lose, and what a job says is stored in the order in which it says it. The worker
 * only keeps the lease alive and watches the process.
 *
 * Thread rule: the thread that starts a child must live as long as the worker, for the child dies with it; the worker
 * has one. */
#ifndef EGALIGN_JOBS_CHILD_H
#define EGALIGN_JOBS_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* How `egalign run-job` ends: what it has written about its job, so what is left to the worker. A
 * status that means "written" is none that crashes or sanitizers have. */
enum child_exit {
    CHILD_DONE = 0,       /* the job is done */
    CHILD_FAILED = 65,     /* the job has failed, for good */
    CHILD_SPEECHLESS = 70, /* nothing could be written: the worker has to */
    CHILD_RELEASED = 75    /* the job is in the queue again, or has failed once too often */
};

struct child_setting {
    const char *name, *value; /* of the environment */
};

/* Starts this program again with `arguments` (ended by NULL; argv[0] included) and the settings (ended by a NULL name)
 * added to the environment. */
int child_start(const char *const *arguments, const struct child_setting *settings, pid_t *ret, struct err *err);

/* Whether the child has ended; then *ret_status is that of waitpid, and the process is gone. Does not wait. */
bool child_ended(pid_t pid, int *ret_status);

/* How it ended, in words: "was killed by signal 9 (Killed)". */
void child_describe(int status, char *text, size_t size);

#endif
