/* job_series: what a job tells of itself as it goes: figures step by step, sample completions, and both together with
 * its log and its state as one stream of events.
 *
 * Written under the lease like everything a job writes; a step that is done again after a crash replaces its row. It
 * refuses to know what the figures mean. Functions that give JSON append one complete document to `out`. Thread rule:
 * as the pool or the connection. */
#ifndef EGALIGN_STORE_JOB_SERIES_H
#define EGALIGN_STORE_JOB_SERIES_H

#include "store/job.h"

/* ---- for run-job ---- */

struct job_figures {
    int64_t step;     /* 0 .. 2^31 - 1 */
    int64_t wall_us;  /* when; microseconds since 1970 */
    struct str json;  /* an object: numbers by name */
};

/* Stores the figures of `count` steps, each step once. ERR_LEASE_LOST. */
int job_metrics_store(struct pg *pg, const struct job_lease *lease, const struct job_figures *figures, int count,
                      struct err *err);

struct job_sample {
    struct str prompt, response;
    struct str json; /* an object: its scores by name */
};

/* Stores `count` (at most 1000) completions as the lines 0, 1, ... of `step`. Texts must be UTF-8 without NUL.
 * ERR_LEASE_LOST. */
int job_samples_store(struct pg *pg, const struct job_lease *lease, int64_t step, const struct job_sample *samples,
                      int count, struct err *err);

/* ---- for the API ---- */

/* Appends a page {items: [{step, at, figures}], next_cursor} of the steps after `after` (-1: from the start).
 * ERR_NOT_FOUND. */
int job_metrics(struct pool *pool, const struct uuid *project, const struct uuid *job, int64_t after, int limit,
                struct buf *out, struct err *err);

/* A position among the samples: behind all of a step. */
#define JOB_SAMPLE_POSITION(step) ((int64_t)(step) * 32768 + 32767)

/* Appends a page {items: [{step, line, prompt, response, figures}], next_cursor} of the completions behind `position`
 * (-1: from the start; a cursor is one). ERR_NOT_FOUND. */
int job_samples(struct pool *pool, const struct uuid *project, const struct uuid *job, int64_t position, int limit,
                struct buf *out, struct err *err);

/* How far somebody has read. */
struct job_cursor {
    int64_t line; /* of the log; 0: nothing yet */
    int64_t step; /* of the figures; -1: nothing yet */
};

enum job_event_kind { JOB_EVENT_LOG, JOB_EVENT_METRICS, JOB_EVENT_STATE };

struct job_event {
    enum job_event_kind kind;
    struct str json;          /* a line of the log, the figures of a step, or the job without options and attempts */
    struct job_cursor cursor; /* behind it */
    int64_t state;            /* of JOB_EVENT_STATE: differs when it has changed but for the time left */
    bool ended;               /* of JOB_EVENT_STATE: the job had ended when this was read */
};

/* Hands out what happened after `cursor` in order of time, at most `limit` lines and steps, then the state, always and
 * last. The event and its text last as long as the call of `take`. ERR_NOT_FOUND. */
int job_events(struct pool *pool, const struct uuid *project, const struct uuid *job, struct job_cursor cursor,
               int limit, void (*take)(void *context, const struct job_event *event), void *context, struct err *err);

#endif
