#include "store/listen.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/rng.h"
#include "store/pg.h"

enum { CONNECT_MS = 2000, PROBE_MS = 10000, BACKOFF_LEAST_MS = 50, BACKOFF_MOST_MS = 5000 };

struct listener {
    char *conninfo;
    listen_callback *callback;
    void *context;
    int wake; /* eventfd: stop, or try again now */
    atomic_bool stopping;
    pthread_t thread;
    struct rng jitter;
    bool was_connected; /* of the thread, as is all above that only it uses */
};

static const struct {
    const char *name;
    enum listen_channel channel;
} channels[] = {{"egalign_token", LISTEN_TOKEN}, {"egalign_fit", LISTEN_FIT}, {"egalign_job", LISTEN_JOB}};

static void pass_on(const char *name, const char *payload, void *context)
{
    struct listener *l = context;
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++)
        if (strcmp(channels[i].name, name) == 0)
            l->callback(channels[i].channel, payload, l->context);
}

/* Waits for the connection (none when `fd` is -1) or a wake-up, at most `ms`. True when the connection has something.
 */
static bool wait_for(struct listener *l, int fd, int ms)
{
    struct pollfd p[2] = {{.fd = l->wake, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    uint64_t count;
    int n = poll(p, 2, ms);
    if (n > 0 && p[0].revents && read(l->wake, &count, sizeof count) < 0 && errno != EAGAIN)
        return false;
    return n > 0 && p[1].revents != 0;
}

static int open_listening(struct listener *l, struct pg **ret, struct err *err)
{
    struct pg_options o = {.conninfo = l->conninfo, .application = "egalign listen"};
    if (pg_open(&o, pg_deadline(CONNECT_MS), ret, err) < 0)
        return -1;
    if (pg_script(*ret, "LISTEN egalign_token; LISTEN egalign_fit; LISTEN egalign_job", err) == 0)
        return 0;
    pg_close(*ret);
    return -1;
}

/* Passes notifications on until the connection is lost or the listener is to stop. */
static int hear(struct listener *l, struct pg *pg, struct err *err)
{
    while (!l->stopping) {
        bool something = wait_for(l, pg_socket(pg), PROBE_MS);
        pg_set_deadline(pg, pg_deadline(CONNECT_MS));
        if (!something && !l->stopping && pg_script(pg, "SELECT", err) < 0)
            return -1;
        if (pg_notifications(pg, pass_on, l, err) < 0)
            return -1;
    }
    return 0;
}

/* One connection, from its making to its loss. True when it was made. */
static bool connect_and_hear(struct listener *l)
{
    struct err err;
    struct pg *pg;
    if (open_listening(l, &pg, &err) < 0) {
        l->callback(LISTEN_LOST, err.message, l->context);
        return false;
    }
    if (l->was_connected)
        metric_add(METRIC_DATABASE_RECONNECTS, 1);
    l->was_connected = true;
    l->callback(LISTEN_ALL, "", l->context);
    if (hear(l, pg, &err) < 0)
        l->callback(LISTEN_LOST, err.message, l->context);
    pg_close(pg);
    return true;
}

static void *run(void *context)
{
    struct listener *l = context;
    int wait_ms = BACKOFF_LEAST_MS;
    while (!l->stopping) {
        if (connect_and_hear(l))
            wait_ms = BACKOFF_LEAST_MS;
        if (l->stopping)
            break;
        wait_for(l, -1, wait_ms / 2 + (int)rng_below(&l->jitter, (uint32_t)wait_ms / 2));
        wait_ms = wait_ms * 2 < BACKOFF_MOST_MS ? wait_ms * 2 : BACKOFF_MOST_MS;
    }
    return NULL;
}

/* Signals are for the main thread. */
static int start_thread(struct listener *l, struct err *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&l->thread, NULL, run, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? err_set(err, ERR_SYSTEM, "a thread cannot be made: %s", strerror(failed)) : 0;
}

int listen_start(const char *conninfo, listen_callback *callback, void *context, struct listener **ret, struct err *err)
{
    uint64_t seed = 0;
    struct listener *l = mem_zeroed(1, sizeof *l);
    if (!l)
        return err_memory(err);
    l->callback = callback;
    l->context = context;
    l->conninfo = mem_strdup(conninfo);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!l->conninfo)
        err_memory(err);
    else if (l->wake < 0)
        err_errno(err, "eventfd");
    else if (rng_secret(&seed, sizeof seed, err) == 0) {
        rng_init(&l->jitter, seed, 0);
        if (start_thread(l, err) == 0) {
            *ret = l;
            return 0;
        }
    }
    if (l->wake >= 0)
        close(l->wake);
    mem_free(l->conninfo);
    mem_free(l);
    return -1;
}

void listen_retry_now(struct listener *l)
{
    uint64_t one = 1;
    /* The write can only fail when the counter is full, and then the thread is woken already. */
    if (write(l->wake, &one, sizeof one) < 0)
        return;
}

void listen_stop(struct listener *l)
{
    if (!l)
        return;
    l->stopping = true;
    listen_retry_now(l);
    pthread_join(l->thread, NULL);
    close(l->wake);
    mem_free(l->conninfo);
    mem_free(l);
}
