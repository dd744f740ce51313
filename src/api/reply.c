#include "api/reply.h"

#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json_text.h"

void reply_init(struct reply *r)
{
    *r = (struct reply){.file = -1};
}

void reply_free(struct reply *r)
{
    if (r->stream)
        MHD_destroy_response(r->stream);
    document_drop(r->document);
    buf_free(&r->body);
    if (r->file >= 0)
        close(r->file);
    reply_init(r);
}

void reply_field(struct reply *r, const char *name, const char *value)
{
    CHECK(r->field_count < REPLY_FIELDS);
    r->fields[r->field_count++] = (struct reply_field){name, value};
}

void reply_json(struct reply *r, int status, struct buf *body)
{
    r->status = status;
    r->content_type = "application/json";
    buf_free(&r->body);
    r->body = *body;
    *body = (struct buf){0};
}

void reply_text(struct reply *r, int status, struct str text)
{
    struct buf body = {0};
    buf_add(&body, text.ptr, text.len);
    reply_json(r, status, &body);
}

void reply_empty(struct reply *r, int status)
{
    r->status = status;
    r->content_type = NULL;
}

void reply_document(struct reply *r, struct document *d, const char *if_none_match)
{
    r->document = d;
    reply_field(r, "ETag", d->etag);
    if (etag_matches(if_none_match, d->etag)) {
        r->status = 304;
        return;
    }
    r->status = 200;
    r->content_type = "application/json";
}

void problem_render(struct buf *out, const struct err *err, const char *request_id, const char *errors)
{
    const struct err_info *info = err_info(err->code);
    json_open(out, '{');
    json_member_text(out, "type", "about:blank");
    json_member_text(out, "title", info->title);
    json_member_int(out, "status", info->status);
    json_member_text(out, "detail", err->message);
    json_member_text(out, "code", info->wire);
    json_member_text(out, "pointer", err->pointer);
    if (err->line > 0) {
        json_member_int(out, "line", err->line);
    }
    json_member_text(out, "request_id", request_id);
    if (errors) {
        json_key(out, "errors");
        json_put_raw(out, str_of(errors));
    }
    json_close(out, '}');
}

void reply_problem(struct reply *r, const struct err *err, const char *request_id)
{
    const struct err_info *info = err_info(err->code);
    bool close_after = r->close;
    reply_free(r);
    r->close = close_after;
    r->code = err->code;
    r->status = info->status;
    r->content_type = "application/problem+json";
    problem_render(&r->body, err, request_id, NULL);
    if (info->status == 401)
        reply_field(r, "WWW-Authenticate", "Bearer realm=\"egalign\"");
    if (info->retryable && err->code != ERR_RATE_LIMITED) /* that one ends with the token's minute: see send.c */
        reply_field(r, "Retry-After", REPLY_RETRY_SECONDS);
}
