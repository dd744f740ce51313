#include "store/pg.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/sqlstate.h"

enum { SQLSTATE_SIZE = 6, MESSAGE_ROOM = 256 };

struct pg {
    PGconn *conn; /* NULL once it is lost */
    int64_t deadline_ns;
    bool missed; /* lost because the deadline passed */
    char sqlstate[SQLSTATE_SIZE];
    bool prepared[QUERY_COUNT];
};

int64_t pg_deadline(int64_t ms)
{
    return clock_mono_ns() + ms * 1000000;
}

/* libpq's messages may have several lines: the first is kept. */
static void first_line(const char *message, char text[MESSAGE_ROOM])
{
    snprintf(text, MESSAGE_ROOM, "%s", message);
    text[strcspn(text, "\r\n")] = '\0';
}

/* Closes for good. The socket is non-blocking, so PQfinish cannot wait either. */
static void lose(struct pg *pg)
{
    PQfinish(pg->conn);
    pg->conn = NULL;
}

static int lost(struct pg *pg, struct err *err)
{
    char text[MESSAGE_ROOM];
    first_line(pg->conn ? PQerrorMessage(pg->conn) : "the connection was closed", text);
    lose(pg);
    return err_set(err, ERR_DATABASE_DOWN, "database: %s", text[0] ? text : "the connection was lost");
}

static int late(struct pg *pg, struct err *err)
{
    lose(pg);
    pg->missed = true;
    return err_set(err, ERR_DATABASE_DOWN, "database: no answer in time");
}

/* Waits until the socket is ready for one of `events`, at most until the deadline. */
static int wait_socket(struct pg *pg, short events, struct err *err)
{
    for (;;) {
        int64_t left_ns = pg->deadline_ns - clock_mono_ns();
        if (left_ns <= 0)
            return late(pg, err);
        int64_t left_ms = (left_ns + 999999) / 1000000;
        struct pollfd p = {.fd = PQsocket(pg->conn), .events = events};
        int n = poll(&p, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR) {
            lose(pg);
            return err_errno(err, "poll on the database connection");
        }
    }
}

/* Sends what is buffered, reading meanwhile: a server that is busy sending to us reads nothing until we take it. */
static int flush(struct pg *pg, struct err *err)
{
    for (;;) {
        int left = PQflush(pg->conn);
        if (left == 0)
            return 0;
        if (left < 0)
            return lost(pg, err);
        if (wait_socket(pg, POLLIN | POLLOUT, err) < 0)
            return -1;
        if (!PQconsumeInput(pg->conn))
            return lost(pg, err);
    }
}

/* The next result of the running statement, NULL after the last. */
static int next_result(struct pg *pg, PGresult **ret, struct err *err)
{
    while (PQisBusy(pg->conn)) {
        if (wait_socket(pg, POLLIN, err) < 0)
            return -1;
        if (!PQconsumeInput(pg->conn))
            return lost(pg, err);
    }
    *ret = PQgetResult(pg->conn);
    return 0;
}

static int refused(struct pg *pg, const PGresult *r, struct err *err)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE),
               *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME);
    if (!state) /* made by libpq itself: the connection broke */
        return lost(pg, err);
    snprintf(pg->sqlstate, sizeof pg->sqlstate, "%s", state);
    enum err_code code = sqlstate_code(state);
    return err_set(err, code, "database: %s%s%s (SQLSTATE %s)", message ? message : "failed",
                   constraint ? ", constraint " : "", constraint ? constraint : "", state);
}

static bool succeeded(const PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

/* Reads to the end of what was sent. The first failure is the answer; else the last result, the caller's when `ret`. */
static int collect(struct pg *pg, PGresult **ret, struct err *err)
{
    PGresult *last = NULL, *r = NULL;
    int status = flush(pg, err);
    while (status == 0) {
        if (next_result(pg, &r, err) < 0) {
            PQclear(last);
            return -1;
        }
        if (!r)
            break;
        PQclear(last);
        last = r;
        if (!succeeded(r))
            status = refused(pg, r, err);
    }
    while (status < 0 && pg->conn && next_result(pg, &r, NULL) == 0 && r)
        PQclear(r);
    if (status == 0 && ret) {
        *ret = last;
        return last ? 0 : lost(pg, err);
    }
    PQclear(last);
    return status;
}

/* Before a statement is sent: the connection must live and the parameters be whole. */
static int ready(struct pg *pg, const struct pg_params *params, struct err *err)
{
    pg->sqlstate[0] = '\0';
    if (params && params->failed)
        return err_memory(err);
    if (params && params->has_nul)
        return err_set(err, ERR_INVALID_VALUE, "a text has a NUL character, which the database cannot store");
    return pg->conn ? 0 : lost(pg, err);
}

static int prepare(struct pg *pg, enum query query, struct err *err)
{
    const struct query_text *text = query_text(query);
    if (pg->prepared[query])
        return 0;
    if (!PQsendPrepare(pg->conn, text->name, text->sql, 0, NULL))
        return lost(pg, err);
    if (collect(pg, NULL, err) < 0)
        return err_wrap(err, "preparing %s", text->name);
    pg->prepared[query] = true;
    return 0;
}

static int send_query(struct pg *pg, enum query query, const struct pg_params *p, struct err *err)
{
    if (ready(pg, p, err) < 0 || prepare(pg, query, err) < 0)
        return -1;
    if (!PQsendQueryPrepared(pg->conn, query_text(query)->name, p ? p->count : 0, p ? p->values : NULL,
                             p ? p->lengths : NULL, p ? p->formats : NULL, 1))
        return lost(pg, err);
    return 0;
}

int pg_query(struct pg *pg, enum query query, const struct pg_params *params, struct pg_result **ret, struct err *err)
{
    if (send_query(pg, query, params, err) < 0)
        return -1;
    return collect(pg, ret, err);
}

/* One result of a stream: a row, or the end. */
static int take_streamed(struct pg *pg, PGresult *r, int (*row)(const struct pg_result *, void *, struct err *),
                         void *context, struct err *err)
{
    if (PQresultStatus(r) == PGRES_SINGLE_TUPLE) {
        int status = row(r, context, err);
        if (status < 0)
            lose(pg);
        return status;
    }
    return succeeded(r) ? 0 : refused(pg, r, err);
}

int pg_stream(struct pg *pg, enum query query, const struct pg_params *params, int64_t progress_ms,
              int (*row)(const struct pg_result *r, void *context, struct err *err), void *context, struct err *err)
{
    if (send_query(pg, query, params, err) < 0)
        return -1;
    if (!PQsetSingleRowMode(pg->conn))
        return lost(pg, err);
    int status = flush(pg, err);
    while (status == 0) {
        PGresult *r;
        status = next_result(pg, &r, err);
        if (status < 0 || !r)
            break;
        status = take_streamed(pg, r, row, context, err);
        PQclear(r);
        if (progress_ms > 0)
            pg->deadline_ns = pg_deadline(progress_ms);
    }
    for (PGresult *r; status < 0 && pg->conn && next_result(pg, &r, NULL) == 0 && r;)
        PQclear(r);
    return status < 0 ? -1 : 0;
}

int pg_script(struct pg *pg, const char *sql, struct err *err)
{
    if (ready(pg, NULL, err) < 0)
        return -1;
    if (!PQsendQuery(pg->conn, sql))
        return lost(pg, err);
    return collect(pg, NULL, err);
}

int pg_begin(struct pg *pg, struct err *err)
{
    return pg_script(pg, "BEGIN", err);
}

int pg_begin_snapshot(struct pg *pg, struct err *err)
{
    return pg_script(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
}

int pg_commit(struct pg *pg, struct err *err)
{
    /* COMMIT of a failed transaction succeeds and rolls back; that must not pass for a commit. */
    if (pg->conn && PQtransactionStatus(pg->conn) == PQTRANS_INERROR)
        return err_set(err, ERR_INTERNAL, "commit of a transaction in which a statement failed");
    return pg_script(pg, "COMMIT", err);
}

void pg_rollback(struct pg *pg)
{
    if (!pg->conn || PQtransactionStatus(pg->conn) == PQTRANS_IDLE)
        return;
    char kept[SQLSTATE_SIZE];
    memcpy(kept, pg->sqlstate, sizeof kept);
    if (pg_script(pg, "ROLLBACK", NULL) < 0 && pg->conn)
        lose(pg);
    memcpy(pg->sqlstate, kept, sizeof kept);
}

int pg_notifications(struct pg *pg, void (*each)(const char *channel, const char *payload, void *context),
                     void *context, struct err *err)
{
    if (!pg->conn || !PQconsumeInput(pg->conn))
        return lost(pg, err);
    for (PGnotify *n; (n = PQnotifies(pg->conn)) != NULL; PQfreemem(n))
        each(n->relname, n->extra, context);
    return 0;
}

/* ---- opening and closing ---- */

/* Drives PQconnectPoll. The socket may change between two polls, so it is asked for each time. */
static int connect_polling(struct pg *pg, struct err *err)
{
    if (!pg->conn)
        return err_memory(err);
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (PQstatus(pg->conn) != CONNECTION_BAD && state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
        if (wait_socket(pg, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, err) < 0)
            return -1;
        state = PQconnectPoll(pg->conn);
    }
    if (PQstatus(pg->conn) != CONNECTION_OK || PQsetnonblocking(pg->conn, 1) != 0)
        return lost(pg, err);
    return 0;
}

/* What stands before `dbname` is a default that conninfo may override; what stands behind it is not. */
static int start(struct pg *pg, const struct pg_options *o, struct err *err)
{
    const char *const names[] = {"keepalives_idle",           "keepalives_interval",
                                 "keepalives_count",          "tcp_user_timeout",
                                 "fallback_application_name", "dbname",
                                 "client_encoding",           NULL};
    const char *const values[] = {"30",        "5",    "3", "10000", o->application ? o->application : "egalign",
                                  o->conninfo, "UTF8", NULL};
    pg->conn = PQconnectStartParams(names, values, 1);
    return connect_polling(pg, err);
}

static void no_notice(void *context, const char *message)
{
    (void)context;
    (void)message;
}

static int set_up_session(struct pg *pg, const struct pg_options *o, struct err *err)
{
    struct pg_params p = {0};
    PQsetNoticeProcessor(pg->conn, no_notice, NULL);
    pg_param_int(&p, o->statement_timeout_ms);
    pg_param_int(&p, o->lock_timeout_ms);
    int status = pg_query(pg, QUERY_session_settings, &p, NULL, err);
    pg_params_free(&p);
    return status;
}

int pg_open(const struct pg_options *options, int64_t deadline_ns, struct pg **ret, struct err *err)
{
    struct pg *pg = mem_zeroed(1, sizeof *pg);
    if (!pg)
        return err_memory(err);
    pg->deadline_ns = deadline_ns;
    if (start(pg, options, err) < 0 || set_up_session(pg, options, err) < 0) {
        pg_close(pg);
        return -1;
    }
    *ret = pg;
    return 0;
}

void pg_close(struct pg *pg)
{
    if (!pg)
        return;
    PQfinish(pg->conn);
    mem_free(pg);
}

void pg_set_deadline(struct pg *pg, int64_t deadline_ns)
{
    pg->deadline_ns = deadline_ns;
}

bool pg_alive(const struct pg *pg)
{
    return pg->conn && PQstatus(pg->conn) == CONNECTION_OK;
}

bool pg_missed(const struct pg *pg)
{
    return pg->missed;
}

bool pg_idle(const struct pg *pg)
{
    return pg_alive(pg) && PQtransactionStatus(pg->conn) == PQTRANS_IDLE;
}

bool pg_quiet(const struct pg *pg)
{
    struct pollfd p = {.fd = pg_socket(pg), .events = POLLIN};
    return pg_idle(pg) && poll(&p, 1, 0) == 0;
}

int pg_version(const struct pg *pg)
{
    return pg->conn ? PQserverVersion(pg->conn) : 0;
}

int pg_backend_pid(const struct pg *pg)
{
    return pg->conn ? PQbackendPID(pg->conn) : 0;
}

int pg_socket(const struct pg *pg)
{
    return pg->conn ? PQsocket(pg->conn) : -1;
}

const char *pg_sqlstate(const struct pg *pg)
{
    return pg->sqlstate;
}
