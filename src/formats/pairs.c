/* The three formats that say which response was chosen: TRL explicit, TRL implicit and HH-RLHF. */
#include "formats/foreign.h"

#include "base/json_text.h"
#include "formats/transcript.h"

struct pair {
    struct json_seen seen;
    struct str annotator;
    struct foreign_text prompt, chosen, rejected;
    struct str a, b; /* of a tie */
    struct str meta;
    struct json_list others;
};

enum { PAIR_ANNOTATOR, PAIR_PROMPT, PAIR_CHOSEN, PAIR_REJECTED, PAIR_A, PAIR_B, PAIR_META };

static const struct json_field prompt_forms[] = FOREIGN_TEXT_FORMS(struct pair, prompt);
static const struct json_field chosen_forms[] = FOREIGN_TEXT_FORMS(struct pair, chosen);
static const struct json_field rejected_forms[] = FOREIGN_TEXT_FORMS(struct pair, rejected);

static const struct json_field pair_fields[] = {
    [PAIR_ANNOTATOR] = JSON_FIELD(STR, struct pair, annotator, "annotator"),
    [PAIR_PROMPT] = JSON_FIELD(ONE_OF, struct pair, prompt.form, "prompt", .forms = prompt_forms, .form_count = 2),
    [PAIR_CHOSEN] = JSON_FIELD(ONE_OF, struct pair, chosen.form, "chosen", .forms = chosen_forms, .form_count = 2),
    [PAIR_REJECTED] =
        JSON_FIELD(ONE_OF, struct pair, rejected.form, "rejected", .forms = rejected_forms, .form_count = 2),
    [PAIR_A] = JSON_FIELD(STR, struct pair, a, "a"),
    [PAIR_B] = JSON_FIELD(STR, struct pair, b, "b"),
    [PAIR_META] = JSON_FIELD(RAW, struct pair, meta, "meta", .flags = JSON_NULLABLE),
};
static const struct json_shape pair_shape =
    JSON_SHAPE(struct pair, pair_fields, "Pair", NULL, .open = true, .others = offsetof(struct pair, others));

/* Reads the line and takes over what is the same in the three: annotator and meta. */
static int read_pair(char *line, size_t length, const struct json_limits *limits, struct pair *pair, struct record *ret,
                     struct arena *arena, struct err *err)
{
    *ret = (struct record){0};
    if (json_read(line, length, &pair_shape, limits, pair, arena, err))
        return -1;
    if (json_has(&pair->seen, PAIR_ANNOTATOR))
        record_set_annotator(ret, pair->annotator);
    return foreign_meta(ret, pair->meta, &pair->others, arena, err);
}

static int require(const struct pair *pair, int member, struct err *err)
{
    static const char *const pointers[] = {
        [PAIR_PROMPT] = "/prompt", [PAIR_CHOSEN] = "/chosen", [PAIR_REJECTED] = "/rejected"};
    if (json_has(&pair->seen, member))
        return 0;
    return err_at(err, ERR_MISSING_MEMBER, pointers[member], "the member is required in this format");
}

static void set_chosen(struct record *r, struct str chosen, struct str rejected)
{
    record_set_response(r, SIDE_A, chosen, (struct str){0});
    record_set_response(r, SIDE_B, rejected, (struct str){0});
    record_set_outcome(r, OUTCOME_A);
}

/* ---- TRL explicit ---- */

static int completion(const struct foreign_text *from, const char *pointer, struct arena *arena, struct str *ret,
                      struct err *err)
{
    if (from->form == PROMPT_MESSAGES)
        return foreign_answer(&from->messages, 0, pointer, arena, ret, err);
    *ret = from->text;
    return 0;
}

int trl_read(char *line, size_t length, const struct json_limits *limits, struct record *ret, struct arena *arena,
             struct err *err)
{
    struct pair pair;
    struct str chosen, rejected;
    if (read_pair(line, length, limits, &pair, ret, arena, err) || require(&pair, PAIR_PROMPT, err))
        return -1;
    if (pair.prompt.form == PROMPT_TEXT)
        record_set_prompt(ret, pair.prompt.text);
    else
        record_set_messages(ret, pair.prompt.messages);
    bool tie = json_given(&pair.seen, PAIR_A) && json_given(&pair.seen, PAIR_B);
    if (tie && !pair.chosen.form && !pair.rejected.form) {
        set_chosen(ret, pair.a, pair.b);
        record_set_outcome(ret, OUTCOME_TIE);
        return 0;
    }
    if (json_given(&pair.seen, PAIR_A) || json_given(&pair.seen, PAIR_B))
        return err_at(err, ERR_INVALID_VALUE, "/a", "a line has `chosen` and `rejected`, or `a` and `b` of a tie");
    if (require(&pair, PAIR_CHOSEN, err) || require(&pair, PAIR_REJECTED, err) ||
        completion(&pair.chosen, "/chosen", arena, &chosen, err) ||
        completion(&pair.rejected, "/rejected", arena, &rejected, err))
        return -1;
    set_chosen(ret, chosen, rejected);
    return 0;
}

/* The chosen and rejected response; false when there is no winner, there are no texts, or two policies gave the same
 * one: a pair of equal texts prefers nothing, and is refused when it is read. */
static bool winner(const struct record *r, struct str *ret_chosen, struct str *ret_rejected)
{
    if (!foreign_has_texts(r) || (r->outcome != OUTCOME_A && r->outcome != OUTCOME_B))
        return false;
    bool a = r->outcome == OUTCOME_A;
    *ret_chosen = r->side[a ? SIDE_A : SIDE_B].response.text;
    *ret_rejected = r->side[a ? SIDE_B : SIDE_A].response.text;
    return !str_equal(*ret_chosen, *ret_rejected);
}

/* The members after the texts, and the end of the line's object. */
static void put_rest(struct buf *out, const struct record *r)
{
    json_key(out, "annotator");
    json_put_str(out, r->annotator);
    if (r->meta.ptr) {
        json_key(out, "meta");
        json_put_raw(out, r->meta);
    }
    json_close(out, '}');
}

static void put_answer(struct buf *out, const char *key, const struct record *r, struct str text)
{
    json_key(out, key);
    if (r->prompt_form == PROMPT_TEXT) {
        json_put_str(out, text);
        return;
    }
    json_open(out, '[');
    foreign_put_message(out, ROLE_ASSISTANT, text);
    json_close(out, ']');
}

bool trl_write(const struct record *r, struct buf *out)
{
    struct str chosen, rejected;
    if (!winner(r, &chosen, &rejected))
        return false;
    json_open(out, '{');
    json_key(out, "prompt");
    if (r->prompt_form == PROMPT_TEXT) {
        json_put_str(out, r->prompt_text);
    } else {
        json_open(out, '[');
        foreign_put_prompt(out, r);
        json_close(out, ']');
    }
    put_answer(out, "chosen", r, chosen);
    put_answer(out, "rejected", r, rejected);
    put_rest(out, r);
    return true;
}

/* ---- TRL implicit ---- */

/* Where two texts first differ, as TRL's extract_prompt: a space before that belongs to the answers. */
static size_t first_difference(struct str a, struct str b)
{
    size_t n = 0;
    while (n < a.len && n < b.len && a.ptr[n] == b.ptr[n])
        n++;
    while (n > 0 && n < a.len && ((unsigned char)a.ptr[n] & 0xC0) == 0x80)
        n--; /* back to the beginning of the character */
    if (n == a.len || n == b.len)
        while (n > 0 && n < b.len && ((unsigned char)b.ptr[n] & 0xC0) == 0x80)
            n--;
    return n > 0 && a.ptr[n - 1] == ' ' ? n - 1 : n;
}

int trl_implicit_read(char *line, size_t length, const struct json_limits *limits, struct record *ret,
                      struct arena *arena, struct err *err)
{
    struct pair pair;
    struct str chosen, rejected;
    if (read_pair(line, length, limits, &pair, ret, arena, err) || require(&pair, PAIR_CHOSEN, err) ||
        require(&pair, PAIR_REJECTED, err))
        return -1;
    if (json_given(&pair.seen, PAIR_PROMPT))
        return err_at(err, ERR_INVALID_VALUE, "/prompt", "a line with `prompt` is of the format trl, not trl-implicit");
    if (pair.chosen.form != pair.rejected.form)
        return err_at(err, ERR_INVALID_VALUE, "/rejected",
                      "`chosen` and `rejected` must both be texts or both messages");
    if (pair.chosen.form == PROMPT_TEXT) {
        size_t n = first_difference(pair.chosen.text, pair.rejected.text);
        record_set_prompt(ret, (struct str){pair.chosen.text.ptr, n});
        set_chosen(ret, (struct str){pair.chosen.text.ptr + n, pair.chosen.text.len - n},
                   (struct str){pair.rejected.text.ptr + n, pair.rejected.text.len - n});
        return 0;
    }
    size_t n = foreign_common_messages(&pair.chosen.messages, &pair.rejected.messages);
    if (n == 0)
        return err_at(err, ERR_INVALID_VALUE, "/rejected",
                      "the conversations have no common beginning to be the prompt");
    if (foreign_answer(&pair.chosen.messages, n, "/chosen", arena, &chosen, err) ||
        foreign_answer(&pair.rejected.messages, n, "/rejected", arena, &rejected, err))
        return -1;
    record_set_messages(ret, (struct json_list){pair.chosen.messages.items, n});
    set_chosen(ret, chosen, rejected);
    return 0;
}

static void put_conversation(struct buf *out, const char *key, const struct record *r, struct str answer)
{
    json_key(out, key);
    json_open(out, '[');
    foreign_put_prompt(out, r);
    foreign_put_message(out, ROLE_ASSISTANT, answer);
    json_close(out, ']');
}

bool trl_implicit_write(const struct record *r, struct buf *out)
{
    struct str chosen, rejected;
    if (!winner(r, &chosen, &rejected))
        return false;
    json_open(out, '{');
    put_conversation(out, "chosen", r, chosen);
    put_conversation(out, "rejected", r, rejected);
    put_rest(out, r);
    return true;
}

/* ---- HH-RLHF ---- */

/* What follows the mark at `from`, without the one space behind it. */
static struct str after_mark(struct str text, size_t from)
{
    if (from < text.len && text.ptr[from] == ' ')
        from++;
    return (struct str){text.ptr + from, text.len - from};
}

int hh_read(char *line, size_t length, const struct json_limits *limits, struct record *ret, struct arena *arena,
            struct err *err)
{
    struct pair pair;
    struct json_list prompt;
    if (read_pair(line, length, limits, &pair, ret, arena, err) || require(&pair, PAIR_CHOSEN, err) ||
        require(&pair, PAIR_REJECTED, err))
        return -1;
    if (pair.chosen.form != PROMPT_TEXT || pair.rejected.form != PROMPT_TEXT)
        return err_at(err, ERR_INVALID_VALUE, "/chosen", "the format hh has transcripts, not messages");
    struct str chosen = pair.chosen.text, rejected = pair.rejected.text;
    size_t cut = transcript_common(chosen, rejected), mark = sizeof "\n\nAssistant:" - 1;
    if (cut <= mark)
        return err_at(err, ERR_INVALID_VALUE, "/rejected",
                      "the transcripts have no common beginning that ends with \"\\n\\nAssistant:\"");
    if (transcript_split((struct str){chosen.ptr, cut - mark}, ROLE_USER, arena, &prompt, err))
        return -1;
    record_set_messages(ret, prompt);
    set_chosen(ret, after_mark(chosen, cut), after_mark(rejected, cut));
    return 0;
}

/* Appends the transcript of the prompt; false when reading it again would give something else. */
static bool prompt_transcript(const struct record *r, struct buf *out)
{
    const struct record_message *m = r->prompt_messages.items;
    if (r->prompt_form == PROMPT_TEXT) {
        transcript_turn(out, ROLE_USER, r->prompt_text);
        return !transcript_marked(r->prompt_text);
    }
    for (size_t i = 0; i < r->prompt_messages.count; i++)
        if (transcript_marked(m[i].content))
            return false;
    return transcript_join(&r->prompt_messages, 0, true, out);
}

static void put_transcript(struct buf *out, const char *key, struct buf *text, struct str answer)
{
    size_t prompt = text->length;
    transcript_turn(text, ROLE_ASSISTANT, answer);
    if (text->failed) {
        out->failed = true;
        return;
    }
    json_key(out, key);
    json_put_str(out, (struct str){text->data, text->length});
    text->length = prompt;
}

bool hh_write(const struct record *r, struct buf *out)
{
    struct str chosen, rejected;
    struct buf text = {0};
    bool carried = winner(r, &chosen, &rejected) && prompt_transcript(r, &text);
    if (carried) {
        json_open(out, '{');
        put_transcript(out, "chosen", &text, chosen);
        put_transcript(out, "rejected", &text, rejected);
        put_rest(out, r);
    }
    buf_free(&text);
    return carried;
}
