/* pool: a bounded set of connections that threads share.
 *
 * A connection is taken with a deadline, which then holds for all that is done on it, and given back. Connections are
 * made when they are wanted. While the server cannot be reached, one attempt at a time is made with exponential
 * back-off (50 ms to 5 s, with jitter) and everybody else is told ERR_DATABASE_DOWN at once, so that no thread piles up
 * waiting. Counts METRIC_DATABASE_RECONNECTS.
 *
 * It refuses to retry statements (see transaction.h) and to hold transactions open: a connection that comes back lost
 * or within a transaction is closed.
 *
 * Thread rule: any thread. The pool is freed when no connection is out. */
#ifndef EGALIGN_STORE_POOL_H
#define EGALIGN_STORE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/pg.h"

struct pool;

struct pool_options {
    struct pg_options pg; /* copied */
    int size;             /* connections at most, 1 .. 64 */
    int64_t deadline_ms;  /* default time for taking a connection and all work on it */
    /* Called whenever a connection is found lost, in use or idle, and before another takes its place. Holds a lock of
     * the pool: it must be short and must not call back. NULL: nobody needs to know. */
    void (*lost)(void *context);
    void *lost_context;
};

/* No connection is made yet. */
int pool_new(const struct pool_options *options, struct pool **ret, struct err *err);
void pool_free(struct pool *pool);

/* Takes a connection with `deadline_ns` (see pg_deadline), 0 for the pool's default from now. ERR_OVERLOADED when none
 * came free in time, ERR_DATABASE_DOWN when the server cannot be reached. */
int pool_take(struct pool *pool, int64_t deadline_ns, struct pg **ret, struct err *err);

/* The deadline of something that begins now, by the pool's default. */
int64_t pool_deadline(const struct pool *pool);

/* Gives it back, whatever its state. NULL is allowed. */
void pool_give(struct pool *pool, struct pg *pg);

/* False from a failed attempt to connect, or a missed deadline, until the next connection that works. */
bool pool_healthy(struct pool *pool);

/* The server is known to be up again: the next attempt need not wait for the back-off. */
void pool_retry_now(struct pool *pool);

/* Runs one named query on a connection of the pool. A connection that turns out to be lost is replaced once, which can
 * run the statement twice: for reading, or for statements that may be repeated. *ret is the caller's. */
int pool_query(struct pool *pool, enum query query, const struct pg_params *params, struct pg_result **ret,
               struct err *err);

/* As pool_query for a query that answers with one row of one column, which is appended to `out` as it is: how a GET is
 * answered. ERR_NOT_FOUND when there is no row or it is null. */
int query_json(struct pool *pool, enum query query, const struct pg_params *params, struct buf *out, struct err *err);

#endif
