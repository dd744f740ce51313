#include "formats/foreign.h"

#include "base/json_text.h"
#include "formats/transcript.h"

static const struct json_field message_fields[] = {
    JSON_FIELD(ENUM, struct record_message, role, "role", .flags = JSON_REQUIRED, .names = record_roles),
    JSON_FIELD(STR, struct record_message, content, "content", .flags = JSON_REQUIRED | JSON_LONG_TEXT),
};
static const struct json_shape message_shape =
    JSON_SHAPE(struct record_message, message_fields, "ForeignMessage", NULL, .open = true);
const struct json_field foreign_message_item = JSON_ITEM(OBJECT, .shape = &message_shape);

size_t foreign_common_messages(const struct json_list *a, const struct json_list *b)
{
    const struct record_message *x = a->items, *y = b->items;
    size_t n = 0;
    while (n + 1 < a->count && n + 1 < b->count && x[n].role == y[n].role && str_equal(x[n].content, y[n].content))
        n++;
    while (n > 0 && (x[n].role != ROLE_ASSISTANT || y[n].role != ROLE_ASSISTANT))
        n--;
    return n;
}

int foreign_answer(const struct json_list *messages, size_t from, const char *pointer, struct arena *arena,
                   struct str *ret, struct err *err)
{
    const struct record_message *m = messages->items;
    if (from >= messages->count || m[from].role != ROLE_ASSISTANT)
        return err_at(err, ERR_INVALID_VALUE, pointer, "the answer must begin with a message of the assistant");
    if (from + 1 == messages->count) {
        *ret = m[from].content;
        return 0;
    }
    struct buf joined = {0};
    int status = 0;
    if (!transcript_join(messages, from, false, &joined))
        status = err_at(err, ERR_INVALID_VALUE, pointer, "an answer of several turns may have user and assistant only");
    char *copy = status == 0 && !joined.failed ? arena_strndup(arena, joined.data, joined.length) : NULL;
    *ret = (struct str){copy, joined.length};
    buf_free(&joined);
    return status == 0 && !copy ? err_memory(err) : status;
}

int foreign_meta(struct record *r, struct str meta, const struct json_list *others, struct arena *arena,
                 struct err *err)
{
    const struct json_other *other = others->items;
    bool is_object = meta.ptr && meta.ptr[0] == '{';
    if (others->count == 0 && (is_object || !meta.ptr)) {
        if (is_object)
            record_set_meta(r, meta);
        return 0;
    }
    struct buf out = {0};
    json_open(&out, '{');
    for (size_t i = 0; i < others->count; i++) {
        json_put_str(&out, other[i].name);
        buf_char(&out, ':');
        json_put_raw(&out, other[i].json);
    }
    if (meta.ptr) {
        json_key(&out, "meta");
        json_put_raw(&out, meta);
    }
    json_close(&out, '}');
    char *copy = out.failed ? NULL : arena_strndup(arena, out.data, out.length);
    if (copy)
        record_set_meta(r, (struct str){copy, out.length});
    buf_free(&out);
    return copy ? 0 : err_memory(err);
}

static int check_size(struct str text, size_t least, size_t most, const char *pointer, struct err *err)
{
    if (text.len < least)
        return err_at(err, ERR_INVALID_VALUE, pointer, "must not be empty");
    if (text.len > most)
        return err_at(err, ERR_INVALID_VALUE, pointer, "has %zu bytes, %zu are allowed", text.len, most);
    return 0;
}

int foreign_check(const struct record *r, const struct json_limits *limits, struct err *err)
{
    static const char *const texts[] = {"/a/text", "/b/text"}, *const policies[] = {"/a/policy", "/b/policy"};
    size_t most_name = (size_t)record_shape.fields[RECORD_ANNOTATOR].most;
    size_t most_meta = (size_t)record_shape.fields[RECORD_META].most;
    if (check_size(r->annotator, 1, most_name, "/annotator", err) || check_size(r->meta, 0, most_meta, "/meta", err))
        return -1;
    if (r->prompt_form == PROMPT_TEXT && check_size(r->prompt_text, 1, limits->text_bytes, "/prompt", err))
        return -1;
    for (int i = SIDE_A; i <= SIDE_B; i++) {
        const struct record_response *response = &r->side[i].response;
        if (check_size(response->text, 0, limits->text_bytes, texts[i], err))
            return -1;
        if (response->policy.ptr && check_size(response->policy, 1, most_name, policies[i], err))
            return -1;
    }
    return record_check(r, err);
}

bool foreign_has_texts(const struct record *r)
{
    return r->prompt_form != PROMPT_NONE && r->side[SIDE_A].form == SIDE_TEXT && r->side[SIDE_B].form == SIDE_TEXT;
}

void foreign_put_message(struct buf *out, enum record_role role, struct str content)
{
    struct record_message message = record_message_of(role, content);
    json_write(out, &record_message_shape, &message);
}

void foreign_put_prompt(struct buf *out, const struct record *r)
{
    const struct record_message *m = r->prompt_messages.items;
    if (r->prompt_form == PROMPT_TEXT) {
        foreign_put_message(out, ROLE_USER, r->prompt_text);
    } else {
        for (size_t i = 0; i < r->prompt_messages.count; i++)
            foreign_put_message(out, (enum record_role)m[i].role, m[i].content);
    }
}
