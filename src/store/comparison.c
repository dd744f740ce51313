#include "store/comparison.h"

#include "base/arena.h"
#include "base/check.h"
#include "store/pool.h"

int comparison_get(struct pool *pool, const struct uuid *project, const struct uuid *comparison, bool inline_texts,
                   struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    pg_param_uuid(&p, comparison);
    pg_param_bool(&p, inline_texts);
    int status = query_json(pool, QUERY_comparison_get, &p, out, err);
    pg_params_free(&p);
    return status;
}

int comparison_list(struct pool *pool, const struct uuid *project, bool inline_texts, const struct page *page,
                    struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    int status = page_by_number(page, &p, err);
    enum query query = inline_texts ? QUERY_comparison_list_inline : QUERY_comparison_list;
    if (status == 0)
        status = query_json(pool, query, &p, out, err);
    pg_params_free(&p);
    return status;
}

int comparison_undo(struct pool *pool, const struct uuid *project, const struct uuid *comparison,
                    const struct uuid *token, struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    pg_param_uuid(&p, comparison);
    pg_param_uuid(&p, token);
    int status = pool_query(pool, QUERY_comparison_undo, &p, NULL, err);
    pg_params_free(&p);
    return status < 0 ? -1 : comparison_get(pool, project, comparison, false, out, err);
}

/* ---- the stream ---- */

/* Columns of comparison_stream.sql. */
enum {
    SEQ,
    ID,
    ANNOTATOR,
    PROMPT,
    IS_MESSAGES,
    TEXT_A,
    POLICY_A,
    TEXT_B,
    POLICY_B,
    OUTCOME,
    STRENGTH,
    SHOWN_FIRST,
    DURATION_MS,
    SKIP_REASON,
    META,
    JUDGED_AT,
    LISTS
};

/* The members that are lists travel as one small document. */
struct lists {
    struct json_seen seen;
    struct json_list reasons, messages;
};

static const struct json_field reason_item = JSON_ITEM(STR);
static const struct json_field message_item = JSON_ITEM(OBJECT, .shape = &record_message_shape);
static const struct json_field lists_fields[] = {
    JSON_FIELD(LIST, struct lists, reasons, "reasons", .item = &reason_item, .item_size = sizeof(struct str)),
    JSON_FIELD(LIST, struct lists, messages, "messages", .item = &message_item,
               .item_size = sizeof(struct record_message)),
};
static const struct json_shape lists_shape = JSON_SHAPE(struct lists, lists_fields, "Lists", NULL);

struct stream {
    int (*each)(const struct record *record, int64_t seq, void *context, struct err *err);
    void *context;
    struct arena arena; /* of one row */
};

static void give(struct record *r, enum record_member member)
{
    r->seen.given |= (uint64_t)1 << member;
}

static int position(const char *const *names, struct str name)
{
    int i = 0;
    while (!str_is(name, names[i]))
        CHECK(names[++i]);
    return i;
}

static int read_lists(const struct pg_result *row, struct arena *arena, struct lists *ret, struct err *err)
{
    static const struct json_limits limits = {.depth = 8, .text_bytes = 1 << 30};
    struct str text = pg_text(row, 0, LISTS);
    *ret = (struct lists){0};
    if (!text.ptr)
        return 0;
    char *copy = arena_strndup(arena, text.ptr, text.len);
    return copy ? json_read(copy, text.len, &lists_shape, &limits, ret, arena, err) : err_memory(err);
}

static void read_details(const struct pg_result *row, struct record *r)
{
    if (!pg_null(row, 0, STRENGTH)) {
        r->strength = pg_int(row, 0, STRENGTH);
        give(r, RECORD_STRENGTH);
    }
    if (!pg_null(row, 0, SHOWN_FIRST)) {
        r->shown_first = position(record_sides, pg_text(row, 0, SHOWN_FIRST));
        give(r, RECORD_SHOWN_FIRST);
    }
    if (!pg_null(row, 0, DURATION_MS)) {
        r->duration_ms = pg_int(row, 0, DURATION_MS);
        give(r, RECORD_DURATION_MS);
    }
    if (!pg_null(row, 0, SKIP_REASON)) {
        r->skip_reason = pg_text(row, 0, SKIP_REASON);
        give(r, RECORD_SKIP_REASON);
    }
    if (!pg_null(row, 0, JUDGED_AT)) {
        r->created_at = pg_time(row, 0, JUDGED_AT);
        give(r, RECORD_CREATED_AT);
    }
    if (!pg_null(row, 0, META))
        record_set_meta(r, pg_text(row, 0, META));
}

static int stream_row(const struct pg_result *row, void *context, struct err *err)
{
    struct stream *s = context;
    struct record r = {.id = pg_uuid(row, 0, ID)};
    struct lists lists;
    arena_free(&s->arena);
    if (read_lists(row, &s->arena, &lists, err) < 0)
        return -1;
    give(&r, RECORD_ID);
    record_set_annotator(&r, pg_text(row, 0, ANNOTATOR));
    if (pg_bool(row, 0, IS_MESSAGES))
        record_set_messages(&r, lists.messages);
    else
        record_set_prompt(&r, pg_text(row, 0, PROMPT));
    record_set_response(&r, SIDE_A, pg_text(row, 0, TEXT_A), pg_text(row, 0, POLICY_A));
    record_set_response(&r, SIDE_B, pg_text(row, 0, TEXT_B), pg_text(row, 0, POLICY_B));
    record_set_outcome(&r, (enum record_outcome)position(record_outcomes, pg_text(row, 0, OUTCOME)));
    if (json_given(&lists.seen, 0)) {
        r.reasons = lists.reasons;
        give(&r, RECORD_REASONS);
    }
    read_details(row, &r);
    return s->each(&r, pg_int(row, 0, SEQ), s->context, err);
}

int comparison_stream(struct pool *pool, const struct uuid *project, const struct comparison_filter *filter,
                      int64_t row_ms,
                      int (*each)(const struct record *record, int64_t seq, void *context, struct err *err),
                      void *context, struct err *err)
{
    struct stream s = {.each = each, .context = context};
    struct pg_params p = {0};
    struct pg *pg = NULL;
    pg_param_uuid(&p, project);
    pg_param_int(&p, filter->up_to);
    pg_param_bool(&p, filter->with_skips);
    pg_param_bool(&p, filter->with_retracted);
    int status = pool_take(pool, 0, &pg, err);
    if (status == 0)
        status = pg_stream(pg, QUERY_comparison_stream, &p, row_ms, stream_row, &s, err);
    pool_give(pool, pg);
    arena_free(&s.arena);
    pg_params_free(&p);
    return status;
}
