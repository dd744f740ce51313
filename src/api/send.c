#include "api/send.h"

#include <stdio.h>
#include <string.h>

#include "api/cors.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

static void drop_document(void *document)
{
    document_drop(document);
}

/* The body of the reply as a response of the library, which then owns it. */
static struct MHD_Response *take_body(struct reply *r)
{
    struct MHD_Response *response = NULL;
    if (r->stream) {
        response = r->stream;
        r->stream = NULL;
    } else if (r->status == 304) {
        /* The library adds "Content-Length: 0". The length of the 200 is what RFC 9110 (8.6) has in mind, but clients
         * that know no better (wrk, for one) then wait for a body; chunked does the same to Python's. */
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    } else if (r->document) {
        response = MHD_create_response_from_buffer_with_free_callback_cls(r->document->length, r->document->bytes,
                                                                          drop_document, r->document);
        r->document = response ? NULL : r->document;
    } else if (r->file >= 0) {
        response = MHD_create_response_from_fd64((uint64_t)r->file_size, r->file);
        r->file = response ? -1 : r->file;
    } else if (r->body.length > 0 && !r->body.failed) {
        response = MHD_create_response_from_buffer_with_free_callback(r->body.length, r->body.data, mem_free);
        r->body = response ? (struct buf){0} : r->body;
    } else {
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    }
    return response;
}

static void add_rate(const struct principal *who, bool over, struct MHD_Response *response)
{
    char text[96];
    if (who->limit == 0)
        return;
    snprintf(text, sizeof text, "%lld", (long long)who->reset_seconds);
    if (over)
        MHD_add_response_header(response, "Retry-After", text);
    snprintf(text, sizeof text, "\"token\";q=%lld;w=60", (long long)who->limit);
    MHD_add_response_header(response, "RateLimit-Policy", text);
    snprintf(text, sizeof text, "\"token\";r=%lld;t=%lld", (long long)who->remaining, (long long)who->reset_seconds);
    MHD_add_response_header(response, "RateLimit", text);
}

static bool has_field(const struct reply *r, const char *name)
{
    for (size_t i = 0; i < r->field_count; i++)
        if (strcmp(r->fields[i].name, name) == 0)
            return true;
    return false;
}

static void add_fields(struct request *r, struct MHD_Response *response)
{
    cors_answer(&r->reply, r->api->config->cors_origins, request_header(r, "Origin"));
    if (r->reply.content_type)
        MHD_add_response_header(response, "Content-Type", r->reply.content_type);
    for (size_t i = 0; i < r->reply.field_count; i++)
        MHD_add_response_header(response, r->reply.fields[i].name, r->reply.fields[i].value);
    if (!has_field(&r->reply, "Cache-Control"))
        MHD_add_response_header(response, "Cache-Control", has_field(&r->reply, "ETag") ? "no-cache" : "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "X-Request-Id", r->id);
    if (r->reply.close || atomic_load(&r->api->draining))
        MHD_add_response_header(response, "Connection", "close");
    add_rate(&r->who, r->reply.code == ERR_RATE_LIMITED, response);
}

enum MHD_Result send_reply(struct request *r)
{
    if (r->reply.body.failed) {
        struct err err;
        err_memory(&err);
        reply_problem(&r->reply, &err, r->id);
    }
    bool stream = r->reply.stream;
    struct MHD_Response *response = take_body(&r->reply);
    if (!response)
        return MHD_NO;
    add_fields(r, response);
    /* A stream of our own making ends by itself; any other answer must be taken within ten times the deadline. */
    watch_set(r->watch, stream ? 0 : 10 * r->api->config->request_deadline_seconds);
    enum MHD_Result queued = MHD_queue_response(r->connection, (unsigned)r->reply.status, response);
    MHD_destroy_response(response);
    return queued;
}

void send_render_problem(struct buf *out, const struct err *err, const char *request_id)
{
    const struct err_info *info = err_info(err->code);
    struct buf body = {0};
    problem_render(&body, err, request_id, NULL);
    buf_printf(out,
               "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nContent-Length: %zu\r\n%s"
               "%s%s%sCache-Control: no-store\r\nConnection: close\r\n\r\n",
               info->status, MHD_get_reason_phrase_for((unsigned)info->status), body.length,
               info->retryable ? "Retry-After: " REPLY_RETRY_SECONDS "\r\n" : "",
               *request_id ? "X-Request-Id: " : "", request_id, *request_id ? "\r\n" : "");
    buf_add(out, body.data ? body.data : "", body.length);
    buf_free(&body);
}

void send_account(const struct request *r, bool complete)
{
    int status = r->reply.status;
    metric_add(METRIC_HTTP_REQUESTS, 1);
    metric_add(METRIC_HTTP_ERRORS_CLIENT, status >= 400 && status < 500);
    metric_add(METRIC_HTTP_ERRORS_SERVER, status >= 500);
    metric_add(METRIC_HTTP_NOT_MODIFIED, status == 304);
    double ms = (double)(clock_mono_ns() - r->started_ns) / 1e6;
    log_event(status >= 500 ? LOG_WARNING : LOG_INFO, "http_request", "%s %.200s %d %.2f ms %s%s%s%s",
              r->method ? r->method : "-", r->target.path ? r->target.path : "-", status, ms, r->id,
              r->reply.code ? " " : "", r->reply.code ? err_info(r->reply.code)->wire : "",
              complete ? "" : " (not taken by the client)");
}
