#include "store/pool.h"

#include <pthread.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/rng.h"

enum { POOL_MOST = 64, BACKOFF_LEAST_MS = 50, BACKOFF_MOST_MS = 5000 };

struct pool {
    struct pool_options options;
    char *conninfo, *application;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t given; /* a connection came back, or a place came free */
    struct pg *idle[POOL_MOST];
    int idles, open;       /* open counts idle and taken ones */
    int lost;              /* connections that were lost and not yet made again */
    bool trying;           /* while failures > 0, one thread tries at a time */
    int failures;          /* since the last connection that worked */
    int64_t not_before_ns; /* no attempt before this */
    struct rng jitter;
};

static int init_lock(struct pool *pool, struct err *err)
{
    pthread_condattr_t monotonic;
    if (pthread_mutex_init(&pool->lock, NULL) != 0)
        return err_set(err, ERR_SYSTEM, "a lock cannot be made");
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(&pool->given, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (!failed)
        return 0;
    pthread_mutex_destroy(&pool->lock);
    return err_set(err, ERR_SYSTEM, "a condition variable cannot be made");
}

int pool_new(const struct pool_options *options, struct pool **ret, struct err *err)
{
    CHECK(options->size >= 1 && options->size <= POOL_MOST);
    uint64_t seed;
    struct pool *pool = mem_zeroed(1, sizeof *pool);
    if (!pool)
        return err_memory(err);
    pool->options = *options;
    pool->conninfo = mem_strdup(options->pg.conninfo);
    pool->application = mem_strdup(options->pg.application ? options->pg.application : "egalign");
    if (!pool->conninfo || !pool->application)
        err_memory(err);
    else if (rng_secret(&seed, sizeof seed, err) == 0 && init_lock(pool, err) == 0) {
        rng_init(&pool->jitter, seed, 0);
        pool->options.pg.conninfo = pool->conninfo;
        pool->options.pg.application = pool->application;
        *ret = pool;
        return 0;
    }
    mem_free(pool->conninfo);
    mem_free(pool->application);
    mem_free(pool);
    return -1;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    CHECK(pool->open == pool->idles);
    for (int i = 0; i < pool->idles; i++)
        pg_close(pool->idle[i]);
    pthread_cond_destroy(&pool->given);
    pthread_mutex_destroy(&pool->lock);
    mem_free(pool->conninfo);
    mem_free(pool->application);
    mem_free(pool);
}

/* Under the lock: the next attempt waits twice as long as the last, by half or more of it at random. */
static void note_failure(struct pool *pool)
{
    int doublings = pool->failures < 7 ? pool->failures : 7;
    int64_t ms = (int64_t)BACKOFF_LEAST_MS << doublings;
    if (ms > BACKOFF_MOST_MS)
        ms = BACKOFF_MOST_MS;
    int64_t ns = (int64_t)((double)ms * 1e6 * (0.5 + 0.5 * rng_uniform(&pool->jitter)));
    pool->failures++;
    pool->not_before_ns = clock_mono_ns() + ns;
}

/* Under the lock: a connection that was made is of no more use. */
static void note_loss(struct pool *pool)
{
    pool->open--;
    pool->lost++;
    if (pool->options.lost)
        pool->options.lost(pool->options.lost_context);
}

/* Under the lock: what a thread does that wants a connection when none is idle. */
enum step { CONNECT, WAIT, REFUSE };

static enum step next_step(const struct pool *pool)
{
    if (pool->failures > 0 && (pool->trying || clock_mono_ns() < pool->not_before_ns))
        return REFUSE;
    return pool->open < pool->options.size ? CONNECT : WAIT;
}

static int wait_given(struct pool *pool, int64_t deadline_ns, struct err *err)
{
    struct timespec until = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    if (clock_mono_ns() < deadline_ns) {
        pthread_cond_timedwait(&pool->given, &pool->lock, &until);
        return 0;
    }
    return err_set(err, ERR_OVERLOADED, "all %d database connections are busy", pool->options.size);
}

/* Under the lock, which is let go while it connects. */
static int connect_one(struct pool *pool, int64_t deadline_ns, struct pg **ret, struct err *err)
{
    pool->open++;
    pool->trying = true;
    pthread_mutex_unlock(&pool->lock);
    int status = pg_open(&pool->options.pg, deadline_ns, ret, err);
    pthread_mutex_lock(&pool->lock);
    pool->trying = false;
    if (status < 0) {
        pool->open--;
        note_failure(pool);
        pthread_cond_broadcast(&pool->given);
        return -1;
    }
    if (pool->lost > 0) {
        pool->lost--;
        metric_add(METRIC_DATABASE_RECONNECTS, 1);
    }
    pool->failures = 0;
    return 0;
}

int64_t pool_deadline(const struct pool *pool)
{
    return pg_deadline(pool->options.deadline_ms);
}

/* Under the lock: an idle connection whose server went away meanwhile gives up its place. NULL when none is left. */
static struct pg *take_idle(struct pool *pool)
{
    while (pool->idles > 0) {
        struct pg *pg = pool->idle[--pool->idles];
        if (pg_quiet(pg))
            return pg;
        pg_close(pg);
        note_loss(pool);
    }
    return NULL;
}

int pool_take(struct pool *pool, int64_t deadline_ns, struct pg **ret, struct err *err)
{
    if (deadline_ns == 0)
        deadline_ns = pool_deadline(pool);
    int status = 0;
    enum step step;
    pthread_mutex_lock(&pool->lock);
    while (!(*ret = take_idle(pool)) && (step = next_step(pool)) == WAIT && status == 0)
        status = wait_given(pool, deadline_ns, err);
    if (!*ret && status == 0 && step == CONNECT)
        status = connect_one(pool, deadline_ns, ret, err);
    else if (!*ret && status == 0)
        status = err_set(err, ERR_DATABASE_DOWN, "database: it cannot be reached; the next attempt comes shortly");
    pthread_mutex_unlock(&pool->lock);
    if (status == 0)
        pg_set_deadline(*ret, deadline_ns);
    return status;
}

void pool_give(struct pool *pool, struct pg *pg)
{
    if (!pg)
        return;
    bool keep = pg_idle(pg);
    pthread_mutex_lock(&pool->lock);
    if (keep) {
        pool->idle[pool->idles++] = pg;
        pool->failures = 0;
    } else {
        note_loss(pool);
        if (pg_missed(pg))
            note_failure(pool);
    }
    pthread_cond_signal(&pool->given);
    pthread_mutex_unlock(&pool->lock);
    if (!keep)
        pg_close(pg);
}

bool pool_healthy(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool healthy = pool->failures == 0;
    pthread_mutex_unlock(&pool->lock);
    return healthy;
}

void pool_retry_now(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->not_before_ns = 0;
    pthread_mutex_unlock(&pool->lock);
}

/* Once on one connection; *ret_lost says that it was lost otherwise than by its deadline. */
static int query_once(struct pool *pool, int64_t deadline_ns, enum query query, const struct pg_params *params,
                      struct pg_result **ret, bool *ret_lost, struct err *err)
{
    struct pg *pg = NULL;
    *ret_lost = false;
    int status = pool_take(pool, deadline_ns, &pg, err);
    if (status == 0) {
        status = pg_query(pg, query, params, ret, err);
        *ret_lost = !pg_alive(pg) && !pg_missed(pg);
    }
    pool_give(pool, pg);
    return status;
}

int pool_query(struct pool *pool, enum query query, const struct pg_params *params, struct pg_result **ret,
               struct err *err)
{
    int64_t deadline_ns = pool_deadline(pool);
    bool lost;
    int status = query_once(pool, deadline_ns, query, params, ret, &lost, err);
    /* After a restart of the server every idle connection is a lost one. */
    for (int i = 0; i < pool->options.size && status < 0 && lost; i++)
        status = query_once(pool, deadline_ns, query, params, ret, &lost, err);
    return status;
}

int query_json(struct pool *pool, enum query query, const struct pg_params *params, struct buf *out, struct err *err)
{
    struct pg_result *r = NULL;
    if (pool_query(pool, query, params, &r, err) < 0)
        return -1;
    int status = 0;
    if (pg_rows(r) == 0 || pg_null(r, 0, 0)) {
        status = err_set(err, ERR_NOT_FOUND, "there is no such resource");
    } else {
        struct str text = pg_text(r, 0, 0);
        buf_add(out, text.ptr, text.len);
        status = out->failed ? err_memory(err) : 0;
    }
    pg_result_free(r);
    return status;
}
