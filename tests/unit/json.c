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
#include "base/rng.h"
#include "fuzz/oracle.h"
#include "fuzz/shapes.h"

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
        {"nope", ERR_INVALID_JSON, "", "unknown word"},
        {"{\"name\":nope}", ERR_INVALID_JSON, "/name", "unknown word"},
        {"{\"name\":[1,}", ERR_INVALID_JSON, "/name", "expected a value"},
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
        {"{\"name\":\"n\",\"words\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\"]}", ERR_INVALID_VALUE, "/words",
         "more than 6"},
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
        if (err.code != cases[i].code || strcmp(err.pointer, cases[i].pointer) ||
            !strstr(err.message, cases[i].message))
            fail_msg("%s: %s at '%s': %s", cases[i].text, err_info(err.code)->wire, err.pointer, err.message);
    }
    buf_free(&copy);
    arena_free(&arena);
}

/* ---- lists whose elements must differ ---- */

struct distinct {
    struct json_seen seen;
    struct json_list ids, either;
};

struct either {
    int form;
    struct str text;
    struct point point;
};

static const struct json_field either_forms[] = {
    JSON_FIELD(STR, struct either, text, "text"),
    JSON_FIELD_OBJECT(struct either, point, "point", &point_shape),
};
static const struct json_field id_item = JSON_ITEM(UUID);
static const struct json_field either_item =
    JSON_ITEM(ONE_OF, .offset = offsetof(struct either, form), .forms = either_forms, .form_count = 2);
static const struct json_field distinct_fields[] = {
    JSON_FIELD(LIST, struct distinct, ids, "ids", .flags = JSON_DISTINCT, .item = &id_item,
               .item_size = sizeof(struct uuid)),
    JSON_FIELD(LIST, struct distinct, either, "either", .flags = JSON_DISTINCT, .item = &either_item,
               .item_size = sizeof(struct either)),
};
static const struct json_shape distinct_shape = JSON_SHAPE(struct distinct, distinct_fields, "Distinct", "Lists.");

#define ID_A "\"0198c0de-0000-7000-8000-00000000000a\""
#define ID_A_AGAIN "\"0198C0DE-0000-7000-8000-00000000000A\""
#define ID_B "\"0198c0de-0000-7000-8000-00000000000b\""
#define ID_C "\"0198c0de-0000-7000-8000-00000000000c\""

static void elements_that_come_twice_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pointer; /* NULL: it is fine */
    } cases[] = {
        {"{\"ids\":[],\"either\":[]}", NULL},
        {"{\"ids\":[" ID_C "," ID_A "," ID_B "]}", NULL},
        {"{\"ids\":[" ID_C "," ID_A "," ID_B "," ID_A_AGAIN "," ID_C "]}", "/ids/3"},
        {"{\"ids\":[" ID_A "," ID_A "," ID_A "]}", "/ids/1"},
        {"{\"either\":[\"a\",\"b\",{\"x\":1,\"y\":2},{\"x\":2,\"y\":1},\"1\"]}", NULL},
        {"{\"either\":[\"a\",\"b\",{\"x\":1,\"y\":2},{\"y\":2.0,\"x\":1}]}", "/either/3"},
        {"{\"either\":[\"b\",\"a\",\"\\u0061\"]}", "/either/2"},
    };
    struct arena arena = {0};
    struct buf copy = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct distinct d;
        struct err err = {0};
        buf_clear(&copy);
        buf_text(&copy, cases[i].text);
        int result = json_read(copy.data, copy.length, &distinct_shape, &limits, &d, &arena, &err);
        assert_int_equal(result, cases[i].pointer ? -1 : 0);
        if (result < 0) {
            assert_int_equal(err.code, ERR_INVALID_VALUE);
            assert_string_equal(err.pointer, cases[i].pointer);
        }
    }
    buf_clear(&copy);
    json_schema(&copy, &distinct_shape, &limits);
    assert_non_null(strstr(copy.data, "\"uniqueItems\":true"));
    buf_free(&copy);
    arena_free(&arena);
}

/* ---- writing ---- */

static void what_was_read_is_written_back(void **state)
{
    (void)state;
    struct everything e;
    struct arena arena = {0};
    struct buf copy = {0}, out = {0};
    struct err err;
    assert_int_equal(read_text(full, &e, &arena, &copy, &err), 0);
    json_write(&out, &shape, &e);
    assert_string_equal(
        out.data,
        "{\"name\":\"J\xc3\xb6rg \xf0\x9f\x98\x80\",\"count\":42,\"share\":0.1,\"open\":true,"
        "\"colour\":\"blue\",\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\","
        "\"at\":\"2026-02-28T23:30:00.250000Z\",\"point\":{\"x\":1,\"y\":-2.5},"
        "\"words\":[\"a\",\"b\\n\",\"c\",\"d\",\"e\",\"f\"],\"path\":[{\"x\":0,\"y\":0},{\"x\":3,\"y\":null}],"
        "\"meta\":{\"k\":[1,{\"k\":\"\\u00e9\"}],\"z\":null},\"target\":\"t\",\"note\":null}");
    buf_free(&out);
    buf_free(&copy);
    arena_free(&arena);
}

static void texts_are_put_together_by_hand(void **state)
{
    (void)state;
    struct buf out = {0};
    json_open(&out, '{');
    json_key(&out, "a\"b");
    json_put_str(&out, (struct str){"\x01\b\f\n\r\t\"\\/\x7f\xc3\xa9", 12});
    json_key(&out, "list");
    json_open(&out, '[');
    json_put_int(&out, INT64_MIN);
    json_put_bool(&out, false);
    json_put_null(&out);
    json_put_real(&out, NAN);
    json_put_text(&out, NULL);
    json_put_time(&out, -1);
    json_open(&out, '[');
    json_close(&out, ']');
    json_close(&out, ']');
    json_close(&out, '}');
    buf_char(&out, '\n');
    json_put_int(&out, 7);
    assert_string_equal(out.data,
                        "{\"a\\\"b\":\"\\u0001\\b\\f\\n\\r\\t\\\"\\\\/\x7f\xc3\xa9\","
                        "\"list\":[-9223372036854775808,false,null,null,null,\"1969-12-31T23:59:59.999999Z\",[]]}\n7");
    buf_free(&out);
}

static void doubles_keep_every_bit_in_few_digits(void **state)
{
    (void)state;
    struct rng rng;
    struct buf out = {0};
    rng_init(&rng, 1, 0);
    json_put_real(&out, 0.1);
    assert_string_equal(out.data, "0.1");
    for (int i = 0; i < 20000; i++) {
        union {
            uint64_t bits;
            double value;
        } x = {.bits = rng_u64(&rng)};
        if (!isfinite(x.value))
            continue;
        buf_clear(&out);
        json_put_real(&out, x.value);
        assert_true(strtod(out.data, NULL) == x.value);
    }
    buf_free(&out);
}

/* ---- schema ---- */

static const json_t *at(const json_t *node, const char *first, const char *second, const char *third)
{
    node = json_object_get(node, first);
    node = second ? json_object_get(node, second) : node;
    return third ? json_object_get(node, third) : node;
}

static void the_schema_says_what_the_reader_asks(void **state)
{
    (void)state;
    struct buf out = {0};
    json_schema(&out, &shape, &limits);
    json_t *schema = json_loadb(out.data, out.length, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(schema);
    assert_true(json_is_false(at(schema, "additionalProperties", NULL, NULL)));
    assert_int_equal(json_array_size(at(schema, "required", NULL, NULL)), 1);
    assert_int_equal(json_object_size(at(schema, "properties", NULL, NULL)), sizeof fields / sizeof fields[0]);
    assert_int_equal(json_integer_value(at(schema, "properties", "name", "maxLength")), 12);
    assert_int_equal(json_integer_value(at(schema, "properties", "note", "maxLength")), 40);
    assert_int_equal(json_integer_value(at(schema, "properties", "count", "minimum")), -5);
    assert_string_equal(json_string_value(at(schema, "properties", "name", "description")), "A \"name\".");
    assert_string_equal(json_string_value(json_array_get(at(schema, "properties", "name", "examples"), 0)), "Ann");
    assert_int_equal(json_array_size(at(schema, "properties", "target", "oneOf")), 2);
    assert_int_equal(json_array_size(at(schema, "properties", "colour", "enum")), 3);
    assert_string_equal(json_string_value(json_array_get(at(schema, "properties", "note", "type"), 1)), "null");
    assert_string_equal(json_string_value(at(at(schema, "properties", "path", "items"), "properties", "x", "type")),
                        "number");
    json_decref(schema);
    buf_free(&out);
}

/* ---- the reader against jansson ---- */

static const char *const pieces[] = {
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "1e400",
    "-0",
    "1.5",
    "18446744073709551616",
    "\\u0000",
    "\\ud83d",
    "\\u00e9",
    "\xc3\xa9",
    "\xed\xa0\x80",
    "\xff",
    "\n",
    " ",
    "\"name\":",
    "\"count\":",
    "\"meta\":{",
    "\"x\":1,",
    "\"note\":null",
};

static void mutate(struct rng *rng, char *text, size_t *length, size_t room)
{
    const char *piece = pieces[rng_below(rng, sizeof pieces / sizeof pieces[0])];
    size_t place = rng_below(rng, (uint32_t)*length), n = strlen(piece), cut;
    switch (rng_below(rng, 4)) {
    case 0: text[place] = (char)rng_below(rng, 256); return;
    case 1:
        cut = 1 + rng_below(rng, 12);
        cut = cut > *length - place ? *length - place : cut;
        memmove(text + place, text + place + cut, *length - place - cut);
        *length -= cut;
        return;
    case 2:
        if (*length + n > room)
            return;
        memmove(text + place + n, text + place, *length - place);
        memcpy(text + place, piece, n);
        *length += n;
        return;
    default: /* one digit, letter or sign for another: stays valid more often */
        text[place] = "0123456789eE+-.au\"tfn"[rng_below(rng, 21)];
    }
}

static void mutants_are_judged_as_by_jansson(void **state)
{
    (void)state;
    struct rng rng;
    char text[2000];
    struct everything scratch;
    long accepted = 0;
    rng_init(&rng, 2, 0);
    for (int i = 0; i < 200000; i++) {
        size_t length = sizeof full - 1;
        bool both;
        memcpy(text, full, length);
        for (uint32_t n = rng_below(&rng, 3); n < 3 && length; n++)
            mutate(&rng, text, &length, sizeof text);
        const char *problem = oracle_disagreement(text, length, &shape, &limits, &scratch, &both);
        if (problem)
            fail_msg("%s: %.*s", problem, (int)length, text);
        accepted += both;
    }
    assert_true(accepted > 2000); /* otherwise the comparison of values had nothing to do */
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    struct everything e;
    struct err err = {0};
    int failed = 0;
    for (long n = 1;; n++) {
        struct arena arena = {0};
        struct buf copy = {0};
        buf_text(&copy, full);
        mem_fail_nth(n);
        int status = json_read(copy.data, copy.length, &shape, &limits, &e, &arena, &err);
        mem_fail_nth(0);
        buf_free(&copy);
        arena_free(&arena);
        if (status == 0)
            break;
        assert_int_equal(err.code, ERR_NO_MEMORY);
        failed++;
    }
    assert_true(failed >= 1);
}

static void deep_and_wide_values_are_bounded(void **state)
{
    (void)state;
    struct everything e;
    struct arena arena = {0};
    struct buf copy = {0};
    struct err err;
    buf_text(&copy, "{\"name\":\"n\",\"meta\":");
    for (int i = 0; i < 100000; i++)
        buf_text(&copy, "{\"a\":[");
    assert_int_equal(json_read(copy.data, copy.length, &shape, &limits, &e, &arena, &err), -1);
    assert_int_equal(err.code, ERR_INVALID_JSON);
    buf_clear(&copy);
    buf_text(&copy, "{\"name\":\"n\",\"meta\":{");
    for (int i = 0; i < 257; i++)
        buf_printf(&copy, "%s\"k%d\":0", i ? "," : "", i);
    buf_text(&copy, "}}");
    assert_int_equal(json_read(copy.data, copy.length, &shape, &limits, &e, &arena, &err), -1);
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    assert_string_equal(err.pointer, "/meta");
    buf_free(&copy);
    arena_free(&arena);
}

static void picked_members_are_found_by_path(void **state)
{
    (void)state;
    struct err err;
    struct str got;
    char text[] = "{\"a.b\":1,\"a\":{\"c\":{\"b\":0},\"b\":\"\\u0041\"},\"b\":-1.50}";
    struct buf copy = {0};
    buf_text(&copy, text);
    assert_int_equal(json_pick(copy.data, copy.length, "a.b", &limits, &got, &err), 0);
    assert_true(str_is(got, "A"));
    buf_clear(&copy);
    buf_text(&copy, text);
    assert_int_equal(json_pick(copy.data, copy.length, "b", &limits, &got, &err), 0);
    assert_true(str_is(got, "-1.50"));
    buf_free(&copy);
}

/* ---- NDJSON ---- */

static void lines_come_whole_out_of_any_chunks(void **state)
{
    (void)state;
    static const char stream[] = "{\"a\":1}\r\n\n  \r\n[2]\n\r\n\"three\"";
    static const struct {
        const char *text;
        long number;
    } expected[] = {{"{\"a\":1}", 1}, {"[2]", 4}, {"\"three\"", 6}};
    for (size_t piece = 1; piece <= sizeof stream - 1; piece++) {
        char chunk[sizeof stream];
        struct ndjson s = {.max_line = 8};
        struct ndjson_line line;
        struct err err;
        size_t fed = 0;
        for (int i = 0; i < 3;) {
            int got = ndjson_next(&s, &line, &err);
            assert_true(got >= 0);
            if (got) {
                assert_string_equal(line.text, expected[i].text);
                assert_int_equal(line.number, expected[i].number);
                i++;
                continue;
            }
            assert_false(s.ended);
            size_t n = piece < sizeof stream - 1 - fed ? piece : sizeof stream - 1 - fed;
            memcpy(chunk, stream + fed, n); /* the chunk before is gone by now */
            fed += n;
            if (n)
                ndjson_feed(&s, chunk, n);
            else
                ndjson_end(&s);
        }
        if (!s.ended)
            ndjson_end(&s);
        assert_int_equal(ndjson_next(&s, &line, &err), 0);
        ndjson_free(&s);
    }
}

static void long_lines_and_marks_end_the_stream(void **state)
{
    (void)state;
    struct ndjson_line line;
    struct err err;
    char good[] = "12345678\r\n123456789\n", endless[] = "123456789012", mark[] = "\xef\xbb\xbf{}\n";
    struct ndjson s = {.max_line = 8};
    ndjson_feed(&s, good, sizeof good - 1);
    assert_int_equal(ndjson_next(&s, &line, &err), 1);
    assert_int_equal(ndjson_next(&s, &line, &err), -1);
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_int_equal(err.line, 2);
    ndjson_free(&s);
    s = (struct ndjson){.max_line = 8};
    ndjson_feed(&s, endless, sizeof endless - 1); /* refused before its end has come */
    assert_int_equal(ndjson_next(&s, &line, &err), -1);
    assert_int_equal(err.code, ERR_TOO_LARGE);
    ndjson_free(&s);
    s = (struct ndjson){.max_line = 8};
    ndjson_feed(&s, mark, sizeof mark - 1);
    assert_int_equal(ndjson_next(&s, &line, &err), -1);
    assert_int_equal(err.code, ERR_INVALID_JSON);
    assert_int_equal(err.line, 1);
    ndjson_free(&s);
}

static void timestamps_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {{"1970-01-01T00:00:00Z", 0},
                {"2000-02-29t23:59:59.9999999z", 951868799999999},
                {"2026-11-22 18:14:22.5-05:30", 1795391062500000},
                {"1970-01-01T00:30:00+01:00", -1800000000}};
    static const char *const bad[] = {"",
                                      "2026-01-01",
                                      "2026-01-01T00:00:00",
                                      "2026-13-01T00:00:00Z",
                                      "2100-02-29T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:00:60Z",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01T00:00:00+24:00",
                                      "2026-01-01T00:00:00ZZ",
                                      "1969-01-01T00:00:00Z",
                                      "+026-01-01T00:00:00Z"};
    int64_t us;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(clock_parse_rfc3339(str_of(good[i].text), &us));
        assert_int_equal(us, good[i].us);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(clock_parse_rfc3339(str_of(bad[i]), &us));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read),
        cmocka_unit_test(faults_name_code_and_place),
        cmocka_unit_test(elements_that_come_twice_are_refused),
        cmocka_unit_test(what_was_read_is_written_back),
        cmocka_unit_test(texts_are_put_together_by_hand),
        cmocka_unit_test(doubles_keep_every_bit_in_few_digits),
        cmocka_unit_test(the_schema_says_what_the_reader_asks),
        cmocka_unit_test(mutants_are_judged_as_by_jansson),
        cmocka_unit_test(every_failed_allocation_is_reported),
        cmocka_unit_test(deep_and_wide_values_are_bounded),
        cmocka_unit_test(picked_members_are_found_by_path),
        cmocka_unit_test(lines_come_whole_out_of_any_chunks),
        cmocka_unit_test(long_lines_and_marks_end_the_stream),
        cmocka_unit_test(timestamps_are_read_strictly),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
