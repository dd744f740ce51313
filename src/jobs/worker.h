/* worker: takes jobs from the queue, one at a time, and sees each to its end.
 *
 * It waits for NOTIFY egalign_job (and looks at the queue now and then all the same), claims a job, starts a child for
 * it (child.h), and keeps the lease alive by a heartbeat every third of its length. Somebody asked for the job's end:
 * SIGTERM to the child, which may finish its step and write a checkpoint, and SIGKILL after `stop_seconds`. The lease
 * was lost: the child is killed, and what it would still write is refused by the database. The child crashed: the job
 * goes back to the queue with the reason, until it has failed too often.
 *
 * Every worker also does what nobody in particular is there for: it frees jobs whose worker fell silent, runs the
 * scheduler (fit_schedule), which lets only one in at a time, and removes the files of deleted policies and of jobs
 * that ended long ago.
 *
 * A lost database is waited for with backoff; a child goes on computing meanwhile, and its lease decides whether what
 * it finds still counts. SIGTERM or SIGINT: the child is stopped, its job is given back without counting as a failure,
 * and worker_run returns.
 *
 * It refuses to run a job itself and to run two at once: run more workers. Thread rule: the process must have one
 * thread, the caller's; SIGTERM, SIGINT and SIGCHLD stay blocked in it afterwards. */
#ifndef EGALIGN_JOBS_WORKER_H
#define EGALIGN_JOBS_WORKER_H

#include "base/err.h"
#include "jobs/child.h"

struct worker_options {
    const char *conninfo; /* of the database */
    const char *model_folder;
    int lease_seconds;
    int attempts;         /* failures that end a job */
    int stop_seconds;     /* from SIGTERM to SIGKILL of a child */
    int poll_seconds;     /* how often the queue and the scheduler are looked at without a notification */
    int folder_hours;     /* that a failed or cancelled job keeps its folder; 0: for ever */
    int deadline_ms;      /* of a database operation */
    const struct child_setting *settings; /* for the child; ended by a NULL name */
};

/* Works until it is told to stop; 0 then. -1 only when it could not begin; a database that is not there yet is waited
 * for. */
int worker_run(const struct worker_options *options, struct err *err);

#endif
