/* run: one job from its lease to its end, in the process that the worker starts for it (child.h).
 *
 * What each kind of job does is a function in a file of its own; the table in run.c says whose kind is whose. Whatever
 * happens it is tried to write how the job ended: done, by the statement that stores its results; failed, with code and
 * message; or, when the same may succeed later (a lost database, no memory), back to the queue with the reason. It
 * refuses to heartbeat: the worker does.
 *
 * SIGTERM means that the worker wants the job to end. Most kinds end at once: nothing is half-written, for the database
 * forgets an open transaction. Kinds that train finish their step, write a checkpoint and give the job back, which is
 * no failure; a job whose end was asked for is then cancelled.
 *
 * Thread rule: once a process. */
#ifndef EGALIGN_JOBS_RUN_H
#define EGALIGN_JOBS_RUN_H

#include <signal.h>

#include "base/uuid.h"
#include "jobs/child.h"
#include "store/job.h"

struct run_options {
    const char *conninfo;
    const char *model_folder; /* absolute: policies and the checkpoints of jobs; may not be there yet */
    const char *policy_folders; /* the knob: where else policies may be registered from */
    int threads;              /* 0: the number of cores less one, at least 1 */
    int attempts;             /* failures that end a job */
};

/* What the work of a kind is given; all of it stays until the process ends. */
struct job_context {
    const char *conninfo;
    const char *model_folder, *policy_folders;
    int threads; /* at least 1 */
    int attempts;
    const struct job_lease *lease;
    const volatile sig_atomic_t *stop; /* becomes true with SIGTERM, for kinds that go on from checkpoints */
};

/* The work of a kind: JOB_WRITTEN when the job is done and that is stored, JOB_STOPPED when it was told to stop and can
 * go on from what it left, -1 with what is to be written into the job (nothing for ERR_LEASE_LOST). */
enum { JOB_WRITTEN = 0, JOB_STOPPED = 1 };
typedef int job_work(const struct job_context *job, struct err *err);

/* Runs the job under the lease `token` and says what has been written about it. Logs. */
enum child_exit run_job(const struct run_options *options, const struct uuid *job, const struct uuid *token);

#endif
