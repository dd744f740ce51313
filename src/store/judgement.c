#include "store/judgement.h"

#include <string.h>

#include "base/buf.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "store/identity.h"

/* The bytes of `b` in the arena; frees the buffer. */
static int keep(struct buf *b, struct arena *arena, struct str *ret, struct err *err)
{
    char *copy = b->failed ? NULL : arena_strndup(arena, b->data ? b->data : "", b->length);
    *ret = (struct str){copy, b->length};
    buf_free(b);
    return copy ? 0 : err_memory(err);
}

int judgement_messages(const struct json_list *messages, struct arena *arena, struct str *ret, struct err *err)
{
    struct buf text = {0};
    const struct record_message *m = messages->items;
    json_open(&text, '[');
    for (size_t i = 0; i < messages->count; i++) {
        json_open(&text, '{');
        json_key(&text, "role");
        json_put_text(&text, record_roles[m[i].role]);
        json_key(&text, "content");
        json_put_str(&text, m[i].content);
        json_close(&text, '}');
    }
    json_close(&text, ']');
    return keep(&text, arena, ret, err);
}

/* {"one","two"}: the input form of text[]. */
static int reasons_literal(const struct json_list *reasons, struct arena *arena, struct str *ret, struct err *err)
{
    struct buf text = {0};
    const struct str *reason = reasons->items;
    buf_char(&text, '{');
    for (size_t i = 0; i < reasons->count; i++) {
        buf_text(&text, i ? ",\"" : "\"");
        for (size_t c = 0; c < reason[i].len; c++) {
            if (reason[i].ptr[c] == '"' || reason[i].ptr[c] == '\\')
                buf_char(&text, '\\');
            buf_char(&text, reason[i].ptr[c]);
        }
        buf_char(&text, '"');
    }
    buf_char(&text, '}');
    return keep(&text, arena, ret, err);
}

static void side_ids(const struct record_side *side, const struct uuid *item, struct judgement_response *ret)
{
    if (side->form == SIDE_ID) {
        *ret = (struct judgement_response){.id = side->id};
        return;
    }
    ret->text = side->response.text.ptr ? side->response.text : STR_LITERAL("");
    ret->policy = side->response.policy;
    ret->id = identity_response(item, ret->policy, ret->text);
}

static int take_item(const struct record *r, struct arena *arena, struct judgement *j, struct err *err)
{
    j->prompt_is_messages = r->prompt_form == PROMPT_MESSAGES;
    if (r->prompt_form == PROMPT_NONE)
        j->item = r->item;
    else if (j->prompt_is_messages && judgement_messages(&r->prompt_messages, arena, &j->prompt, err) < 0)
        return -1;
    else if (!j->prompt_is_messages)
        j->prompt = r->prompt_text.ptr ? r->prompt_text : STR_LITERAL("");
    if (j->prompt.ptr)
        j->item = identity_item(&j->project, j->prompt, j->prompt_is_messages);
    side_ids(&r->side[SIDE_A], &j->item, &j->a);
    side_ids(&r->side[SIDE_B], &j->item, &j->b);
    if (memcmp(&j->a.id, &j->b.id, sizeof j->a.id) == 0)
        return err_at(err, ERR_INVALID_VALUE, "/b", "a and b are the same response");
    return 0;
}

static int take_id(const struct record *r, const struct uuid *id, struct uuid *ret, struct err *err)
{
    if (!json_has(&r->seen, RECORD_ID)) {
        if (!id)
            return uuid_new(ret, err);
        *ret = *id;
        return 0;
    }
    if (id && memcmp(id, &r->id, sizeof *id) != 0)
        return err_at(err, ERR_INVALID_VALUE, "/id", "the id in the body is not the one that the request names");
    *ret = r->id;
    return 0;
}

static int take_rest(const struct record *r, struct arena *arena, struct judgement *j, struct err *err)
{
    j->outcome = r->outcome;
    j->strength = r->strength ? (int)r->strength : JUDGEMENT_ABSENT;
    j->shown_first = json_has(&r->seen, RECORD_SHOWN_FIRST) ? r->shown_first : JUDGEMENT_ABSENT;
    j->duration_ms = json_has(&r->seen, RECORD_DURATION_MS) ? r->duration_ms : JUDGEMENT_ABSENT;
    if (j->duration_ms > INT32_MAX)
        return err_at(err, ERR_INVALID_VALUE, "/duration_ms", "at most %d", INT32_MAX);
    j->has_judged_at = json_has(&r->seen, RECORD_CREATED_AT);
    j->judged_at = j->has_judged_at ? r->created_at : 0;
    if (json_has(&r->seen, RECORD_SKIP_REASON))
        j->skip_reason = r->skip_reason;
    if (json_has(&r->seen, RECORD_META))
        j->meta = r->meta;
    return json_has(&r->seen, RECORD_REASONS) ? reasons_literal(&r->reasons, arena, &j->reasons, err) : 0;
}

static void digest_text(struct sha256 *s, struct str text)
{
    uint64_t length = text.ptr ? text.len : UINT64_MAX;
    sha256_update(s, &length, sizeof length);
    if (text.ptr)
        sha256_update(s, text.ptr, text.len);
}

/* Canonical form: the four ids, six numbers, three texts each behind its length; little-endian, as all machines that
 * this runs on. */
static void take_digest(struct judgement *j)
{
    struct sha256 s;
    uint8_t digest[SHA256_SIZE];
    int64_t numbers[] = {j->outcome, j->strength, j->shown_first, j->duration_ms, j->has_judged_at, j->judged_at};
    sha256_init(&s);
    sha256_update(&s, j->annotator.bytes, 16);
    sha256_update(&s, j->item.bytes, 16);
    sha256_update(&s, j->a.id.bytes, 16);
    sha256_update(&s, j->b.id.bytes, 16);
    sha256_update(&s, numbers, sizeof numbers);
    digest_text(&s, j->skip_reason);
    digest_text(&s, j->reasons);
    digest_text(&s, j->meta);
    sha256_final(&s, digest);
    memcpy(j->digest, digest, JUDGEMENT_DIGEST);
}

static int check_text(struct str text, const char *pointer, struct err *err)
{
    if (text.ptr && text.len && memchr(text.ptr, 0, text.len))
        return err_at(err, ERR_INVALID_VALUE, pointer, "the text contains a NUL character");
    return 0;
}

static int check_texts(const struct judgement *j, struct err *err)
{
    const struct {
        struct str text;
        const char *pointer;
    } texts[] = {
        {j->annotator_name, "/annotator"}, {j->prompt, "/prompt"},   {j->a.text, "/a/text"},
        {j->a.policy, "/a/policy"},        {j->b.text, "/b/text"},   {j->b.policy, "/b/policy"},
        {j->skip_reason, "/skip_reason"},  {j->reasons, "/reasons"}, {j->meta, "/meta"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (check_text(texts[i].text, texts[i].pointer, err) < 0)
            return -1;
    return 0;
}

int judgement_of_record(const struct record *record, const struct uuid *project, const struct uuid *id,
                        struct arena *arena, struct judgement *ret, struct err *err)
{
    memset(ret, 0, sizeof *ret);
    ret->project = *project;
    ret->annotator_name = record->annotator;
    ret->annotator = identity_annotator(project, record->annotator);
    if (take_id(record, id, &ret->id, err) < 0 || take_item(record, arena, ret, err) < 0 ||
        take_rest(record, arena, ret, err) < 0 || check_texts(ret, err) < 0)
        return -1;
    take_digest(ret);
    return 0;
}

/* Its texts: those that end up in the database. */
enum { TEXTS = 9 };

static void list_texts(struct judgement *j, struct str *ret[TEXTS])
{
    struct str *texts[TEXTS] = {&j->annotator_name, &j->prompt,      &j->a.text,  &j->a.policy, &j->b.text,
                                &j->b.policy,       &j->skip_reason, &j->reasons, &j->meta};
    memcpy(ret, texts, sizeof texts);
}

size_t judgement_bytes(const struct judgement *j)
{
    struct judgement copy = *j;
    struct str *texts[TEXTS];
    size_t sum = 0;
    list_texts(&copy, texts);
    for (int i = 0; i < TEXTS; i++)
        sum += texts[i]->ptr ? texts[i]->len : 0;
    return sum;
}

int judgement_copy(const struct judgement *j, struct arena *arena, struct judgement *ret, struct err *err)
{
    struct str *texts[TEXTS];
    *ret = *j;
    char *room = arena_alloc(arena, judgement_bytes(j) + 1);
    if (!room)
        return err_memory(err);
    list_texts(ret, texts);
    for (int i = 0; i < TEXTS; i++) {
        if (!texts[i]->ptr)
            continue;
        memcpy(room, texts[i]->ptr, texts[i]->len);
        texts[i]->ptr = room;
        room += texts[i]->len;
    }
    return 0;
}
