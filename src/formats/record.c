#include "formats/record.h"

#include <string.h>

const char *const record_outcomes[] = {"a", "b", "tie", "both_bad", "skip", NULL};
const char *const record_sides[] = {"a", "b", NULL};
const char *const record_roles[] = {"system", "user", "assistant", "tool", NULL};

enum { MESSAGE_ROLE, MESSAGE_CONTENT };
enum { RESPONSE_TEXT, RESPONSE_POLICY };
enum { MOST_MESSAGES = 256, MOST_REASONS = 16, MOST_META_BYTES = 16384, DAY_MS = 24 * 3600 * 1000 };

static const struct json_field message_fields[] = {
    [MESSAGE_ROLE] = JSON_FIELD(ENUM, struct record_message, role, "role", .flags = JSON_REQUIRED,
                                .names = record_roles, .about = "Who speaks.", .example = "\"user\""),
    [MESSAGE_CONTENT] =
        JSON_FIELD(STR, struct record_message, content, "content", .flags = JSON_REQUIRED | JSON_LONG_TEXT,
                   .about = "What is said.", .example = "\"Why is the sky blue?\""),
};
const struct json_shape record_message_shape =
    JSON_SHAPE(struct record_message, message_fields, "Message", "One turn of a conversation.");

static const struct json_field response_fields[] = {
    [RESPONSE_TEXT] = JSON_FIELD(STR, struct record_response, text, "text", .flags = JSON_REQUIRED | JSON_LONG_TEXT,
                                 .about = "The response, as it was shown.", .example = "\"Because of scattering.\""),
    [RESPONSE_POLICY] = JSON_FIELD(STR, struct record_response, policy, "policy", .least = 1, .most = 200,
                                   .about = "The model or policy that wrote it; win rates are reported by it.",
                                   .example = "\"tulu-2-7b\""),
};
const struct json_shape record_response_shape =
    JSON_SHAPE(struct record_response, response_fields, "ResponseText", "A response that is carried along.");

static const struct json_field message_item = JSON_ITEM(OBJECT, .shape = &record_message_shape);
static const struct json_field reason_item = JSON_ITEM(STR, .least = 1, .most = 200);

static const struct json_field prompt_forms[] = {
    [PROMPT_TEXT - 1] = JSON_FIELD(STR, struct record, prompt_text, "prompt", .flags = JSON_LONG_TEXT, .least = 1,
                                   .about = "Plain text.", .example = "\"Why is the sky blue?\""),
    [PROMPT_MESSAGES - 1] = JSON_FIELD(LIST, struct record, prompt_messages, "prompt", .item = &message_item,
                                       .item_size = sizeof(struct record_message), .least = 1, .most = MOST_MESSAGES,
                                       .about = "The messages that the response answers."),
};

/* In the order of enum record_side_form. */
#define SIDE_FORMS(side_name)                                                                                          \
    {                                                                                                                  \
        JSON_FIELD(UUID, struct record, side[side_name].id, "id", .about = "Id of a response of `item`."),             \
        JSON_FIELD_OBJECT(struct record, side[side_name].response, "response", &record_response_shape,                 \
                          .about = "A response that is carried along."),                                               \
    }
static const struct json_field a_forms[] = SIDE_FORMS(SIDE_A);
static const struct json_field b_forms[] = SIDE_FORMS(SIDE_B);

static const struct json_field fields[] = {
    [RECORD_ID] =
        JSON_FIELD(UUID, struct record, id, "id",
                   .about = "Chosen by the client (best a UUIDv7): the same comparison sent twice is stored once.",
                   .example = "\"01890a5d-ac96-774b-bcce-b302099a8057\""),
    [RECORD_ANNOTATOR] =
        JSON_FIELD(STR, struct record, annotator, "annotator", .flags = JSON_REQUIRED, .least = 1, .most = 200,
                   .about = "Who judged: a name or a pseudonym, stable over time.", .example = "\"ann-17\""),
    [RECORD_ITEM] = JSON_FIELD(UUID, struct record, item, "item",
                               .about = "The item whose responses `a` and `b` name by id; instead of `prompt`."),
    [RECORD_PROMPT] = JSON_FIELD(ONE_OF, struct record, prompt_form, "prompt", .forms = prompt_forms, .form_count = 2,
                                 .about = "What was answered, when the texts are carried along; instead of `item`.",
                                 .example = "\"Why is the sky blue?\""),
    [RECORD_A] = JSON_FIELD(ONE_OF, struct record, side[SIDE_A].form, "a", .flags = JSON_REQUIRED, .forms = a_forms,
                            .form_count = 2, .about = "One response.",
                            .example = "{\"text\":\"Because of scattering.\",\"policy\":\"tulu-2-7b\"}"),
    [RECORD_B] = JSON_FIELD(ONE_OF, struct record, side[SIDE_B].form, "b", .flags = JSON_REQUIRED, .forms = b_forms,
                            .form_count = 2, .about = "The other response.",
                            .example = "{\"text\":\"It reflects the sea.\",\"policy\":\"gpt2\"}"),
    [RECORD_OUTCOME] =
        JSON_FIELD(ENUM, struct record, outcome, "outcome", .flags = JSON_REQUIRED, .names = record_outcomes,
                   .about = "Which response was preferred; `both_bad` is a tie of two bad ones, `skip` is no "
                            "judgement.",
                   .example = "\"a\""),
    [RECORD_STRENGTH] = JSON_FIELD(INT, struct record, strength, "strength", .least = 1, .most = 3,
                                   .about = "How clearly: 1 slightly, 2 clearly, 3 very; only with outcome `a` or `b`.",
                                   .example = "2"),
    [RECORD_REASONS] = JSON_FIELD(LIST, struct record, reasons, "reasons", .item = &reason_item,
                                  .item_size = sizeof(struct str), .most = MOST_REASONS,
                                  .about = "Why, in the annotator's or the form's words.", .example = "[\"clearer\"]"),
    [RECORD_SKIP_REASON] = JSON_FIELD(STR, struct record, skip_reason, "skip_reason", .least = 1, .most = 500,
                                      .about = "Why there is no judgement; only with outcome `skip`.",
                                      .example = "\"I do not know the subject\""),
    [RECORD_SHOWN_FIRST] =
        JSON_FIELD(ENUM, struct record, shown_first, "shown_first", .names = record_sides,
                   .about = "Which response stood first (left or on top), when that is known.", .example = "\"b\""),
    [RECORD_DURATION_MS] =
        JSON_FIELD(INT, struct record, duration_ms, "duration_ms", .least = 0, .most = DAY_MS,
                   .about = "Time from showing the pair to the judgement, in milliseconds.", .example = "8400"),
    [RECORD_CREATED_AT] = JSON_FIELD(TIME, struct record, created_at, "created_at",
                                     .about = "When it was judged; the time of arrival when absent.",
                                     .example = "\"2026-03-01T09:30:00Z\""),
    [RECORD_META] =
        JSON_FIELD(RAW, struct record, meta, "meta", .flags = JSON_RAW_OBJECT, .most = MOST_META_BYTES,
                   .about = "Anything else; kept and given back, never looked at.", .example = "{\"batch\":\"pilot\"}"),
};
const struct json_shape record_shape = JSON_SHAPE(
    struct record, fields, "Comparison",
    "A judgement of two responses to one prompt. Either `prompt` with texts in `a` and `b`, or `item` with the "
    "ids of two of its responses.");

static int check_texts(const struct record *r, struct err *err)
{
    bool item = json_given(&r->seen, RECORD_ITEM), prompt = json_given(&r->seen, RECORD_PROMPT);
    int form = item ? SIDE_ID : SIDE_TEXT;
    if (item && prompt)
        return err_at(err, ERR_INVALID_VALUE, "/prompt", "give `item` or `prompt`, not both");
    if (!item && !prompt)
        return err_at(err, ERR_MISSING_MEMBER, "/prompt", "give `prompt`, or `item` with the ids of two responses");
    for (int i = SIDE_A; i <= SIDE_B; i++)
        if (r->side[i].form != form)
            return err_at(err, ERR_INVALID_VALUE, i == SIDE_A ? "/a" : "/b", "%s",
                          item ? "with `item` this is the id of a response"
                               : "with `prompt` this is an object with `text`");
    if (item && memcmp(&r->side[SIDE_A].id, &r->side[SIDE_B].id, sizeof r->side[SIDE_A].id) == 0)
        return err_at(err, ERR_INVALID_VALUE, "/b", "`a` and `b` are the same response");
    return 0;
}

int record_check(const struct record *r, struct err *err)
{
    if (check_texts(r, err))
        return -1;
    if (json_given(&r->seen, RECORD_STRENGTH) && r->outcome != OUTCOME_A && r->outcome != OUTCOME_B)
        return err_at(err, ERR_INVALID_VALUE, "/strength", "a strength needs outcome `a` or `b`");
    if (json_given(&r->seen, RECORD_SKIP_REASON) && r->outcome != OUTCOME_SKIP)
        return err_at(err, ERR_INVALID_VALUE, "/skip_reason", "a skip_reason needs outcome `skip`");
    return 0;
}

int record_read(char *text, size_t length, const struct json_limits *limits, struct record *ret, struct arena *arena,
                struct err *err)
{
    return json_read(text, length, &record_shape, limits, ret, arena, err) || record_check(ret, err) ? -1 : 0;
}

static void mark(struct json_seen *seen, int member)
{
    seen->given |= (uint64_t)1 << member;
}

void record_set_annotator(struct record *r, struct str annotator)
{
    r->annotator = annotator;
    mark(&r->seen, RECORD_ANNOTATOR);
}

void record_set_prompt(struct record *r, struct str text)
{
    r->prompt_form = PROMPT_TEXT;
    r->prompt_text = text;
    mark(&r->seen, RECORD_PROMPT);
}

void record_set_messages(struct record *r, struct json_list messages)
{
    r->prompt_form = PROMPT_MESSAGES;
    r->prompt_messages = messages;
    mark(&r->seen, RECORD_PROMPT);
}

void record_set_response(struct record *r, enum record_side_name side, struct str text, struct str policy)
{
    struct record_response *response = &r->side[side].response;
    r->side[side].form = SIDE_TEXT;
    response->text = text;
    response->policy = policy;
    mark(&response->seen, RESPONSE_TEXT);
    if (policy.ptr)
        mark(&response->seen, RESPONSE_POLICY);
    mark(&r->seen, side == SIDE_A ? RECORD_A : RECORD_B);
}

void record_set_outcome(struct record *r, enum record_outcome outcome)
{
    r->outcome = (int)outcome;
    mark(&r->seen, RECORD_OUTCOME);
}

void record_set_meta(struct record *r, struct str json_object)
{
    r->meta = json_object;
    mark(&r->seen, RECORD_META);
}

struct record_message record_message_of(enum record_role role, struct str content)
{
    struct record_message message = {.role = (int)role, .content = content};
    mark(&message.seen, MESSAGE_ROLE);
    mark(&message.seen, MESSAGE_CONTENT);
    return message;
}
