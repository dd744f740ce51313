/* reporter: a running job's connection to the database, and what it tells there of itself.
 *
 * A job outlasts its database: the connection is made anew when it is needed and was lost, and what cannot be told is
 * left out or told later. The one failure that counts is a lost lease: then nothing may be written any more, `lost` is
 * set, and the job must end with ERR_LEASE_LOST.
 *
 * Progress goes out about once a second, whatever the caller does. Owned by the job; one thread. */
#ifndef EGALIGN_JOBS_REPORTER_H
#define EGALIGN_JOBS_REPORTER_H

#include "jobs/run.h"

struct pg;

struct reporter {
    const struct job_context *job;
    struct pg *pg;   /* NULL while there is none */
    int64_t told_at; /* when progress was last written */
    bool lost;       /* the lease */
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

/* -1 with ERR_LEASE_LOST once the lease is lost. */
int reporter_check(const struct reporter *r, struct err *err);

void reporter_close(struct reporter *r); /* ends the connection */

#endif
