/* run: one job from its lease to its end, in the process that the worker starts for it (child.h).
 *
 * Whatever happens it tries to write how the job ended: done by its publication; failed with code and message; or, when
 * the same may succeed later (a lost database, no memory), back to the queue with the reason. It refuses to heartbeat:
 * the worker does. SIGTERM ends it at once; nothing is half-written, for the database forgets an open transaction.
 *
 * Thread rule: once a process. */
#ifndef EGALIGN_JOBS_RUN_H
#define EGALIGN_JOBS_RUN_H

#include "base/uuid.h"
#include "jobs/child.h"

struct run_options {
    const char *conninfo;
    int threads;  /* 0: the number of cores less one, at least 1 */
    int attempts; /* failures that end a job */
};

/* Runs the job under the lease `token` and says what has been written about it. Logs. */
enum child_exit run_job(const struct run_options *options, const struct uuid *job, const struct uuid *token);

#endif
