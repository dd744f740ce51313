/* reporter: a running job's connection to the database, and what it tells there of itself.
 *
 * A job outlasts its database: the connection is made anew when it is needed and was lost, and what cannot be told is
 * left out or told later. The one failure that counts is a lost lease: then nothing may be written any more, `lost` is
 * set, and the job must end with ERR_LEASE_LOST.
 *
 * Progress goes out about once a second, whatever the caller does. Owned by the job; one thread. */
#ifndef EGALIGN_JOBS_REPORTER_H
#define EGALIGN_JOBS_REPORTER_H

#include "jobs/pace.h"
#include "jobs/run.h"
#include "store/job_series.h"

struct pg;

struct reporter {
    const struct job_context *job;
    struct pg *pg;   /* NULL while there is none */
    int64_t told_at; /* when progress was last written */
    bool lost;       /* the lease */
    struct job_figures *figures; /* that are not stored yet; owned, with their texts */
    int figure_count, figure_room;
    int64_t stored_at; /* when figures were last stored */
};

/* A connection for a job: no statement timeout, and a deadline that leaves room for long reads. */
int reporter_connect(const char *conninfo, struct pg **ret, struct err *err);

/* The connection, made anew if need be, with a deadline of `ms` from now; 0 is the long one of reporter_connect. NULL
 * with ERR_DATABASE_DOWN. It stays the reporter's. */
struct pg *reporter_pg(struct reporter *r, int64_t ms, struct err *err);

/* Writes the stage, the share done (0 .. 1) and the figures of the moment (a JSON object), at most once a second unless
 * it is `important`. */
void reporter_tell(struct reporter *r, const char *stage, double share, const char *metrics, bool important);

/* Adds a line to the job's log; `level` is "info", "warning" or "error". */
void reporter_say(struct reporter *r, const char *level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Adds the figures of a step (a JSON object) to the job's series. They are stored about once a second, and again and
 * again while the database is away, as long as they are not more than REPORTER_FIGURES_MOST: then the oldest go. */
enum { REPORTER_FIGURES_MOST = 4096 };
void reporter_figures(struct reporter *r, int64_t step, struct str json);

/* Stores the figures that wait, now. What cannot be stored still waits. */
void reporter_flush(struct reporter *r);

/* For a course of the job that keeps its checkpoints in `folder`: one after `every` steps (0: five minutes), and when
 * the job is told to stop. The figures until a checkpoint are stored before it: the next attempt does not make them
 * again. Both are borrowed. */
struct pace reporter_pace(struct reporter *r, const char *folder, int64_t every);

/* Stores sample completions of a step; when that fails they are left out. */
void reporter_samples(struct reporter *r, int64_t step, const struct job_sample *samples, int count);

/* Whether what failed with `err`, the `tried`th time, is worth another try, after a while that is slept here: as long
 * as the database is away, for then nobody else can have the job either; ten times after a conflict. Not when the job
 * is told to stop. */
bool reporter_again(const struct reporter *r, int tried, const struct err *err);

/* -1 with ERR_LEASE_LOST once the lease is lost. */
int reporter_check(const struct reporter *r, struct err *err);

void reporter_close(struct reporter *r); /* ends the connection; what was not stored is lost */

#endif
