/* ingest: comparisons into the database, many to a commit.
 *
 * Group commit by natural batching: while a writer commits one group, new entries queue; then it takes everything that
 * waits (at most group_rows) and commits that with one round trip. There is no timed window: waiting for company only
 * costs (SERVICE.md A2). Texts are stored once; what this process has seen committed (store/known.h) is not sent again.
 *
 * Each entry succeeds or fails alone: unknown references, conflicts and data that PostgreSQL refuses (the group is halved
 * until the bad row stands alone) touch nobody else. A frozen or lost database answers every entry with ERR_DATABASE_DOWN
 * within `deadline_ms` of its submission, and connecting goes on with backoff.
 *
 * Ownership: an entry, and all that its judgement points to, belongs to the submitter, who must keep it unchanged until
 * `done` has been called. Thread rule: ingest_submit from any thread; `done` runs on a writer thread and must be short
 * and must not call back into this module; batches may run on many threads, one batch on one thread. */
#ifndef EGALIGN_STORE_INGEST_H
#define EGALIGN_STORE_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/judgement.h"

struct ingest;

struct ingest_options {
    const char *conninfo; /* libpq URI or key=value string */
    int writers;          /* threads, each with its own connection */
    int group_rows;       /* most entries of one commit; 1 is a transaction a row */
    int queue_rows;       /* most entries that wait; beyond, ERR_OVERLOADED */
    int deadline_ms;      /* from submission to answer */
    const char *spool_dir; /* where a batch longer than a block waits for its end (unnamed files); NULL is /tmp */
};

/* Starts the writers. Does not wait for the database: it may come later. */
int ingest_start(const struct ingest_options *options, struct ingest **ret, struct err *err);

/* Commits and answers what is queued, then ends the writers. Submissions from now on fail with ERR_DRAINING. */
void ingest_stop(struct ingest *ingest);
void ingest_free(struct ingest *ingest); /* stops first if need be; NULL is fine */

enum ingest_verdict { INGEST_STORED, INGEST_REPLAYED, INGEST_REFUSED };

struct ingest_entry {
    struct judgement judgement; /* the submitter's */
    void (*done)(struct ingest_entry *entry);
    void *context;
    enum ingest_verdict verdict; /* set before done(): STORED means committed and flushed */
    struct err err;              /* when REFUSED: CONFLICT, UNKNOWN_REFERENCE, DATABASE_DOWN, STORAGE_FULL ... */
    int64_t submitted_ns;        /* the rest is this module's */
    int twin;
    struct ingest_entry *next;
};

/* Queues the entry. On -1 (ERR_OVERLOADED, ERR_DRAINING) done() is not called. */
int ingest_submit(struct ingest *ingest, struct ingest_entry *entry, struct err *err);

/* A batch: a stream of comparisons of one project, of any length, in constant memory.
 *
 * All or nothing (default): nothing is written before the stream has ended and every line of it was found good, so a
 * slow sender holds no lock; a stream longer than one block waits in an unnamed file. With `skip`, each block commits by
 * itself and bad lines are only listed.
 *
 * These calls wait for the database (at most deadline_ms a block) and for the disk: never call them on a thread that
 * serves other connections. After a -1 of add or finish the batch can only be freed; nothing of an all-or-nothing batch
 * is stored then, unless the connection was lost during the commit itself. */
struct ingest_batch;

struct ingest_line_error {
    struct err err; /* with line and pointer */
};

struct ingest_report {
    int64_t accepted, duplicate, rejected; /* of an all-or-nothing batch with rejected > 0 nothing is stored */
    struct ingest_line_error *errors;      /* the first max_errors, by line; owned by the batch */
    int error_count;
};

int ingest_batch_open(struct ingest *ingest, bool skip, int max_errors, struct ingest_batch **ret, struct err *err);

/* Adds line `line`, 1-based. What it needs is copied. A line that is refused is only counted and listed; -1 means that
 * the batch cannot go on (ERR_DATABASE_DOWN, ERR_STORAGE_FULL, ERR_SYSTEM, ERR_NO_MEMORY). */
int ingest_batch_add(struct ingest_batch *batch, const struct judgement *judgement, long line, struct err *err);

/* Counts and lists a line that could not be read; line_error->line tells which. */
int ingest_batch_reject(struct ingest_batch *batch, const struct err *line_error, struct err *err);

/* The stream has ended: commits what is to be committed. 0 also when lines were rejected: see the report. */
int ingest_batch_finish(struct ingest_batch *batch, struct ingest_report *ret, struct err *err);
void ingest_batch_free(struct ingest_batch *batch); /* forgets what is not committed; NULL is fine */

#endif
