#include "store/comparison.h"

#include <string.h>

#include "api/resource/resource.h"
#include "base/json_text.h"
#include "formats/record.h"
#include "store/identity.h"

enum { KEY_MOST = 255 };

static void add_id(struct buf *body, const char *name, const struct uuid *id)
{
    json_key(body, name);
    json_put_uuid(body, id);
}

/* A writer has committed the comparison, or refused it. */
static void on_done(struct ingest_entry *entry)
{
    struct request *r = entry->context;
    const struct judgement *j = &entry->judgement;
    if (entry->verdict == JUDGEMENT_REFUSED) {
        request_finish(r, &entry->err);
        return;
    }
    bool replayed = entry->verdict == JUDGEMENT_REPLAYED;
    char id[UUID_TEXT_SIZE];
    struct buf body = {0};
    json_open(&body, '{');
    add_id(&body, "id", &j->id);
    add_id(&body, "annotator", &j->annotator);
    add_id(&body, "item", &j->item);
    add_id(&body, "a", &j->a.id);
    add_id(&body, "b", &j->b.id);
    json_key(&body, "replayed");
    json_put_bool(&body, replayed);
    json_close(&body, '}');
    reply_json(&r->reply, replayed ? 200 : 201, &body);
    struct str project = request_parameter(r, "project");
    const char *at = arena_printf(&r->arena, "/v1/projects/%.*s/comparisons/%s", (int)project.len, project.ptr,
                                  uuid_format(&j->id, id));
    if (at)
        reply_field(&r->reply, "Location", at);
    request_finish(r, NULL);
}

/* Gives the comparison of the body to the writers; `id` is the path's or the key's, or NULL. */
static int submit(struct request *r, const struct uuid *id, struct err *err)
{
    const struct record *record = r->input;
    if (record_check(record, err) < 0 ||
        judgement_of_record(record, &r->project, id, &r->arena, &r->entry.judgement, err) < 0)
        return -1;
    r->entry.done = on_done;
    r->entry.context = r;
    return ingest_submit(r->api->ingest, &r->entry, err);
}

int on_comparison_put(struct request *r, struct err *err)
{
    struct uuid id;
    if (!uuid_parse(request_parameter(r, "comparison"), &id))
        return err_set(err, ERR_INVALID_REQUEST, "the id of a comparison is a UUID");
    return submit(r, &id, err);
}

int on_comparisons_post(struct request *r, struct err *err)
{
    const char *key = request_header(r, "Idempotency-Key");
    if (!key)
        return submit(r, NULL, err);
    struct str text = str_of(key);
    if (text.len == 0 || text.len > KEY_MOST || !str_is_utf8(text))
        return err_set(err, ERR_INVALID_REQUEST, "an Idempotency-Key has 1 to %d bytes of text", KEY_MOST);
    struct uuid id = identity_key(&r->project, text);
    return submit(r, &id, err);
}

int on_comparisons_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct page page = request_page(r);
    if (comparison_list(r->api->pool, &r->project, request_asks(r, "inline"), &page, &body, err) < 0)
        return answer_json(r, -1, 0, &body);
    return answer_page(r, &body, err);
}

int on_comparison_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct uuid id;
    if (request_uuid(r, "comparison", &id, err) < 0)
        return -1;
    int status = comparison_get(r->api->pool, &r->project, &id, request_asks(r, "inline"), &body, err);
    return answer_json(r, status, 200, &body);
}

int on_comparison_undo(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct uuid id;
    if (request_uuid(r, "comparison", &id, err) < 0)
        return -1;
    return answer_json(r, comparison_undo(r->api->pool, &r->project, &id, &r->who.token, &body, err), 200, &body);
}
