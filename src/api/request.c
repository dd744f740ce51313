#include "api/request.h"

#include <string.h>

#include "api/admission.h"
#include "api/stream.h"
#include "api/send.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

void *request_on_target(void *context, const char *target, struct MHD_Connection *connection)
{
    struct request *r = mem_zeroed(1, sizeof *r);
    if (!r)
        return NULL;
    r->api = context;
    r->connection = connection;
    r->started_ns = clock_mono_ns();
    reply_init(&r->reply);
    target_parse(target, &r->arena, &r->target, &r->target_err);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    r->watch = info ? info->socket_context : NULL;
    atomic_fetch_add(&r->api->active, 1);
    return r;
}

void request_on_end(void *context, struct MHD_Connection *connection, void **request,
                    enum MHD_RequestTerminationCode how)
{
    (void)connection;
    struct api *api = context;
    struct request *r = *request;
    if (!r)
        return;
    *request = NULL;
    watch_set(r->watch, api->config->idle_timeout_seconds + api->config->request_deadline_seconds);
    if (r->phase != REQUEST_HEAD)
        send_account(r, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    stream_free(r->stream);
    reply_free(&r->reply);
    buf_free(&r->body);
    arena_free(&r->arena);
    mem_free(r);
    atomic_fetch_sub(&api->active, 1);
}

void request_suspend(struct request *r)
{
    watch_set(r->watch, 0);
    MHD_suspend_connection(r->connection);
}

void request_finish(struct request *r, const struct err *err)
{
    if (err)
        reply_problem(&r->reply, err, r->id);
    r->phase = REQUEST_ANSWERED;
    MHD_resume_connection(r->connection);
}

/* The time in which what is left of the body must arrive. */
static void watch_body(struct request *r)
{
    int64_t seconds = r->api->config->request_deadline_seconds * (r->stream ? 10 : 1);
    int64_t left = seconds - (clock_mono_ns() - r->started_ns) / 1000000000;
    watch_set_answering(r->watch, left > 1 ? left : 1, r->api->timeout_answer.data);
}

void request_go_on(struct request *r)
{
    r->phase = REQUEST_BODY;
    watch_body(r);
    MHD_resume_connection(r->connection);
}

void request_last_word(struct request *r, const struct err *err)
{
    struct buf answer = {0};
    reply_problem(&r->reply, err, r->id);
    send_render_problem(&answer, err, r->id);
    if (!answer.failed)
        watch_last_word(r->watch, answer.data, answer.length);
    buf_free(&answer);
    r->phase = REQUEST_SHUT;
}

/* ---- handlers ---- */

static int bind_body(struct request *r, struct err *err)
{
    const struct json_shape *shape = r->route->body;
    const struct config *c = r->api->config;
    if (!shape)
        return 0;
    if (r->body.length == 0 && r->route->flags & ROUTE_BODY_OPTIONAL)
        buf_text(&r->body, "{}");
    if (buf_reserve(&r->body, 1))
        r->body.data[r->body.length] = '\0'; /* the reader asks for it, also after no byte at all */
    r->input = arena_zeroed(&r->arena, 1, shape->size);
    if (!r->input || r->body.failed)
        return err_memory(err);
    struct json_limits limits = {(int)c->max_json_depth, (size_t)c->max_text_bytes};
    return json_read(r->body.data, r->body.length, shape, &limits, r->input, &r->arena, err);
}

static int find_project(struct request *r, struct err *err)
{
    if (r->has_project || route_parameter(r->route, "project") < 0)
        return 0;
    if (admit_named_project(r->api, &r->who, request_parameter(r, "project"), &r->project, err) < 0)
        return -1;
    r->has_project = true;
    return 0;
}

/* A task of the readers: carries the request out, on a thread that may wait. */
static void run_waiting(struct task *task)
{
    struct request *r = (struct request *)task;
    struct err err = {0};
    bool late = clock_mono_ns() - r->queued_ns > r->api->config->database_deadline_ms * 1000000;
    bool later = r->route->flags & ROUTE_LATER;
    int status;
    if (late)
        status = err_set(&err, ERR_DATABASE_DOWN, "the database did not answer in time");
    else if ((status = find_project(r, &err)) == 0)
        status = r->route->handle(r, &err);
    if (status < 0 || !later)
        request_finish(r, status < 0 ? &err : NULL);
}

static void run_elsewhere(struct request *r)
{
    r->phase = REQUEST_WORKING;
    r->task.run = run_waiting;
    r->queued_ns = clock_mono_ns();
    request_suspend(r);
    if (executor_submit(r->api->readers, &r->task))
        return;
    struct err err;
    err_set(&err, ERR_OVERLOADED, "too many requests wait for the database");
    request_finish(r, &err);
}

/* Its project is known and its handler answers later by itself: no need for a thread in between. */
static void run_later(struct request *r)
{
    struct err err;
    r->phase = REQUEST_WORKING;
    request_suspend(r);
    if (r->route->handle(r, &err) < 0)
        request_finish(r, &err);
}

static enum MHD_Result answer_here(struct request *r, const struct err *err)
{
    if (err)
        reply_problem(&r->reply, err, r->id);
    r->phase = REQUEST_ANSWERED;
    return send_reply(r);
}

/* The body is complete. */
static enum MHD_Result carry_out(struct request *r)
{
    struct err err = {0};
    if (r->stream) {
        stream_end(r);
        return MHD_YES;
    }
    if (bind_body(r, &err) < 0)
        return answer_here(r, &err);
    if (r->route->from_memory && r->route->from_memory(r))
        return answer_here(r, NULL);
    if (r->route->flags & ROUTE_HERE)
        return answer_here(r, r->route->handle(r, &err) < 0 ? &err : NULL);
    if (r->route->flags & ROUTE_LATER && r->has_project)
        run_later(r);
    else
        run_elsewhere(r);
    return MHD_YES;
}

/* ---- the body as it arrives ---- */

static enum MHD_Result take_data(struct request *r, const char *data, size_t *size)
{
    struct err err;
    if (r->stream)
        return stream_take(r, data, size);
    if (r->body.length + *size > (size_t)r->api->config->max_body_bytes) {
        err_set(&err, ERR_TOO_LARGE, "the body has more than %lld bytes", (long long)r->api->config->max_body_bytes);
        request_last_word(r, &err);
    } else {
        buf_add(&r->body, data, *size);
    }
    *size = 0;
    return MHD_YES;
}

/* Refused on its header section. A small body that is on its way is read first, so that the client, who may not look at
 * answers before it has sent all, sees this one and the connection stays usable. */
static enum MHD_Result refuse(struct request *r, const struct err *err)
{
    reply_problem(&r->reply, err, r->id);
    if (err->code == ERR_METHOD_NOT_ALLOWED)
        reply_field(&r->reply, "Allow", route_allow(&r->target, &r->arena));
    bool body = framing_has_body(&r->framing);
    bool small = r->framing.has_length && r->framing.length <= r->api->config->max_body_bytes;
    if (r->reply.close || (body && (!small || r->framing.expects_continue))) {
        r->reply.close = true;
        r->phase = REQUEST_ANSWERED;
        return send_reply(r);
    }
    r->phase = REQUEST_DISCARD;
    watch_body(r);
    return MHD_YES;
}

/* A task of the readers: a token that was made a moment ago may be in the database and not yet in memory. */
static void look_for_token(struct task *task)
{
    struct request *r = (struct request *)task;
    struct err err;
    r->look_failed = tokens_refresh(r->api->tokens, r->api->pool, r->started_ns, &err) < 0;
    MHD_resume_connection(r->connection); /* the header section is looked at once more */
}

static enum MHD_Result look_again(struct request *r)
{
    r->looked_again = true;
    r->phase = REQUEST_HEAD;
    r->task.run = look_for_token;
    request_suspend(r);
    if (!executor_submit(r->api->readers, &r->task)) {
        r->look_failed = true;
        MHD_resume_connection(r->connection);
    }
    return MHD_YES;
}

static enum MHD_Result take_head(struct request *r, const char *method, const char *version)
{
    struct err err = {0};
    r->method = arena_strndup(&r->arena, method, strlen(method));
    r->phase = REQUEST_BODY;
    if (!r->method)
        return MHD_NO;
    int admitted = admit(r, version, &err);
    if (admitted < 0 && r->who.unheard_of && !r->looked_again)
        return look_again(r);
    if (admitted < 0 && r->who.unheard_of && r->look_failed)
        err_set(&err, ERR_DATABASE_DOWN, "this token is not known here yet, and the database does not answer");
    if (admitted < 0)
        return refuse(r, &err);
    if (admitted > 0)
        r->phase = REQUEST_DISCARD;
    watch_body(r);
    return MHD_YES;
}

enum MHD_Result request_on_data(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                const char *version, const char *data, size_t *size, void **request)
{
    (void)context, (void)connection, (void)url;
    struct request *r = *request;
    if (!r)
        return MHD_NO; /* no memory for it */
    bool more = *size > 0;
    switch (r->phase) {
    case REQUEST_HEAD:
        return take_head(r, method, version);
    case REQUEST_BODY:
        return more ? take_data(r, data, size) : carry_out(r);
    case REQUEST_DISCARD:
        *size = 0;
        return more ? MHD_YES : send_reply(r);
    case REQUEST_SHUT:
        *size = 0;
        return more ? MHD_YES : MHD_NO;
    case REQUEST_WORKING:
        return MHD_YES;
    case REQUEST_ANSWERED:
        return send_reply(r);
    }
    return MHD_NO;
}

/* ---- what handlers ask ---- */

const char *request_header(const struct request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

struct str request_parameter(const struct request *r, const char *name)
{
    return r->match.parameters[route_parameter(r->route, name)];
}

int request_uuid(const struct request *r, const char *name, struct uuid *ret, struct err *err)
{
    if (uuid_parse(request_parameter(r, name), ret))
        return 0;
    return err_set(err, ERR_NOT_FOUND, "there is no such %s: ids are UUIDs", name);
}

struct page request_page(const struct request *r)
{
    struct page page = {PAGE_LIMIT_DEFAULT, target_query(&r->target, "cursor")};
    int64_t limit;
    if (str_to_int64(target_query(&r->target, "limit"), &limit))
        page.limit = (int)limit;
    return page;
}

bool request_asks(const struct request *r, const char *name)
{
    return str_is(target_query(&r->target, name), "true");
}
