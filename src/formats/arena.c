/* Chatbot-Arena conversations: two models, one judge, four outcomes. */
#include "formats/foreign.h"

#include <string.h>

#include "base/json_text.h"
#include "formats/transcript.h"

struct battle {
    struct json_seen seen;
    struct str question_id; /* JSON text */
    struct str model_a, model_b;
    int winner;
    struct str judge;
    struct json_list a, b; /* conversations: struct record_message */
    int64_t turn;          /* follows from the conversations */
    double tstamp;         /* seconds since 1970 */
    struct str meta;
    struct json_list others;
};

/* Up to here (the year 2255) a double holds microseconds exactly. */
#define MOST_SECONDS 9e9

enum { QUESTION_ID, MODEL_A, MODEL_B, WINNER, JUDGE, CONVERSATION_A, CONVERSATION_B, TURN, TSTAMP, META };

/* Later releases write the fourth outcome in another way. */
static const char *const winners[] = {"model_a", "model_b", "tie", "tie (bothbad)", "both_bad", NULL};
static const enum record_outcome outcomes[] = {OUTCOME_A, OUTCOME_B, OUTCOME_TIE, OUTCOME_BOTH_BAD, OUTCOME_BOTH_BAD};

static const struct json_field fields[] = {
    [QUESTION_ID] = JSON_FIELD(RAW, struct battle, question_id, "question_id", .flags = JSON_NULLABLE),
    [MODEL_A] = JSON_FIELD(STR, struct battle, model_a, "model_a", .flags = JSON_NULLABLE),
    [MODEL_B] = JSON_FIELD(STR, struct battle, model_b, "model_b", .flags = JSON_NULLABLE),
    [WINNER] = JSON_FIELD(ENUM, struct battle, winner, "winner", .flags = JSON_REQUIRED, .names = winners),
    [JUDGE] = JSON_FIELD(STR, struct battle, judge, "judge", .flags = JSON_NULLABLE),
    [CONVERSATION_A] =
        JSON_FIELD(LIST, struct battle, a, "conversation_a", .flags = JSON_REQUIRED, .item = &foreign_message_item,
                   .item_size = sizeof(struct record_message), .most = 256),
    [CONVERSATION_B] =
        JSON_FIELD(LIST, struct battle, b, "conversation_b", .flags = JSON_REQUIRED, .item = &foreign_message_item,
                   .item_size = sizeof(struct record_message), .most = 256),
    [TURN] = JSON_FIELD(INT, struct battle, turn, "turn"),
    [TSTAMP] = JSON_FIELD(REAL, struct battle, tstamp, "tstamp", .low = 0, .high = MOST_SECONDS),
    [META] = JSON_FIELD(RAW, struct battle, meta, "meta", .flags = JSON_NULLABLE),
};
static const struct json_shape battle_shape =
    JSON_SHAPE(struct battle, fields, "Battle", NULL, .open = true, .others = offsetof(struct battle, others));

/* A question id is 32 hexadecimal digits or a UUID with its dashes; anything else is no id of ours. */
static bool parse_id(struct str json, struct uuid *ret)
{
    char text[36];
    if (json.len < 2 || json.ptr[0] != '"')
        return false;
    struct str id = {json.ptr + 1, json.len - 2};
    if (id.len != 32)
        return uuid_parse(id, ret);
    for (size_t i = 0, from = 0; i < sizeof text; i++)
        text[i] = i == 8 || i == 13 || i == 18 || i == 23 ? '-' : id.ptr[from++];
    return uuid_parse((struct str){text, sizeof text}, ret);
}

/* The id becomes the record's; one that cannot goes to the members that are kept. */
static int take_id(struct battle *battle, struct record *ret, struct arena *arena, struct err *err)
{
    if (!json_has(&battle->seen, QUESTION_ID))
        return 0;
    if (parse_id(battle->question_id, &ret->id)) {
        ret->seen.given |= (uint64_t)1 << RECORD_ID;
        return 0;
    }
    size_t n = battle->others.count;
    struct json_other *kept = arena_zeroed(arena, n + 1, sizeof *kept);
    if (!kept)
        return err_memory(err);
    kept[0] = (struct json_other){STR_LITERAL("question_id"), battle->question_id};
    if (n)
        memcpy(kept + 1, battle->others.items, n * sizeof *kept);
    battle->others = (struct json_list){kept, n + 1};
    return 0;
}

static int take_conversations(const struct battle *battle, struct record *ret, struct arena *arena, struct err *err)
{
    size_t n = foreign_common_messages(&battle->a, &battle->b);
    struct str a, b;
    if (n == 0)
        return err_at(err, ERR_INVALID_VALUE, "/conversation_b", "the conversations have no common beginning");
    if (foreign_answer(&battle->a, n, "/conversation_a", arena, &a, err) ||
        foreign_answer(&battle->b, n, "/conversation_b", arena, &b, err))
        return -1;
    record_set_messages(ret, (struct json_list){battle->a.items, n});
    record_set_response(ret, SIDE_A, a, battle->model_a);
    record_set_response(ret, SIDE_B, b, battle->model_b);
    return 0;
}

int arena_read(char *line, size_t length, const struct json_limits *limits, struct record *ret, struct arena *arena,
               struct err *err)
{
    struct battle battle;
    *ret = (struct record){0};
    if (json_read(line, length, &battle_shape, limits, &battle, arena, err) || take_id(&battle, ret, arena, err) ||
        take_conversations(&battle, ret, arena, err))
        return -1;
    record_set_outcome(ret, outcomes[battle.winner]);
    if (json_has(&battle.seen, JUDGE))
        record_set_annotator(ret, battle.judge);
    if (json_has(&battle.seen, TSTAMP)) {
        ret->created_at = (int64_t)(battle.tstamp * 1e6 + 0.5);
        ret->seen.given |= (uint64_t)1 << RECORD_CREATED_AT;
    }
    return foreign_meta(ret, battle.meta, &battle.others, arena, err);
}

/* The conversation that led to one response; a response of several turns is taken apart again. */
static bool put_conversation(struct buf *out, const char *key, const struct record *r, enum record_side_name side)
{
    struct arena arena = {0};
    struct json_list answer;
    bool split = transcript_split(r->side[side].response.text, ROLE_ASSISTANT, &arena, &answer, NULL) == 0;
    const struct record_message *m = split ? answer.items : NULL;
    json_key(out, key);
    json_open(out, '[');
    foreign_put_prompt(out, r);
    for (size_t i = 0; split && i < answer.count; i++)
        foreign_put_message(out, (enum record_role)m[i].role, m[i].content);
    json_close(out, ']');
    arena_free(&arena);
    return split;
}

bool arena_write(const struct record *r, struct buf *out)
{
    if (!foreign_has_texts(r) || r->outcome == OUTCOME_SKIP)
        return false;
    json_open(out, '{');
    if (json_has(&r->seen, RECORD_ID)) {
        json_key(out, "question_id");
        json_put_uuid(out, &r->id);
    }
    json_key(out, "model_a");
    json_put_str(out, r->side[SIDE_A].response.policy);
    json_key(out, "model_b");
    json_put_str(out, r->side[SIDE_B].response.policy);
    json_key(out, "winner");
    json_put_text(out, winners[r->outcome]);
    json_key(out, "judge");
    json_put_str(out, r->annotator);
    if (!put_conversation(out, "conversation_a", r, SIDE_A) || !put_conversation(out, "conversation_b", r, SIDE_B))
        out->failed = true;
    double seconds = (double)r->created_at / 1e6;
    if (json_has(&r->seen, RECORD_CREATED_AT) && seconds >= 0 && seconds <= MOST_SECONDS) {
        json_key(out, "tstamp");
        json_put_real(out, seconds);
    }
    if (r->meta.ptr) {
        json_key(out, "meta");
        json_put_raw(out, r->meta);
    }
    json_close(out, '}');
    return true;
}
