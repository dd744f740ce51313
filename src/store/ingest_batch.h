/* ingest_batch: a stream of comparisons, of any length, in constant memory.
 *
 * All or nothing (the default): nothing is written before the stream has ended and every line of it was found good, so
 * a slow sender holds no lock and no connection. A stream of one block is stored by one transaction. A longer one is
 * checked block by block and waits in an unnamed file; at its end its annotators, items and responses are stored in
 * transactions of their own, and then all comparisons in one: holding rows that others wait for (a new annotator, say)
 * through a long transaction would stop their single posts. So a commit that fails at that point can leave texts
 * behind, never a comparison. With `skip`, each block commits by itself and bad lines are only listed.
 *
 * These calls wait for the database (at most the ingest deadline a block) and for the disk: never call them on a thread
 * that serves other connections. Thread rule: many batches at a time, one thread each. */
#ifndef EGALIGN_STORE_INGEST_BATCH_H
#define EGALIGN_STORE_INGEST_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/judgement.h"

struct ingest;
struct ingest_batch;

struct ingest_line_error {
    struct err err; /* with line and pointer */
};

struct ingest_report {
    int64_t accepted, duplicate, rejected;  /* of an all-or-nothing batch with rejected > 0 nothing is stored */
    const struct ingest_line_error *errors; /* by line; at most max_errors; the batch's */
    int error_count;
};

/* `ingest` must outlive the batch. max_errors >= 1. */
int ingest_batch_open(struct ingest *ingest, bool skip, int max_errors, struct ingest_batch **ret, struct err *err);
void ingest_batch_free(struct ingest_batch *batch); /* forgets what is not committed; NULL is fine */

/* Adds line `line`, 1-based; what is needed of the judgement is copied. A line that is refused is only counted and
 * listed. -1 means that the batch cannot go on (ERR_DATABASE_DOWN, ERR_STORAGE_FULL, ERR_SYSTEM, ERR_NO_MEMORY): it can
 * only be freed then. */
int ingest_batch_add(struct ingest_batch *batch, const struct judgement *judgement, long line, struct err *err);

/* Counts and lists a line that could not be read; why->line tells which. */
void ingest_batch_reject(struct ingest_batch *batch, const struct err *why);

/* The stream has ended: commits what is to be committed. 0 also when lines were rejected: the report tells. After -1 of
 * an all-or-nothing batch no comparison of it is stored, unless the connection was lost during the commit itself;
 * sending it again is safe when its lines have ids. */
int ingest_batch_finish(struct ingest_batch *batch, struct ingest_report *ret, struct err *err);

#endif
