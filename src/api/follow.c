#include "api/follow.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/event.h"
#include "store/job.h"

enum { POLL_SECONDS = 1, PAGE_LINES = 500, BLOCK = 4096 };
#define HEARTBEAT_NS 15000000000LL

struct follower {
    struct followers *all;
    struct follower *next;
    struct MHD_Connection *connection;
    enum follow_what what;
    struct uuid project, job; /* job: of FOLLOW_LOG and FOLLOW_EVENTS */
    struct job_cursor last;
    int64_t state; /* that was told last, if one was: of events */
    bool said_state;
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

/* What was read for one follower. */
struct news {
    struct buf out;
    struct job_cursor cursor;
    int64_t state;
    bool said_state, any, ended; /* any: there may be more at once; ended: nothing more will come after this */
};

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

static void read_log(struct pool *pool, const struct follower *f, struct news *n)
{
    struct buf page = {0};
    struct err err;
    int64_t before = n->cursor.line;
    int status = job_log(pool, &f->project, &f->job, before, PAGE_LINES, &page, &n->cursor.line, &n->ended, &err);
    n->any = status == 0 && n->cursor.line > before;
    if (n->any)
        add_lines(&n->out, &page);
    buf_free(&page);
}

static const char *const event_names[] = {
    [JOB_EVENT_LOG] = "log",
    [JOB_EVENT_METRICS] = "metrics",
    [JOB_EVENT_STATE] = "state",
};

static void add_event(void *context, const struct job_event *e)
{
    struct news *n = context;
    n->cursor = e->cursor;
    n->any |= e->kind != JOB_EVENT_STATE;
    if (e->kind == JOB_EVENT_STATE) {
        bool same = n->said_state && n->state == e->state;
        n->ended = e->ended;
        n->state = e->state;
        n->said_state = true;
        if (same)
            return;
    }
    buf_printf(&n->out, "id: %" PRId64 "-%" PRId64 "\nevent: %s\ndata: ", e->cursor.line, e->cursor.step,
               event_names[e->kind]);
    buf_add(&n->out, e->json.ptr, e->json.len); /* one line: the database's JSON has no line feed outside texts */
    buf_text(&n->out, "\n\n");
}

static void read_events(struct pool *pool, const struct follower *f, struct news *n)
{
    struct err err;
    job_events(pool, &f->project, &f->job, n->cursor, PAGE_LINES, add_event, n, &err);
}

static void add_project_event(void *context, const struct event *e)
{
    struct news *n = context;
    n->cursor.line = e->number;
    n->any = true;
    buf_printf(&n->out, "id: %" PRId64 "\nevent: %.*s\ndata: ", e->number, (int)e->kind.len, e->kind.ptr);
    buf_add(&n->out, e->json.ptr, e->json.len);
    buf_text(&n->out, "\n\n");
}

static void read_project(struct pool *pool, const struct follower *f, struct news *n)
{
    struct err err;
    event_list(pool, &f->project, n->cursor.line, PAGE_LINES, add_project_event, n, &err);
}

static const struct {
    void (*read)(struct pool *pool, const struct follower *f, struct news *n);
    const char *heartbeat; /* tells nothing */
} kinds[] = {
    [FOLLOW_LOG] = {read_log, "\n"},
    [FOLLOW_EVENTS] = {read_events, ":\n\n"},
    [FOLLOW_PROJECT] = {read_project, ":\n\n"},
};

/* Reads what is new for one follower. The lock is held, and let go while the database is asked: only this thread frees
 * followers, so `f` stays. */
static void ask(struct follower *f)
{
    struct followers *all = f->all;
    struct news n = {.cursor = f->last, .state = f->state, .said_state = f->said_state};
    pthread_mutex_unlock(&all->lock);
    kinds[f->what].read(all->pool, f, &n);
    pthread_mutex_lock(&all->lock);
    if (n.out.length == 0 && !n.ended && clock_mono_ns() - f->spoke_ns > HEARTBEAT_NS)
        buf_text(&n.out, kinds[f->what].heartbeat);
    buf_add(&f->out, n.out.data ? n.out.data : "", n.out.length);
    f->last = n.cursor;
    f->state = n.state;
    f->said_state = n.said_state;
    f->ended |= (n.ended && !n.any) || f->out.failed || n.out.failed;
    all->changed |= n.any; /* there may be more */
    if (f->out.length > 0)
        f->spoke_ns = clock_mono_ns();
    if (f->out.length > 0 || f->ended)
        wake_connection(f);
    buf_free(&n.out);
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

int follow_open(struct followers *all, struct MHD_Connection *connection, enum follow_what what,
                const struct uuid *project, const struct uuid *job, struct job_cursor after, struct MHD_Response **ret,
                struct err *err)
{
    struct follower *f = mem_zeroed(1, sizeof *f);
    if (!f)
        return err_memory(err);
    *f = (struct follower){.all = all,
                           .connection = connection,
                           .what = what,
                           .project = *project,
                           .last = after,
                           .spoke_ns = clock_mono_ns()};
    if (job)
        f->job = *job;
    if (what == FOLLOW_PROJECT)
        buf_printf(&f->out, "id: %" PRId64 "\n\n", after.line);
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
        buf_free(&f->out);
        mem_free(f);
        return err_set(err, ERR_OVERLOADED, "too many streams are being followed");
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

bool follow_cursor(struct str id, struct job_cursor *ret)
{
    const char *dash = memchr(id.ptr, '-', id.len);
    if (!dash)
        return false;
    struct str line = {id.ptr, (size_t)(dash - id.ptr)}, step = {dash + 1, id.len - line.len - 1};
    return str_to_int64(line, &ret->line) && str_to_int64(step, &ret->step) && ret->line >= 0 && ret->step >= -1 &&
           ret->step <= INT32_MAX;
}
