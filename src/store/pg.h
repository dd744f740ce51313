/* pg: one connection to PostgreSQL on which nothing waits past its deadline.
 *
 * libpq is used non-blocking, under poll(2), and every operation ends by the connection's deadline (pg_set_deadline): a
 * frozen server gives ERR_DATABASE_DOWN in time and the connection is closed, for its state is then unknown. The one
 * exception is the look-up of a host name, which libpq does by itself. There is no cancel request: libpq has only a
 * blocking one, and statement_timeout does its work on the server.
 *
 * Statements are the named queries of query.h, prepared on a connection when it first uses them. Parameters are
 * in param.h, rows in result.h. pg_script runs SQL that is not a named query (migrations, BEGIN) and returns no rows.
 *
 * It refuses to reconnect (pool does), to retry (transaction does) and to log.
 *
 * Errors: one function maps SQLSTATE to the project's codes. Soft errors, after which the same transaction may succeed
 * (serialization failure, deadlock, lock not available), are ERR_DATABASE_CONFLICT. A lost, frozen, stopping or
 * read-only server is ERR_DATABASE_DOWN, a full disk ERR_STORAGE_FULL, a duplicate key ERR_CONFLICT, a missing
 * reference ERR_UNKNOWN_REFERENCE, data that no column takes ERR_INVALID_VALUE, and what only a defect can cause
 * ERR_INTERNAL.
 *
 * Thread rule: a connection, and what is given to it belong to one thread at a time. */
#ifndef EGALIGN_STORE_PG_H
#define EGALIGN_STORE_PG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/param.h"
#include "store/query.h"
#include "store/result.h"

struct pg; /* a connection */

struct pg_options {
    const char *conninfo;     /* libpq URI or key=value string */
    const char *application;  /* application_name, unless conninfo has one; NULL is "egalign" */
    int statement_timeout_ms; /* the server gives a statement up after this; 0 is never */
    int lock_timeout_ms;      /* likewise for the wait for one lock */
};

/* The moment `ms` from now, for deadlines: monotonic nanoseconds. */
int64_t pg_deadline(int64_t ms);

/* Connects by `deadline_ns` and sets the session up. ERR_DATABASE_DOWN when that fails for any reason, with libpq's
 * words. The caller owns *ret; pg_close takes NULL. */
int pg_open(const struct pg_options *options, int64_t deadline_ns, struct pg **ret, struct err *err);
void pg_close(struct pg *pg);

void pg_set_deadline(struct pg *pg, int64_t deadline_ns); /* for all that follows; starts as that of pg_open */
bool pg_alive(const struct pg *pg);  /* false after a lost connection or a missed deadline: only pg_close helps */
bool pg_missed(const struct pg *pg); /* it died of a missed deadline */
bool pg_idle(const struct pg *pg);   /* alive and in no transaction */
bool pg_quiet(const struct pg *pg);  /* idle, and the server has sent nothing since: not even that it closes */
int pg_version(const struct pg *pg); /* server version, e.g. 150020 */
int pg_backend_pid(const struct pg *pg);
int pg_socket(const struct pg *pg); /* for poll(2); -1 when not alive */
const char *
pg_sqlstate(const struct pg *pg); /* of the last failure, five characters, or "" when the server gave none */

/* Runs a named query. `params` may be NULL; `ret` may be NULL when the rows do not matter. *ret is the caller's. */
int pg_query(struct pg *pg, enum query query, const struct pg_params *params, struct pg_result **ret, struct err *err);

/* As pg_query, handing over the rows as they arrive, in constant memory: each call of `row` gets a result with exactly
 * one row, valid during the call. A negative answer of `row` ends the query and closes the connection; the error is the
 * callback's. The deadline is for the whole; `progress_ms` > 0 moves it on by that much after each row. */
int pg_stream(struct pg *pg, enum query query, const struct pg_params *params, int64_t progress_ms,
              int (*row)(const struct pg_result *r, void *context, struct err *err), void *context, struct err *err);

/* Runs SQL text without parameters, several statements if need be (then one transaction, unless it says otherwise). */
int pg_script(struct pg *pg, const char *sql, struct err *err);

int pg_begin(struct pg *pg, struct err *err);          /* read committed */
int pg_begin_snapshot(struct pg *pg, struct err *err); /* repeatable read, read only: one consistent view */
int pg_commit(struct pg *pg, struct err *err);
void pg_rollback(struct pg *pg); /* closes the connection when even that fails */

/* Calls back for each notification (LISTEN, by pg_script) that has arrived; does not wait: poll pg_socket for that.
 * Notifications of the time without a connection are lost, so after connecting, all may have changed. Negative when the
 * connection is lost. */
int pg_notifications(struct pg *pg, void (*each)(const char *channel, const char *payload, void *context),
                     void *context, struct err *err);

#endif
