#include <string.h>

#include "api/resource/resource.h"

int answer_json(struct request *r, int result, int status, struct buf *body)
{
    if (result < 0) {
        buf_free(body);
        return -1;
    }
    reply_json(&r->reply, status, body);
    return 0;
}

/* Appends text percent-encoded for a query. */
static void encode(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
        if (plain)
            buf_char(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

/* The same request with another cursor. */
static const char *next_link(struct request *r, const char *cursor)
{
    struct buf link = {0};
    buf_printf(&link, "<%s?", r->target.path);
    for (size_t i = 0; i < r->target.query_count; i++) {
        const struct target_member *m = &r->target.query[i];
        if (str_is(m->name, "cursor"))
            continue;
        encode(&link, m->name);
        buf_char(&link, '=');
        encode(&link, m->value);
        buf_char(&link, '&');
    }
    buf_text(&link, "cursor=");
    encode(&link, str_of(cursor));
    buf_text(&link, ">; rel=\"next\"");
    const char *text = link.failed ? NULL : arena_strndup(&r->arena, link.data, link.length);
    buf_free(&link);
    return text;
}

/* The database writes next_cursor as the last member: it is found from the end, without reading the items. */
static const char *last_cursor(struct request *r, const struct buf *body)
{
    static const char key[] = "\"next_cursor\"";
    const char *found = NULL;
    for (size_t i = body->length; i-- > 0 && !found;)
        if (body->data[i] == '"' && body->length - i >= sizeof key && memcmp(body->data + i, key, sizeof key - 1) == 0)
            found = body->data + i + sizeof key - 1;
    size_t skip = found ? strspn(found, " :") : 0;
    if (!found || (found[skip] != '"' && (found[skip] < '0' || found[skip] > '9')))
        return NULL;
    bool quoted = found[skip] == '"';
    const char *start = found + skip + quoted;
    return arena_strndup(&r->arena, start, strcspn(start, quoted ? "\"" : " }"));
}

int answer_page(struct request *r, struct buf *body, struct err *err)
{
    if (body->failed) {
        buf_free(body);
        return err_memory(err);
    }
    const char *cursor = last_cursor(r, body);
    const char *link = cursor ? next_link(r, cursor) : NULL;
    if (link)
        reply_field(&r->reply, "Link", link);
    reply_json(&r->reply, 200, body);
    return 0;
}

int answer_one(struct request *r, const char *name, int status, one_of_project *ask, struct err *err)
{
    struct buf body = {0};
    struct uuid id;
    if (request_uuid(r, name, &id, err) < 0)
        return -1;
    return answer_json(r, ask(r->api->pool, &r->project, &id, &body, err), status, &body);
}

int answer_list(struct request *r, list_of_project *list, struct err *err)
{
    struct buf body = {0};
    struct page page = request_page(r);
    if (list(r->api->pool, &r->project, &page, &body, err) < 0)
        return answer_json(r, -1, 0, &body);
    return answer_page(r, &body, err);
}

int answer_stream(struct request *r, enum follow_what what, const struct uuid *job, struct job_cursor after,
                  struct err *err)
{
    bool events = what != FOLLOW_LOG;
    r->reply.status = 200;
    r->reply.content_type = events ? "text/event-stream" : "application/x-ndjson";
    if (events)
        reply_field(&r->reply, "X-Accel-Buffering", "no"); /* a proxy in between would hold events back */
    return follow_open(r->api->followers, r->connection, what, &r->project, job, after, &r->reply.stream, err);
}
