#include "api/follow.h"

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/job.h"

enum { POLL_SECONDS = 1, PAGE_LINES = 500, BLOCK = 4096 };
#define HEARTBEAT_NS 15000000000LL

struct follower {
    struct followers *all;
    struct follower *next;
    struct MHD_Connection *connection;
    struct uuid project, job;
    int64_t last; /* line */
    int64_t spoke_ns;
    struct buf out; /* lines that have not been taken */
    bool suspended, ended, gone;
};

struct followers {
    pthread_mutex_t lock; /* for everything here and in the followers */
    pthread_cond_t wake;
    pthread_t thread;
    struct pool *pool;
    struct follower *first;
    int count;
    bool stopping, changed;
};

static void wake_connection(struct follower *f)
{
    if (!f->suspended)
        return;
    f->suspended = false;
    MHD_resume_connection(f->connection);
}

/* The library asks for bytes. */
static ssize_t read_more(void *context, uint64_t position, char *out, size_t room)
{
    (void)position;
    struct follower *f = context;
    pthread_mutex_lock(&f->all->lock);
    ssize_t got = 0;
    if (f->out.length > 0) {
        size_t n = f->out.length < room ? f->out.length : room;
        memcpy(out, f->out.data, n);
        buf_drop(&f->out, n);
        got = (ssize_t)n;
    } else if (f->ended || f->all->stopping) {
        got = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        f->suspended = true;
        MHD_suspend_connection(f->connection);
    }
    pthread_mutex_unlock(&f->all->lock);
    return got;
}

/* The library is done with the response. The thread frees the follower, for it may be reading for it just now. */
static void let_go(void *context)
{
    struct follower *f = context;
    pthread_mutex_lock(&f->all->lock);
    f->gone = true;
    f->all->changed = true;
    pthread_cond_signal(&f->all->wake);
    pthread_mutex_unlock(&f->all->lock);
}

/* Appends the elements of a page of the log, a line each. */
static void add_lines(struct buf *out, const struct buf *page)
{
    json_t *document = json_loadb(page->data, page->length, 0, NULL);
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(document, "items"), i, line)
    {
        char *text = json_dumps(line, JSON_COMPACT);
        buf_text(out, text ? text : "");
        buf_char(out, '\n');
        free(text);
    }
    json_decref(document);
}

/* Reads what is new for one follower. The lock is held, and let go while the database is asked: only this thread frees
 * followers, so `f` stays. */
static void ask(struct follower *f)
{
    struct followers *all = f->all;
    struct buf page = {0};
    struct err err;
    int64_t last = f->last;
    bool ended = false;
    pthread_mutex_unlock(&all->lock);
    int status = job_log(all->pool, &f->project, &f->job, last, PAGE_LINES, &page, &last, &ended, &err);
    pthread_mutex_lock(&all->lock);
    if (status == 0 && last > f->last)
        add_lines(&f->out, &page);
    else if (status == 0 && ended)
        f->ended = true;
    else if (clock_mono_ns() - f->spoke_ns > HEARTBEAT_NS)
        buf_char(&f->out, '\n');
    all->changed |= status == 0 && last > f->last; /* there may be more */
    f->last = last;
    if (f->out.length > 0)
        f->spoke_ns = clock_mono_ns();
    f->ended |= f->out.failed;
    if (f->out.length > 0 || f->ended)
        wake_connection(f);
    buf_free(&page);
}

static void sweep(struct followers *all)
{
    for (struct follower **at = &all->first; *at;) {
        struct follower *f = *at;
        if (!f->gone) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        all->count--;
        buf_free(&f->out);
        mem_free(f);
    }
}

static void *run(void *context)
{
    struct followers *all = context;
    pthread_mutex_lock(&all->lock);
    while (!all->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += POLL_SECONDS;
        if (!all->changed)
            pthread_cond_timedwait(&all->wake, &all->lock, &until);
        all->changed = false;
        sweep(all);
        for (struct follower *f = all->first; f && !all->stopping; f = f->next)
            if (!f->gone && !f->ended && f->out.length < 65536)
                ask(f);
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

struct followers *followers_new(struct pool *pool, struct err *err)
{
    struct followers *all = mem_zeroed(1, sizeof *all);
    if (!all) {
        err_memory(err);
        return NULL;
    }
    all->pool = pool;
    pthread_mutex_init(&all->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&all->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&all->thread, NULL, run, all) == 0)
        return all;
    mem_free(all);
    err_set(err, ERR_SYSTEM, "cannot start a thread");
    return NULL;
}

void followers_stop(struct followers *all)
{
    pthread_mutex_lock(&all->lock);
    bool first = !all->stopping;
    all->stopping = true;
    for (struct follower *f = all->first; f; f = f->next)
        wake_connection(f);
    pthread_cond_signal(&all->wake);
    pthread_mutex_unlock(&all->lock);
    if (first)
        pthread_join(all->thread, NULL);
}

void followers_free(struct followers *all)
{
    if (!all)
        return;
    followers_stop(all);
    sweep(all);
    pthread_cond_destroy(&all->wake);
    pthread_mutex_destroy(&all->lock);
    mem_free(all);
}

int follow_open(struct followers *all, struct MHD_Connection *connection, const struct uuid *project,
                const struct uuid *job, int64_t after, struct MHD_Response **ret, struct err *err)
{
    struct follower *f = mem_zeroed(1, sizeof *f);
    if (!f)
        return err_memory(err);
    *f = (struct follower){.all = all,
                           .connection = connection,
                           .project = *project,
                           .job = *job,
                           .last = after,
                           .spoke_ns = clock_mono_ns()};
    pthread_mutex_lock(&all->lock);
    bool taken = all->count < FOLLOW_MOST && !all->stopping;
    if (taken) {
        f->next = all->first;
        all->first = f;
        all->count++;
        all->changed = true;
        pthread_cond_signal(&all->wake);
    }
    pthread_mutex_unlock(&all->lock);
    if (!taken) {
        mem_free(f);
        return err_set(err, ERR_OVERLOADED, "too many logs are being followed");
    }
    *ret = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_more, f, let_go);
    if (*ret)
        return 0;
    let_go(f);
    return err_memory(err);
}

void follow_wake(struct followers *all)
{
    pthread_mutex_lock(&all->lock);
    all->changed = true;
    pthread_cond_signal(&all->wake);
    pthread_mutex_unlock(&all->lock);
}
