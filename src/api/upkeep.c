#include "api/upkeep.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/auth.h"
#include "api/follow.h"
#include "api/projects.h"
#include "api/published.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/pg.h"
#include "store/pool.h"
#include "store/store.h"

enum { FIRST_WAIT_MS = 50, LONGEST_WAIT_MS = 5000, CONNECT_MS = 4000, MIGRATE_MS = 60000, LOOK_MS = 10000 };

struct upkeep {
    struct api *api;
    const char *conninfo;
    pthread_t thread;
    int wake; /* an eventfd: stop, or hurry */
    atomic_bool stopping;
    bool migrated;
    pthread_mutex_t lock; /* for the next two */
    bool hopeless;
    struct err why;
};

/* What a run of pg_notifications has heard. */
struct heard {
    struct api *api;
    bool tokens;
};

/* The payload is the job's id, and its state when a worker has let go of it. */
static void count_job(const char *payload)
{
    const char *state = strchr(payload, ' ');
    metric_add(METRIC_JOBS_FINISHED, state && strcmp(state + 1, "done") == 0);
    metric_add(METRIC_JOBS_FAILED, state && strcmp(state + 1, "failed") == 0);
}

/* What was read of the published fit of one project, or of all, is no longer true. */
static void forget_fit(struct api *api, const struct uuid *project)
{
    projects_drop_win_rates(api->projects, project);
    published_forget(api->published, project);
}

static void hear(const char *channel, const char *payload, void *context)
{
    struct heard *h = context;
    struct uuid project;
    if (strcmp(channel, "egalign_token") == 0)
        h->tokens = true;
    else if (strcmp(channel, "egalign_fit") == 0)
        forget_fit(h->api, uuid_parse(str_of(payload), &project) ? &project : NULL);
    else if (strcmp(channel, "egalign_job") == 0)
        count_job(payload);
    follow_wake(h->api->followers);
}

static void give_up(struct upkeep *u, const struct err *err)
{
    pthread_mutex_lock(&u->lock);
    u->hopeless = true;
    u->why = *err;
    pthread_mutex_unlock(&u->lock);
}

/* Waits until `fd` (-1: none) is readable, somebody wakes us, or `ms` have passed. */
static void wait_for(struct upkeep *u, int fd, int ms)
{
    struct pollfd fds[] = {{.fd = u->wake, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    uint64_t ignored;
    if (poll(fds, fd >= 0 ? 2 : 1, ms) > 0 && fds[0].revents && read(u->wake, &ignored, sizeof ignored) < 0)
        return; /* somebody else has read it: as good as awake */
}

/* Everything that may have changed while nobody listened. */
static int read_all(struct upkeep *u, struct err *err)
{
    pool_retry_now(u->api->pool);
    forget_fit(u->api, NULL);
    follow_wake(u->api->followers);
    return tokens_reload(u->api->tokens, u->api->pool, err);
}

/* Listens until the connection is lost (-1) or we are to stop (0). */
static int listen_on(struct upkeep *u, struct pg *pg, struct err *err)
{
    while (!atomic_load(&u->stopping)) {
        struct heard heard = {u->api, false};
        pg_set_deadline(pg, pg_deadline(CONNECT_MS));
        /* The empty statement is a probe: a frozen server says nothing, and its silence would pass for no news. */
        if (pg_script(pg, "SELECT", err) < 0 || pg_notifications(pg, hear, &heard, err) < 0)
            return -1;
        if (heard.tokens && tokens_reload(u->api->tokens, u->api->pool, err) < 0)
            return -1;
        wait_for(u, pg_socket(pg), LOOK_MS);
    }
    return 0;
}

static int keep(struct upkeep *u, int *ret_wait_ms, struct err *err)
{
    struct pg_options options = {.conninfo = u->conninfo, .application = "egalign listener"};
    struct pg *pg = NULL;
    if (!u->migrated) {
        int applied;
        if (store_migrate(u->conninfo, MIGRATE_MS, &applied, err) < 0)
            return -1;
        u->migrated = true;
        if (applied > 0)
            log_event(LOG_INFO, "migrated", "applied %d migrations", applied);
    }
    int status = pg_open(&options, pg_deadline(CONNECT_MS), &pg, err);
    if (status == 0)
        status = pg_script(pg, "LISTEN egalign_token; LISTEN egalign_fit; LISTEN egalign_job", err);
    if (status == 0)
        status = read_all(u, err);
    if (status == 0) {
        *ret_wait_ms = FIRST_WAIT_MS;
        atomic_store(&u->api->database_up, true);
        metric_add(METRIC_DATABASE_UP, 1);
        log_event(LOG_INFO, "database_up", "connected; tokens and documents are read");
        status = listen_on(u, pg, err);
    }
    metric_add(METRIC_DATABASE_UP, atomic_exchange(&u->api->database_up, false) ? -1 : 0);
    pg_close(pg);
    return status;
}

static void *run(void *context)
{
    struct upkeep *u = context;
    int wait_ms = FIRST_WAIT_MS;
    while (!atomic_load(&u->stopping)) {
        struct err err = {0};
        if (keep(u, &wait_ms, &err) == 0)
            break;
        if (err.code == ERR_SCHEMA_MISMATCH || err.code == ERR_CONFIG) {
            give_up(u, &err);
            break;
        }
        /* A private database that is only starting is no news. */
        log_err(wait_ms > FIRST_WAIT_MS * 8 ? LOG_WARNING : LOG_DEBUG, "database_down", &err);
        wait_for(u, -1, wait_ms);
        wait_ms = wait_ms * 2 > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : wait_ms * 2;
    }
    return NULL;
}

int upkeep_start(struct api *api, const char *conninfo, struct upkeep **ret, struct err *err)
{
    struct upkeep *u = mem_zeroed(1, sizeof *u);
    if (!u)
        return err_memory(err);
    u->api = api;
    u->conninfo = conninfo;
    pthread_mutex_init(&u->lock, NULL);
    u->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (u->wake < 0 || pthread_create(&u->thread, NULL, run, u) != 0) {
        err_errno(err, "cannot start a thread");
        if (u->wake >= 0)
            close(u->wake);
        mem_free(u);
        return -1;
    }
    *ret = u;
    return 0;
}

void upkeep_hurry(struct upkeep *u)
{
    uint64_t one = 1;
    if (write(u->wake, &one, sizeof one) < 0)
        return; /* it is awake already */
}

void upkeep_stop(struct upkeep *u)
{
    if (!u)
        return;
    atomic_store(&u->stopping, true);
    upkeep_hurry(u);
    pthread_join(u->thread, NULL);
    close(u->wake);
    pthread_mutex_destroy(&u->lock);
    mem_free(u);
}

bool upkeep_hopeless(struct upkeep *u, struct err *ret)
{
    pthread_mutex_lock(&u->lock);
    bool hopeless = u->hopeless;
    if (hopeless)
        *ret = u->why;
    pthread_mutex_unlock(&u->lock);
    return hopeless;
}
