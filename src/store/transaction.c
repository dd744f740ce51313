#include "store/transaction.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/metrics.h"

static int begin(struct pg *pg, enum transaction_kind kind, struct err *err)
{
    return kind == TRANSACTION_SNAPSHOT ? pg_begin_snapshot(pg, err) : pg_begin(pg, err);
}

/* Begin, work, commit: once. `ret_begun` says whether the work was reached. */
static int run_once(struct pg *pg, enum transaction_kind kind, transaction_work *work, void *context, bool *ret_begun,
                    struct err *err)
{
    *ret_begun = false;
    if (begin(pg, kind, err) < 0)
        return -1;
    *ret_begun = true;
    int status = work(pg, context, err);
    if (status == 0)
        status = pg_commit(pg, err);
    if (status < 0)
        pg_rollback(pg);
    return status < 0 ? -1 : 0;
}

/* Two transactions that collided would collide again at once: a wait that grows, and differs between them. */
static void pause_before(int attempt)
{
    int64_t spread = clock_mono_ns() % 1000000;
    clock_sleep_ns(spread + (INT64_C(1000000) << attempt));
}

static bool again(const struct err *e, int attempt)
{
    if (e->code != ERR_DATABASE_CONFLICT || attempt + 1 >= TRANSACTION_TRIES)
        return false;
    metric_add(METRIC_DATABASE_RETRIES, 1);
    pause_before(attempt);
    return true;
}

/* With retries of soft errors, as long as the connection lives. */
static int run_on(struct pg *pg, enum transaction_kind kind, transaction_work *work, void *context, bool *ret_begun,
                  struct err *err)
{
    CHECK(!pg_alive(pg) || pg_idle(pg));
    struct err mine;
    struct err *e = err ? err : &mine;
    for (int attempt = 0;; attempt++) {
        if (run_once(pg, kind, work, context, ret_begun, e) == 0)
            return 0;
        if (!pg_alive(pg) || !again(e, attempt))
            return -1;
    }
}

int transaction_on(struct pg *pg, enum transaction_kind kind, transaction_work *work, void *context, struct err *err)
{
    bool begun;
    return run_on(pg, kind, work, context, &begun, err);
}

int transaction_run(struct pool *pool, enum transaction_kind kind, int64_t deadline_ns, transaction_work *work,
                    void *context, struct err *err)
{
    if (deadline_ns == 0)
        deadline_ns = pool_deadline(pool);
    for (;;) {
        struct pg *pg = NULL;
        bool begun;
        if (pool_take(pool, deadline_ns, &pg, err) < 0)
            return -1;
        int status = run_on(pg, kind, work, context, &begun, err);
        /* An idle connection whose server restarted fails at BEGIN; each such failure empties one place of the pool. */
        bool stale = status < 0 && !begun && !pg_alive(pg) && !pg_missed(pg);
        pool_give(pool, pg);
        if (!stale)
            return status;
        metric_add(METRIC_DATABASE_RETRIES, 1);
    }
}
