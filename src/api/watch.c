#include "api/watch.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"

enum { REAP_EVERY_MS = 500, LINGER_SECONDS = 5 };

struct watch {
    struct reaper *reaper;
    struct watch *before, *after;
    int fd;
    int64_t deadline_ns; /* monotonic; 0 is none */
    const char *last_word;
};

struct reaper {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool stopping;
    struct watch *first;
};

/* The deadline is past: says the last word, if there is one, and shuts the socket down. */
static void reap(struct watch *w)
{
    w->deadline_ns = 0;
    if (w->last_word)
        send(w->fd, w->last_word, strlen(w->last_word), MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(w->fd, SHUT_RDWR);
    metric_add(METRIC_HTTP_REAPED, 1);
}

static void *reaper_run(void *context)
{
    struct reaper *r = context;
    pthread_mutex_lock(&r->lock);
    while (!r->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += REAP_EVERY_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&r->wake, &r->lock, &until);
        int64_t now = clock_mono_ns();
        for (struct watch *w = r->first; w; w = w->after)
            if (w->deadline_ns != 0 && w->deadline_ns < now)
                reap(w);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

struct reaper *reaper_new(struct err *err)
{
    struct reaper *r = mem_zeroed(1, sizeof *r);
    if (!r) {
        err_memory(err);
        return NULL;
    }
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&r->thread, NULL, reaper_run, r) == 0)
        return r;
    mem_free(r);
    err_set(err, ERR_SYSTEM, "cannot start a thread");
    return NULL;
}

void reaper_free(struct reaper *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    CHECK(!r->first);
    r->stopping = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

struct watch *watch_open(struct reaper *r, int fd, int64_t seconds)
{
    struct watch *w = mem_zeroed(1, sizeof *w);
    if (!w)
        return NULL;
    w->reaper = r;
    w->fd = fd;
    w->deadline_ns = clock_mono_ns() + seconds * 1000000000;
    pthread_mutex_lock(&r->lock);
    w->after = r->first;
    if (r->first)
        r->first->before = w;
    r->first = w;
    pthread_mutex_unlock(&r->lock);
    return w;
}

void watch_close(struct watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->reaper->lock);
    if (w->before)
        w->before->after = w->after;
    else
        w->reaper->first = w->after;
    if (w->after)
        w->after->before = w->before;
    pthread_mutex_unlock(&w->reaper->lock);
    mem_free(w);
}

void watch_set(struct watch *w, int64_t seconds)
{
    watch_set_answering(w, seconds, NULL);
}

void watch_set_answering(struct watch *w, int64_t seconds, const char *last_word)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->reaper->lock);
    w->deadline_ns = seconds == 0 ? 0 : clock_mono_ns() + seconds * 1000000000;
    w->last_word = last_word;
    pthread_mutex_unlock(&w->reaper->lock);
}

void watch_last_word(struct watch *w, const char *bytes, size_t length)
{
    if (!w)
        return;
    send(w->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(w->fd, SHUT_WR);
    watch_set(w, LINGER_SECONDS);
}
