/* job: the queue, which is a table.
 *
 * A job is queued, running, and then done, failed or cancelled. A worker claims it and holds it by a lease: a token,
 * and a time by the database's clock that its heartbeats push on. Every write of a worker names the token, so a worker
 * whose lease was given to another can write nothing (ERR_LEASE_LOST). Two fits of one project never run at once, and
 * neither do two training jobs (sft, ppo, rebase, reward). Projects take turns: the one whose last start is longest ago
 * comes first.
 *
 *   queued --claim--> running --job_end--> done | failed | cancelled --retry--> queued
 *                        '--release (crash, lost lease: a failure; the job_attempts-th ends it) --> queued | failed
 *
 * Every change of state and every progress sends NOTIFY egalign_job with the job's id, and, when a worker has let go of
 * it, a space and its state. It refuses to run jobs, to know what is in their parameters, and to read any clock but the
 * database's. Making a job is the business of what it makes: see fit.h.
 *
 * Functions that give JSON append one complete document to `out`. Those for workers take a connection, and each is one
 * statement that may stand in a transaction of the caller. Thread rule: as the pool or the connection. */
#ifndef EGALIGN_STORE_JOB_H
#define EGALIGN_STORE_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "store/page.h"

struct pg;
struct pool;

/* ---- for the API and the command line: jobs of one project ---- */

/* Appends the job {id, project, kind, options, state, fit, policy, evaluation, stage, progress, seconds_left, metrics,
 * error, cancel_requested, created_at, started_at, finished_at, attempts: [{attempt, worker, started_at, ended_at,
 * reason}]}. ERR_NOT_FOUND. */
int job_get(struct pool *pool, const struct uuid *project, const struct uuid *job, struct buf *out, struct err *err);

/* Appends a page, newest first; `state` keeps only the jobs in it (NULL: any; must be one of the five names). */
int job_list(struct pool *pool, const struct uuid *project, const char *state, const struct page *page,
             struct buf *out, struct err *err);

/* Asks for the job's end: a queued one ends at once, a running one when its worker next looks; asking again changes
 * nothing. Appends the job as it is then. ERR_NOT_FOUND; ERR_CONFLICT when it has ended. */
int job_cancel(struct pool *pool, const struct uuid *project, const struct uuid *job, struct buf *out, struct err *err);

/* Puts a failed or cancelled job into the queue again and appends it. ERR_NOT_FOUND; ERR_CONFLICT in any other state.
 * */
int job_retry(struct pool *pool, const struct uuid *project, const struct uuid *job, struct buf *out, struct err *err);

/* Appends a page {items: [{line, at, level, message}], next_cursor} of the job's log: the lines after `after` (0: from
 * the start), at most `limit`; next_cursor is the last line's number, null when there was none. *ret_last is that
 * number, or `after`. *ret_ended: the job had ended when the lines were read, so that after an empty page nothing
 * follows. Both may be NULL. ERR_NOT_FOUND. */
int job_log(struct pool *pool, const struct uuid *project, const struct uuid *job, int64_t after, int limit,
            struct buf *out, int64_t *ret_last, bool *ret_ended, struct err *err);

/* ---- for workers ---- */

enum { JOB_PROJECT_NAME_SIZE = 64, JOB_KIND_SIZE = 16 };

/* A running job and the right to write about it. */
struct job_lease {
    struct uuid job, token;
    struct uuid project;
    char project_name[JOB_PROJECT_NAME_SIZE];
    char kind[JOB_KIND_SIZE]; /* "fit", ... */
    int attempt;              /* 1, 2, ... */
};

enum job_outcome { JOB_DONE, JOB_FAILED, JOB_CANCELLED };

/* Takes the next job for `worker` ("host:pid") with a lease of `seconds`. 1 and *ret, 0 when there is none, -1 with
 * err. Not to be called in a transaction. */
int job_claim(struct pg *pg, const char *worker, int seconds, struct job_lease *ret, struct err *err);

/* The lease of a running job whose token the caller was given (run-job, from its worker). ERR_LEASE_LOST. */
int job_lease_find(struct pg *pg, const struct uuid *job, const struct uuid *token, struct job_lease *ret,
                   struct err *err);

/* The options of the job: JSON text with a NUL behind it, in the caller's arena; may be changed. ERR_LEASE_LOST. */
int job_params(struct pg *pg, const struct job_lease *lease, struct arena *arena, char **ret, size_t *ret_length,
               struct err *err);

/* Pushes the lease on to `seconds` from now. *ret_cancel: somebody asked for the job's end. ERR_LEASE_LOST. */
int job_heartbeat(struct pg *pg, const struct job_lease *lease, int seconds, bool *ret_cancel, struct err *err);

/* Records what the job does now: a stage in words, the share done (0 .. 1; it never falls within an attempt) and
 * figures by name (a JSON object). ERR_LEASE_LOST. */
int job_progress(struct pg *pg, const struct job_lease *lease, const char *stage, double share, const char *metrics,
                 struct err *err);

/* Adds a line to the job's log; `level` is "info", "warning" or "error". ERR_LEASE_LOST. */
int job_say(struct pg *pg, const struct job_lease *lease, const char *level, const char *message, struct err *err);

/* First statement of a transaction that publishes: from here on nobody can take the job away. ERR_LEASE_LOST. */
int job_hold(struct pg *pg, const struct job_lease *lease, struct err *err);

/* Ends the job. `why` is NULL unless it failed: then its wire code and message become the job's error. The attempt and
 * the log keep `reason`. ERR_LEASE_LOST. */
int job_end(struct pg *pg, const struct job_lease *lease, enum job_outcome outcome, const struct err *why,
            const char *reason, struct err *err);

/* Gives the job back to the queue with a reason. A `failure` (ERR_OK: it is none) counts, and the `most`-th ends the
 * job as failed, with that code. A job whose end was asked for is cancelled instead. ERR_LEASE_LOST. */
int job_release(struct pg *pg, const struct job_lease *lease, enum err_code failure, int most, const char *reason,
                struct err *err);

/* Frees the jobs whose lease has run out, as job_release with a failure; any worker may. *ret_failed: how many of them
 * have failed for good. Returns how many were freed, or -1. */
int job_recover(struct pg *pg, int most, int *ret_failed, struct err *err);

/* The first of `count` jobs whose folder (jobs/job_folder.h) is kept no longer: it failed or was cancelled more than
 * `hours` ago (0: never), or is done; 1 and its id, 0 when there is none. Nobody else can change the job until the
 * transaction that this is called in has ended; its log says that the folder went. */
int job_folder_due(struct pg *pg, const struct uuid *jobs, size_t count, int hours, struct uuid *ret, struct err *err);

#endif
