/* base/json: the strict reader by field table, its writer and schema; json_text; the NDJSON splitter. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "base/ndjson.h"

/* A shape with a member of every kind. */
struct point {
    struct json_seen seen;
    double x;
    double y;
};

struct everything {
    struct json_seen seen;
    struct str name;
    int64_t count;
    double share;
    bool open;
    int colour;
    struct uuid id;
    int64_t at;
    struct point point;
    struct json_list words;
    struct json_list path;
    struct str meta;
    int target; /* which of the two below */
    struct str target_name;
    struct point target_point;
    struct str note;
};

enum { NAME, COUNT, SHARE, OPEN, COLOUR, ID, AT, POINT, WORDS, PATH, META, TARGET, NOTE };

static const struct json_field point_fields[] = {
    JSON_FIELD(REAL, struct point, x, "x", .flags = JSON_REQUIRED, .low = -10, .high = 10),
    JSON_FIELD(REAL, struct point, y, "y", .flags = JSON_REQUIRED | JSON_NULLABLE),
};
static const struct json_shape point_shape = JSON_SHAPE(struct point, point_fields, "Point", "A place.");

static const char *const colours[] = {"red", "green", "blue", NULL};
static const struct json_field word = JSON_ITEM(STR, .least = 1, .most = 5);
static const struct json_field step = JSON_ITEM(OBJECT, .shape = &point_shape);
static const struct json_field target_forms[] = {
    JSON_FIELD(STR, struct everything, target_name, "target", .most = 10),
    JSON_FIELD_OBJECT(struct everything, target_point, "target", &point_shape),
};

static const struct json_field fields[] = {
    [NAME] = JSON_FIELD(STR, struct everything, name, "name", .flags = JSON_REQUIRED, .least = 1, .most = 12,
                        .about = "A \"name\".", .example = "\"Ann\""),
    [COUNT] = JSON_FIELD(INT, struct everything, count, "count", .least = -5, .most = 100),
    [SHARE] = JSON_FIELD(REAL, struct everything, share, "share"),
    [OPEN] = JSON_FIELD(BOOL, struct everything, open, "open"),
    [COLOUR] = JSON_FIELD(ENUM, struct everything, colour, "colour", .names = colours),
    [ID] = JSON_FIELD(UUID, struct everything, id, "id"),
    [AT] = JSON_FIELD(TIME, struct everything, at, "at"),
    [POINT] = JSON_FIELD_OBJECT(struct everything, point, "point", &point_shape, .flags = JSON_NULLABLE),
    [WORDS] = JSON_FIELD(LIST, struct everything, words, "words", .item = &word, .item_size = sizeof(struct str), .most = 6),
    [PATH] = JSON_FIELD(LIST, struct everything, path, "path", .item = &step, .item_size = sizeof(struct point), .least = 1),
    [META] = JSON_FIELD(RAW, struct everything, meta, "meta", .flags = JSON_RAW_OBJECT, .most = 3000),
    [TARGET] = JSON_FIELD(ONE_OF, struct everything, target, "target", .forms = target_forms, .form_count = 2),
    [NOTE] = JSON_FIELD(STR, struct everything, note, "note", .flags = JSON_NULLABLE | JSON_LONG_TEXT),
};
static const struct json_shape shape = JSON_SHAPE(struct everything, fields, "Everything", "A member of every kind.");
static const struct json_limits limits = {.depth = 8, .text_bytes = 40};

static const char full[] =
    "{\"name\":\"J\\u00f6rg \\ud83d\\ude00\",\"count\":42,\"share\":0.1,\"open\":true,\"colour\":\"blue\","
    "\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"at\":\"2026-03-01T00:30:00.25+01:00\",\"point\":{\"x\":1,\"y\":-2.5e0},"
    "\"words\":[\"a\",\"b\\n\",\"c\",\"d\",\"e\",\"f\"],\"path\":[{\"y\":0,\"x\":0},{\"x\":3,\"y\":null}],"
    "\"meta\":{\"k\":[1,{\"k\":\"\\u00e9\"}],\"z\":null},\"target\":\"t\",\"note\":null}";

static int read_text(const char *text, struct everything *ret, struct arena *arena, struct buf *copy, struct err *err)
{
    buf_clear(copy);
    buf_text(copy, text);
    return json_read(copy->data, copy->length, &shape, &limits, ret, arena, err);
}

static void every_kind_is_read(void **state)
{
    (void)state;
    struct everything e;
    struct arena arena = {0};
    struct buf copy = {0};
    struct err err;
    assert_int_equal(read_text(full, &e, &arena, &copy, &err), 0);
    assert_true(str_is(e.name, "J\xc3\xb6rg \xf0\x9f\x98\x80"));
    assert_int_equal(e.count, 42);
    assert_true(e.share == 0.1 && e.open && e.colour == 2);
    assert_int_equal(e.id.bytes[15], 0x57);
    assert_int_equal(e.at, 1772321400250000);
    assert_true(e.point.x == 1 && e.point.y == -2.5);
    assert_int_equal(e.words.count, 6);
    assert_true(str_is(((struct str *)e.words.items)[1], "b\n"));
    assert_int_equal(e.path.count, 2);
    assert_true(json_given(&((struct point *)e.path.items)[1].seen, 1));
    assert_false(json_has(&((struct point *)e.path.items)[1].seen, 1));
    assert_true(str_is(e.meta, "{\"k\":[1,{\"k\":\"\\u00e9\"}],\"z\":null}"));
    assert_int_equal(e.target, 1);
    assert_true(str_is(e.target_name, "t"));
    assert_true(json_given(&e.seen, NOTE) && !json_has(&e.seen, NOTE) && !e.note.ptr);
    assert_int_equal(read_text("{\"name\":\"n\",\"target\":{\"x\":1,\"y\":2}}", &e, &arena, &copy, &err), 0);
    assert_int_equal(e.target, 2);
    assert_true(e.target_point.y == 2 && !json_given(&e.seen, COUNT));
    buf_free(&copy);
    arena_free(&arena);
}

static void faults_name_code_and_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err_code code;
        const char *pointer, *message; /* a part of it */
    } cases[] = {
        {"", ERR_INVALID_JSON, "", "ends in the middle"},
        {"[]", ERR_INVALID_VALUE, "", "must be an object"},
        {"nope", ERR_INVALID_VALUE, "", "must be an object"},
        {"\xef\xbb\xbf{}", ERR_INVALID_JSON, "", "expected a value (byte 0)"},
        {"{}", ERR_MISSING_MEMBER, "/name", "required"},
        {"{\"name\":\"n\"", ERR_INVALID_JSON, "", "ends in the middle"},
        {"{\"name\":\"n\"} x", ERR_INVALID_JSON, "", "more text after the end of the document (byte 13)"},
        {"{\"name\":\"n\",}", ERR_INVALID_JSON, "", "member name"},
        {"{\"name\":\"n\",\"nmae\":1}", ERR_UNKNOWN_MEMBER, "/nmae", "(byte 12)"},
        {"{\"name\":\"n\",\"a/b~c\":1}", ERR_UNKNOWN_MEMBER, "/a~1b~0c", "no such member"},
        {"{\"name\":\"n\",\"n\\u0061me\":\"n\"}", ERR_INVALID_JSON, "/name", "duplicate"},
        {"{\"name\":\"\"}", ERR_INVALID_VALUE, "/name", "empty"},
        {"{\"name\":null}", ERR_INVALID_VALUE, "/name", "must be a string, not null"},
        {"{\"name\":\"1234567890123\"}", ERR_INVALID_VALUE, "/name", "13 bytes, 12 are allowed"},
        {"{\"name\":\"a\\u0000\"}", ERR_INVALID_JSON, "/name", "\\u0000"},
        {"{\"name\":\"a\\ud800\"}", ERR_INVALID_JSON, "/name", "surrogate"},
        {"{\"name\":\"a\\udc00\"}", ERR_INVALID_JSON, "/name", "surrogate"},
        {"{\"name\":\"a\\ud800\\u0041\"}", ERR_INVALID_JSON, "/name", "surrogate"},
        {"{\"name\":\"a\xed\xa0\x80\"}", ERR_INVALID_JSON, "/name", "UTF-8"},
        {"{\"name\":\"a\tb\"}", ERR_INVALID_JSON, "/name", "control"},
        {"{\"name\":\"a\\x\"}", ERR_INVALID_JSON, "/name", "escape"},
        {"{\"name\":\"n\",\"count\":101}", ERR_INVALID_VALUE, "/count", "within -5 and 100"},
        {"{\"name\":\"n\",\"count\":1.0}", ERR_INVALID_VALUE, "/count", "integer"},
        {"{\"name\":\"n\",\"count\":\"1\"}", ERR_INVALID_VALUE, "/count", "an integer"},
        {"{\"name\":\"n\",\"count\":9223372036854775808}", ERR_INVALID_VALUE, "/count", "64 bits"},
        {"{\"name\":\"n\",\"count\":01}", ERR_INVALID_JSON, "", "expected ','"},
        {"{\"name\":\"n\",\"count\":+1}", ERR_INVALID_JSON, "/count", "expected a value"},
        {"{\"name\":\"n\",\"share\":1e400}", ERR_INVALID_VALUE, "/share", "double"},
        {"{\"name\":\"n\",\"share\":NaN}", ERR_INVALID_JSON, "/share", "expected a value"},
        {"{\"name\":\"n\",\"share\":1.}", ERR_INVALID_JSON, "/share", "digit"},
        {"{\"name\":\"n\",\"share\":1", ERR_INVALID_JSON, "/share", "ends in the middle"},
        {"{\"name\":\"n\",\"open\":truth}", ERR_INVALID_JSON, "/open", "unknown word"},
        {"{\"name\":\"n\",\"colour\":\"pink\"}", ERR_INVALID_VALUE, "/colour", "red, green, blue"},
        {"{\"name\":\"n\",\"id\":\"x\"}", ERR_INVALID_VALUE, "/id", "UUID"},
        {"{\"name\":\"n\",\"at\":\"2026-02-29T00:00:00Z\"}", ERR_INVALID_VALUE, "/at", "RFC 3339"},
        {"{\"name\":\"n\",\"point\":{\"x\":11,\"y\":1}}", ERR_INVALID_VALUE, "/point/x", "within -10 and 10"},
        {"{\"name\":\"n\",\"point\":{\"x\":1}}", ERR_MISSING_MEMBER, "/point/y", "required"},
        {"{\"name\":\"n\",\"words\":[\"a\",\"b\",\"\"]}", ERR_INVALID_VALUE, "/words/2", "empty"},
        {"{\"name\":\"n\",\"words\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\"]}", ERR_INVALID_VALUE, "/words", "more than 6"},
        {"{\"name\":\"n\",\"path\":[]}", ERR_INVALID_VALUE, "/path", "at least 1"},
        {"{\"name\":\"n\",\"path\":[{\"x\":1,\"y\":2},{\"x\":1,\"z\":2}]}", ERR_UNKNOWN_MEMBER, "/path/1/z", "no such"},
        {"{\"name\":\"n\",\"meta\":[]}", ERR_INVALID_VALUE, "/meta", "an object"},
        {"{\"name\":\"n\",\"meta\":{\"a\":1,\"\\u0061\":2}}", ERR_INVALID_JSON, "/meta", "duplicate"},
        {"{\"name\":\"n\",\"meta\":{\"a\":[[[[[[[[1]]]]]]]]}}", ERR_INVALID_JSON, "/meta", "deeper than 8"},
        {"{\"name\":\"n\",\"meta\":{\"a\":-1e999}}", ERR_INVALID_VALUE, "/meta", "double"},
        {"{\"name\":\"n\",\"meta\":{\"a\":.5}}", ERR_INVALID_JSON, "/meta", "expected a value"},
        {"{\"name\":\"n\",\"target\":1}", ERR_INVALID_VALUE, "/target", "a string or an object"},
    };
    struct arena arena = {0};
    struct buf copy = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct everything e;
        struct err err = {0};
        assert_int_equal(read_text(cases[i].text, &e, &arena, &copy, &err), -1);
        if (err.code != cases[i].code || strcmp(err.pointer, cases[i].pointer) || !strstr(err.message, cases[i].message))
            fail_msg("%s: %s at '%s': %s", cases[i].text, err_info(err.code)->wire, err.pointer, err.message);
    }
    buf_free(&copy);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read),
        cmocka_unit_test(faults_name_code_and_place),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
