/* transaction: runs work in a transaction, again when the database asks for it.
 *
 * The work is a callback that may run more than once, so it must not have effects outside the database, or must begin
 * by undoing them. It returns 0 to commit; a failure rolls back. Soft errors (ERR_DATABASE_CONFLICT) are tried again up
 * to TRANSACTION_TRIES times within the deadline and counted in METRIC_DATABASE_RETRIES, and so is a connection that
 * was lost before the work did anything.
 *
 * When the answer to COMMIT itself was lost, the work may have been committed and ERR_DATABASE_DOWN says only that
 * nobody knows: callers make their writes repeatable (ON CONFLICT, or a check by key).
 *
 * Thread rule: any thread. */
#ifndef EGALIGN_STORE_TRANSACTION_H
#define EGALIGN_STORE_TRANSACTION_H

#include "base/err.h"
#include "store/pool.h"

enum { TRANSACTION_TRIES = 5 };

enum transaction_kind {
    TRANSACTION_WRITE,    /* read committed */
    TRANSACTION_SNAPSHOT, /* repeatable read, read only */
};

/* A callback: uses `pg` for named queries, never for BEGIN or COMMIT. */
typedef int transaction_work(struct pg *pg, void *context, struct err *err);

/* Runs `work` on a connection of the pool with `deadline_ns` (0: the pool's default from now). Gives back the work's
 * own failure, or that of the database. */
int transaction_run(struct pool *pool, enum transaction_kind kind, int64_t deadline_ns, transaction_work *work,
                    void *context, struct err *err);

/* The same on a connection that the caller holds; it must be idle, and is idle or lost afterwards. */
int transaction_on(struct pg *pg, enum transaction_kind kind, transaction_work *work, void *context, struct err *err);

#endif
