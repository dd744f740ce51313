#include "api/stream.h"

#include <pthread.h>
#include <string.h>

#include "api/admission.h"
#include "api/request.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "base/ndjson.h"
#include "formats/record.h"
#include "store/ingest_batch.h"
#include "store/judgement.h"

enum { BLOCK_BYTES = 256 * 1024, ROOM_BYTES = 1024 * 1024 };

struct stream {
    struct task task; /* first */
    struct api *api;
    struct principal who;
    char *project_name;
    bool has_project, skip;
    struct uuid project;

    pthread_mutex_t lock;    /* for the rest of this part */
    struct request *request; /* NULL when it is over */
    struct buf filling;      /* arrived, and not yet given to the worker */
    size_t arrived;
    bool working, suspended, ended, failed;
    struct err failure; /* when failed: the batch cannot go on */

    /* The worker's. */
    struct buf block;
    struct ndjson lines;
    struct arena arena;
    struct ingest_batch *rows;
    int64_t taken; /* lines */
};

static void free_all(struct stream *s)
{
    ingest_batch_free(s->rows);
    ndjson_free(&s->lines);
    arena_free(&s->arena);
    buf_free(&s->block);
    buf_free(&s->filling);
    mem_free(s->project_name);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* ---- the worker's side ---- */

static int take_line(struct stream *s, struct ndjson_line *line, struct err *err)
{
    const struct config *c = s->api->config;
    struct json_limits limits = {(int)c->max_json_depth, (size_t)c->max_text_bytes};
    struct record record;
    struct judgement judgement;
    struct err bad = {0};
    int status = 0;
    s->taken++;
    if (record_read(line->text, line->length, &limits, &record, &s->arena, &bad) == 0 &&
        judgement_of_record(&record, &s->project, NULL, &s->arena, &judgement, &bad) == 0) {
        status = ingest_batch_add(s->rows, &judgement, line->number, err);
    } else {
        bad.line = line->number;
        ingest_batch_reject(s->rows, &bad);
    }
    arena_free(&s->arena);
    return status;
}

static int take_lines(struct stream *s, struct err *err)
{
    struct ndjson_line line;
    int got;
    while ((got = ndjson_next(&s->lines, &line, err)) > 0)
        if (take_line(s, &line, err) < 0)
            return -1;
    return got;
}

static int work_on_block(struct stream *s, struct err *err)
{
    if (!s->has_project && admit_named_project(s->api, &s->who, str_of(s->project_name), &s->project, err) < 0)
        return -1;
    s->has_project = true;
    if (!s->rows &&
        ingest_batch_open(s->api->ingest, s->skip, (int)s->api->config->max_batch_errors, &s->rows, err) < 0)
        return -1;
    if (s->block.failed)
        return err_memory(err);
    if (s->block.length == 0)
        return 0;
    ndjson_feed(&s->lines, s->block.data, s->block.length);
    int status = take_lines(s, err);
    buf_clear(&s->block);
    return status;
}

static void render_errors(struct buf *out, const struct ingest_report *report)
{
    json_open(out, '[');
    for (int i = 0; i < report->error_count; i++)
        json_put_line_error(out, &report->errors[i].err);
    json_close(out, ']');
}

static void answer_refused(struct request *r, int64_t rejected, int64_t lines, const char *errors)
{
    struct err err;
    err_set(&err, ERR_BATCH_REJECTED, "%lld of %lld lines are not acceptable; nothing was stored", (long long)rejected,
            (long long)lines);
    reply_problem(&r->reply, &err, r->id);
    buf_clear(&r->reply.body);
    problem_render(&r->reply.body, &err, r->id, errors);
}

static void answer_counts(struct request *r, const struct ingest_report *report, bool skip, const char *errors)
{
    struct buf body = {0};
    json_open(&body, '{');
    json_member_int(&body, "accepted", report->accepted);
    json_member_int(&body, "duplicate", report->duplicate);
    json_member_int(&body, "rejected", report->rejected);
    if (skip) {
        json_key(&body, "errors");
        json_put_raw(&body, str_of(errors));
    }
    json_close(&body, '}');
    reply_json(&r->reply, skip ? 200 : 201, &body);
}

/* The last line has been taken: commits, and answers. The request is suspended, so it is there. */
static void finish(struct stream *s)
{
    struct request *r = s->request;
    struct ingest_report report;
    struct buf errors = {0};
    struct err err = {0};
    ndjson_end(&s->lines);
    int status = take_lines(s, &err);
    if (status == 0)
        status = ingest_batch_finish(s->rows, &report, &err);
    if (status == 0) {
        render_errors(&errors, &report);
        if (errors.failed)
            status = err_memory(&err);
        else if (report.rejected > 0 && !s->skip)
            answer_refused(r, report.rejected, s->taken, errors.data);
        else
            answer_counts(r, &report, s->skip, errors.data);
    }
    buf_free(&errors);
    request_finish(r, status < 0 ? &err : NULL);
}

static void swap_buffers(struct stream *s)
{
    struct buf empty = s->block;
    s->block = s->filling;
    s->filling = empty;
}

enum next { NEXT_BLOCK, NEXT_REST, NEXT_FINISH, NEXT_FAIL, NEXT_FREE };

/* A block is done: what comes now. Wakes the connection when it waited for room. */
static enum next decide(struct stream *s, int status, const struct err *err)
{
    enum next next = NEXT_REST;
    pthread_mutex_lock(&s->lock);
    if (status < 0) {
        s->failed = true;
        s->failure = *err;
    }
    if (!s->request) {
        next = NEXT_FREE;
    } else if (s->failed) {
        next = s->ended ? NEXT_FAIL : NEXT_REST;
    } else if (s->filling.length >= BLOCK_BYTES || (s->ended && s->filling.length > 0)) {
        swap_buffers(s);
        next = NEXT_BLOCK;
    } else if (s->ended) {
        next = NEXT_FINISH;
    }
    s->working = next == NEXT_BLOCK;
    if (s->suspended && !s->ended && s->request) {
        s->suspended = false;
        request_go_on(s->request);
    }
    pthread_mutex_unlock(&s->lock);
    return next;
}

static void run(struct task *task)
{
    struct stream *s = (struct stream *)task;
    for (;;) {
        struct err err = {0};
        int status = work_on_block(s, &err);
        switch (decide(s, status, &err)) {
        case NEXT_BLOCK:
            if (executor_submit(s->api->batchers, &s->task))
                return; /* others' blocks come in between */
            continue;
        case NEXT_REST:
            return;
        case NEXT_FINISH:
            finish(s);
            return;
        case NEXT_FAIL:
            request_finish(s->request, &s->failure);
            return;
        case NEXT_FREE:
            free_all(s);
            return;
        }
    }
}

/* Gives what has arrived to a worker. The lock is held. */
static void start_work(struct stream *s)
{
    swap_buffers(s);
    s->working = true;
    s->task.run = run;
    if (executor_submit(s->api->batchers, &s->task))
        return;
    s->working = false;
    s->failed = true;
    err_set(&s->failure, ERR_OVERLOADED, "too many batches are being read");
}

/* ---- the HTTP thread's side ---- */

int stream_open(struct request *r, struct err *err)
{
    struct stream *s = mem_zeroed(1, sizeof *s);
    char *name = mem_strdup(request_parameter(r, "project").ptr);
    if (!s || !name) {
        mem_free(s);
        mem_free(name);
        return err_memory(err);
    }
    pthread_mutex_init(&s->lock, NULL);
    s->api = r->api;
    s->who = r->who;
    s->project_name = name;
    s->has_project = r->has_project;
    s->project = r->project;
    s->skip = str_is(target_query(&r->target, "on_error"), "skip");
    s->request = r;
    s->lines.max_line = (size_t)r->api->config->max_batch_line_bytes;
    r->stream = s;
    return 0;
}

static void check_limits(struct stream *s, size_t size)
{
    s->arrived += size;
    if (s->failed)
        return;
    if (s->arrived > (size_t)s->api->config->max_batch_bytes)
        s->failed = err_set(&s->failure, ERR_TOO_LARGE, "the stream has more than %lld bytes",
                            (long long)s->api->config->max_batch_bytes) < 0;
    else if (atomic_load(&s->api->draining))
        s->failed = err_set(&s->failure, ERR_DRAINING, "the daemon is stopping; the batch was not stored") < 0;
}

enum MHD_Result stream_take(struct request *r, const char *data, size_t *size)
{
    struct stream *s = r->stream;
    bool full = false;
    pthread_mutex_lock(&s->lock);
    check_limits(s, *size);
    bool failed = s->failed;
    struct err failure = s->failure;
    if (!failed && s->filling.length + *size > ROOM_BYTES && s->working) {
        full = s->suspended = true;
        s->arrived -= *size;
        r->phase = REQUEST_WORKING;
        request_suspend(r);
    } else if (!failed) {
        buf_add(&s->filling, data, *size);
        if (!s->working && s->filling.length >= BLOCK_BYTES)
            start_work(s);
    }
    pthread_mutex_unlock(&s->lock);
    if (failed)
        request_last_word(r, &failure);
    if (!full)
        *size = 0;
    return MHD_YES;
}

void stream_end(struct request *r)
{
    struct stream *s = r->stream;
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    r->phase = REQUEST_WORKING;
    request_suspend(r);
    if (!s->working && !s->failed)
        start_work(s);
    bool failed = s->failed && !s->working;
    pthread_mutex_unlock(&s->lock);
    if (failed)
        request_finish(r, &s->failure);
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    bool working = s->working;
    s->request = NULL;
    pthread_mutex_unlock(&s->lock);
    if (!working)
        free_all(s);
}
