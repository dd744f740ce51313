/* ingest: comparisons into the database, many to a commit.
 *
 * Group commit by natural batching: while a writer commits one group, new entries queue; then it takes everything that
 * waits (at most group_rows) and commits that with one round trip. There is no timed window: waiting for company only
 * costs. Texts are stored once; what this process has seen committed (store/known.h) is not sent again.
 *
 * Each entry succeeds or fails alone: unknown references, conflicts and data that PostgreSQL refuses (the group is
 * halved until the bad row stands alone) touch nobody else. A frozen or lost database answers every entry with
 * ERR_DATABASE_DOWN within `deadline_ms` of its submission, and connecting goes on with backoff.
 *
 * Ownership: an entry, and all that its judgement points to, belongs to the submitter, who must keep it unchanged until
 * `done` has been called. Thread rule: ingest_submit from any thread; `done` runs on a writer thread and must be short
 * and must not call back into this module. Streams of comparisons are ingest_batch.h's. */
#ifndef EGALIGN_STORE_INGEST_H
#define EGALIGN_STORE_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/ingest_batch.h"
#include "store/judgement.h"

struct ingest;
struct known;
struct pool;

struct ingest_options {
    const char *conninfo;  /* libpq URI or key=value string */
    int writers;           /* threads, each with its own connection */
    int group_rows;        /* most entries of one commit; 1 is a transaction a row */
    int queue_rows;        /* most entries that wait; beyond, ERR_OVERLOADED */
    int deadline_ms;       /* from submission to answer */
    const char *spool_dir; /* where a batch longer than a block waits for its end (unnamed files); NULL: /var/tmp */
};

/* Starts the writers. Does not wait for the database: it may come later. */
int ingest_start(const struct ingest_options *options, struct ingest **ret, struct err *err);

/* Commits and answers what is queued, then ends the writers. Submissions from now on fail with ERR_DRAINING. */
void ingest_stop(struct ingest *ingest);
void ingest_free(struct ingest *ingest); /* stops first if need be; NULL is fine */

struct ingest_entry {
    struct judgement judgement; /* the submitter's */
    void (*done)(struct ingest_entry *entry);
    void *context;
    enum judgement_verdict verdict; /* set before done() */
    struct err err;                 /* when refused */
    int64_t submitted_ns;           /* the rest is this module's */
    struct ingest_entry *next;
};

/* What batches share with the writers (ingest_batch.c). */
struct known *ingest_known(struct ingest *ingest);
struct pool *ingest_batch_pool(struct ingest *ingest);
const struct ingest_options *ingest_options_of(const struct ingest *ingest);

/* Queues the entry. On -1 (ERR_OVERLOADED, ERR_DRAINING) done() is not called. */
int ingest_submit(struct ingest *ingest, struct ingest_entry *entry, struct err *err);

#endif
