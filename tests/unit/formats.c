/* src/formats: the record, the five formats, transcripts, files of lines. */
#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "formats/format.h"
#include "formats/lines.h"
#include "formats/transcript.h"

static const struct format_options options = {.limits = {.depth = 8, .text_bytes = 65536}};

/* One line in, and what came of it; the copy lives in the arena. */
static int read_with(enum format format, const char *line, const struct format_options *with, struct record *ret,
                     struct arena *arena, struct err *err)
{
    size_t length = strlen(line);
    return format_read_line(format, arena_strndup(arena, line, length), length, with, ret, arena, err);
}

static void expect_line(enum format from, const char *line, enum format to, const char *expected)
{
    struct record r;
    struct arena arena = {0};
    struct buf out = {0};
    struct err err = {0};
    if (read_with(from, line, &options, &r, &arena, &err))
        fail_msg("%s: %s at '%s': %s", line, err_info(err.code)->wire, err.pointer, err.message);
    bool carried = format_write_line(to, &r, &out);
    assert_int_equal(carried, expected != NULL);
    if (expected)
        assert_string_equal(out.data, expected);
    else
        assert_int_equal(out.length, 0);
    buf_free(&out);
    arena_free(&arena);
}

static void expect_fault(enum format format, const char *line, enum err_code code, const char *pointer)
{
    struct record r;
    struct arena arena = {0};
    struct err err = {0};
    assert_int_equal(read_with(format, line, &options, &r, &arena, &err), -1);
    if (err.code != code || strcmp(err.pointer, pointer))
        fail_msg("%s: %s at '%s': %s", line, err_info(err.code)->wire, err.pointer, err.message);
    arena_free(&arena);
}

static const char full[] = "{\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"annotator\":\"ann\",\"prompt\":[{"
                           "\"role\":\"system\",\"content\":\"s\"},"
                           "{\"role\":\"user\",\"content\":\"q\\n\"}],\"a\":{\"text\":\"x\",\"policy\":\"m1\"},\"b\":{"
                           "\"text\":\"\"},\"outcome\":\"b\","
                           "\"strength\":3,\"reasons\":[\"short\",\"kind\"],\"shown_first\":\"b\",\"duration_ms\":0,"
                           "\"created_at\":\"2026-03-01T09:30:00.000001Z\",\"meta\":{\"k\": [1.50, \"\\u00e9\"]}}\n";

static void own_lines_round_trip_exactly(void **state)
{
    (void)state;
    static const char *const lines[] = {
        full,
        "{\"annotator\":\"a\",\"item\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"a\":\"01890a5d-ac96-774b-bcce-"
        "b302099a8058\","
        "\"b\":\"01890a5d-ac96-774b-bcce-b302099a8059\",\"outcome\":\"skip\",\"skip_reason\":\"both the same\"}\n",
        "{\"annotator\":\"a\",\"prompt\":\"p\",\"a\":{\"text\":\"x\"},\"b\":{\"text\":\"y\"},\"outcome\":\"both_bad\"}"
        "\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        expect_line(FORMAT_JSONL, lines[i], FORMAT_JSONL, lines[i]);
}

static void contradictions_are_refused(void **state)
{
    (void)state;
#define TEXTS "\"a\":{\"text\":\"x\"},\"b\":{\"text\":\"y\"},"
#define ONE "\"01890a5d-ac96-774b-bcce-b302099a8057\""
#define TWO "\"01890a5d-ac96-774b-bcce-b302099a8058\""
    expect_fault(FORMAT_JSONL, "{\"annotator\":\"h\"," TEXTS "\"outcome\":\"a\"}", ERR_MISSING_MEMBER, "/prompt");
    expect_fault(FORMAT_JSONL, "{\"annotator\":\"h\",\"prompt\":\"p\",\"item\":" ONE "," TEXTS "\"outcome\":\"a\"}",
                 ERR_INVALID_VALUE, "/prompt");
    expect_fault(FORMAT_JSONL,
                 "{\"annotator\":\"h\",\"prompt\":\"p\",\"a\":{\"text\":\"x\"},\"b\":" ONE ",\"outcome\":\"a\"}",
                 ERR_INVALID_VALUE, "/b");
    expect_fault(FORMAT_JSONL, "{\"annotator\":\"h\",\"item\":" ONE ",\"a\":" TWO ",\"b\":" TWO ",\"outcome\":\"a\"}",
                 ERR_INVALID_VALUE, "/b");
    expect_fault(FORMAT_JSONL, "{\"annotator\":\"h\",\"prompt\":\"p\"," TEXTS "\"outcome\":\"tie\",\"strength\":1}",
                 ERR_INVALID_VALUE, "/strength");
    expect_fault(FORMAT_JSONL,
                 "{\"annotator\":\"h\",\"prompt\":\"p\"," TEXTS "\"outcome\":\"a\",\"skip_reason\":\"?\"}",
                 ERR_INVALID_VALUE, "/skip_reason");
    expect_fault(FORMAT_JSONL, "{\"annotator\":\"h\",\"prompt\":\"p\"," TEXTS "\"outcome\":\"a\",\"strength\":4}",
                 ERR_INVALID_VALUE, "/strength");
    expect_fault(FORMAT_JSONL, "{\"prompt\":\"p\"," TEXTS "\"outcome\":\"a\"}", ERR_MISSING_MEMBER, "/annotator");
}

static void trl_explicit_goes_both_ways(void **state)
{
    (void)state;
    static const char text[] =
        "{\"prompt\":\"p\",\"chosen\":\"x\",\"rejected\":\"y\",\"annotator\":\"h\",\"meta\":{\"z\":1}}\n";
    expect_line(FORMAT_TRL, text, FORMAT_TRL, text);
    expect_line(FORMAT_TRL, text, FORMAT_JSONL,
                "{\"annotator\":\"h\",\"prompt\":\"p\",\"a\":{\"text\":\"x\"},\"b\":{\"text\":\"y\"},\"outcome\":\"a\","
                "\"meta\":{\"z\":1}}\n");
    static const char chat[] =
        "{\"prompt\":[{\"role\":\"user\",\"content\":\"p\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"x\"}],"
        "\"rejected\":[{\"role\":\"assistant\",\"content\":\"y\"}],\"annotator\":\"h\"}\n";
    expect_line(FORMAT_TRL, chat, FORMAT_TRL, chat);
    expect_line(FORMAT_JSONL, full, FORMAT_TRL,
                "{\"prompt\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"q\\n\"}],"
                "\"chosen\":[{\"role\":\"assistant\",\"content\":\"\"}],\"rejected\":[{\"role\":\"assistant\","
                "\"content\":\"x\"}],"
                "\"annotator\":\"ann\",\"meta\":{\"k\": [1.50, \"\\u00e9\"]}}\n");
    /* unknown members are kept, and the line's own meta with them */
    expect_line(FORMAT_TRL,
                "{\"score\":0.5,\"prompt\":\"p\",\"chosen\":\"x\",\"rejected\":\"y\",\"annotator\":\"h\",\"meta\":[1],"
                "\"q\\\"\":{}}",
                FORMAT_JSONL,
                "{\"annotator\":\"h\",\"prompt\":\"p\",\"a\":{\"text\":\"x\"},\"b\":{\"text\":\"y\"},\"outcome\":\"a\","
                "\"meta\":{\"score\":0.5,\"q\\\"\":{},\"meta\":[1]}}\n");
}

static void ties_are_read_and_not_written_as_pairs(void **state)
{
    (void)state;
    static const char tie[] = "{\"annotator\":\"h\",\"prompt\":\"p\",\"a\":\"x\",\"b\":\"y\",\"meta\":{}}";
    static const char own[] = "{\"annotator\":\"h\",\"prompt\":\"p\",\"a\":{\"text\":\"x\"},\"b\":{\"text\":\"y\"},"
                              "\"outcome\":\"tie\",\"meta\":{}}\n";
    expect_line(FORMAT_TRL, tie, FORMAT_JSONL, own);
    expect_line(FORMAT_JSONL, own, FORMAT_TRL, NULL);
    expect_line(FORMAT_JSONL, own, FORMAT_TRL_IMPLICIT, NULL);
    expect_line(FORMAT_JSONL, own, FORMAT_HH, NULL);
    expect_fault(FORMAT_TRL, "{\"annotator\":\"h\",\"prompt\":\"p\",\"a\":\"x\",\"b\":\"y\",\"chosen\":\"x\"}",
                 ERR_INVALID_VALUE, "/a");
    expect_fault(FORMAT_TRL, "{\"annotator\":\"h\",\"prompt\":\"p\",\"chosen\":\"x\"}", ERR_MISSING_MEMBER,
                 "/rejected");
    expect_fault(FORMAT_TRL, "{\"annotator\":\"h\",\"chosen\":\"x\",\"rejected\":\"y\"}", ERR_MISSING_MEMBER,
                 "/prompt");
}

static void trl_implicit_finds_the_prompt(void **state)
{
    (void)state;
    static const char chat[] =
        "{\"chosen\":[{\"role\":\"user\",\"content\":\"p\"},{\"role\":\"assistant\",\"content\":\"x\"}],"
        "\"rejected\":[{\"role\":\"user\",\"content\":\"p\"},{\"role\":\"assistant\",\"content\":\"y\"}],\"annotator\":"
        "\"h\"}\n";
    expect_line(FORMAT_TRL_IMPLICIT, chat, FORMAT_TRL_IMPLICIT, chat);
    /* Two policies that wrote the same: there is nothing to prefer. */
    expect_line(FORMAT_JSONL,
                "{\"annotator\":\"h\",\"prompt\":\"p\",\"a\":{\"text\":\"x\",\"policy\":\"m\"},\"b\":{\"text\":\"x\"},"
                "\"outcome\":\"a\"}",
                FORMAT_TRL_IMPLICIT, NULL);
    /* The first bytes of these two letters are the same, the letters are not; the space goes to the answers. */
    expect_line(
        FORMAT_TRL_IMPLICIT, "{\"chosen\":\"Sky: \xc3\xa9t\",\"rejected\":\"Sky: \xc3\xa8z\",\"annotator\":\"h\"}",
        FORMAT_JSONL,
        "{\"annotator\":\"h\",\"prompt\":\"Sky:\",\"a\":{\"text\":\" \xc3\xa9t\"},\"b\":{\"text\":\" \xc3\xa8z\"},"
        "\"outcome\":\"a\"}\n");
    expect_fault(FORMAT_TRL_IMPLICIT, "{\"chosen\":\"x\",\"rejected\":\"y\",\"annotator\":\"h\"}", ERR_INVALID_VALUE,
                 "/prompt");
    expect_fault(FORMAT_TRL_IMPLICIT, "{\"prompt\":\"p\",\"chosen\":\"px\",\"rejected\":\"py\",\"annotator\":\"h\"}",
                 ERR_INVALID_VALUE, "/prompt");
}

static void hh_transcripts_are_cut_at_the_last_common_mark(void **state)
{
    (void)state;
    static const char line[] =
        "{\"chosen\":\"\\n\\nHuman: q1\\n\\nAssistant: a1\\n\\nHuman: q2\\n\\nAssistant: Yes.\","
        "\"rejected\":\"\\n\\nHuman: q1\\n\\nAssistant: a1\\n\\nHuman: q2\\n\\nAssistant: Yet.\","
        "\"annotator\":\"h\"}\n";
    expect_line(FORMAT_HH, line, FORMAT_HH, line);
    expect_line(FORMAT_HH, line, FORMAT_TRL,
                "{\"prompt\":[{\"role\":\"user\",\"content\":\"q1\"},{\"role\":\"assistant\",\"content\":\"a1\"},"
                "{\"role\":\"user\",\"content\":\"q2\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"Yes.\"}],"
                "\"rejected\":[{\"role\":\"assistant\",\"content\":\"Yet.\"}],\"annotator\":\"h\"}\n");
    expect_line(FORMAT_JSONL, full, FORMAT_HH, NULL); /* a system message */
    expect_line(FORMAT_JSONL,
                "{\"annotator\":\"h\",\"prompt\":\"x\\n\\nHuman: "
                "y\",\"a\":{\"text\":\"1\"},\"b\":{\"text\":\"2\"},\"outcome\":\"a\"}",
                FORMAT_HH, NULL); /* would be two turns when read again */
    expect_fault(FORMAT_HH, "{\"chosen\":\"\\n\\nHuman: q\",\"rejected\":\"\\n\\nHuman: q\",\"annotator\":\"h\"}",
                 ERR_INVALID_VALUE, "/rejected");
}

static void messages_become_a_prompt_of_one_text(void **state)
{
    (void)state;
    struct record_message turns[] = {record_message_of(ROLE_SYSTEM, STR_LITERAL("Be brief.")),
                                     record_message_of(ROLE_USER, STR_LITERAL("Why?")),
                                     record_message_of(ROLE_ASSISTANT, STR_LITERAL("Because.\nSo.")),
                                     record_message_of(ROLE_TOOL, STR_LITERAL("42"))};
    struct buf out = {0};
    transcript_prompt(&(struct json_list){&turns[1], 1}, &out);
    assert_string_equal(out.data, "Why?");
    buf_clear(&out);
    transcript_prompt(&(struct json_list){turns, 4}, &out);
    assert_string_equal(out.data, "System: Be brief.\n\nUser: Why?\n\nAssistant: Because.\nSo.\n\nTool: 42");
    buf_free(&out);
}

static void arena_battles_go_both_ways(void **state)
{
    (void)state;
    static const char line[] =
        "{\"question_id\":\"58210e39-b3fd-4441-a2bd-4a518bb44c2d\",\"model_a\":\"m1\",\"model_b\":\"m2\","
        "\"winner\":\"tie (bothbad)\",\"judge\":\"u1\","
        "\"conversation_a\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"x\"},"
        "{\"role\":\"user\",\"content\":\"more\"},{\"role\":\"assistant\",\"content\":\"x2\"}],"
        "\"conversation_b\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"y\"}],"
        "\"tstamp\":1682351591.132211}\n";
    expect_line(FORMAT_ARENA, line, FORMAT_ARENA, line);
    expect_line(FORMAT_ARENA, line, FORMAT_JSONL,
                "{\"id\":\"58210e39-b3fd-4441-a2bd-4a518bb44c2d\",\"annotator\":\"u1\","
                "\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],"
                "\"a\":{\"text\":\"x\\n\\nHuman: more\\n\\nAssistant: x2\",\"policy\":\"m1\"},"
                "\"b\":{\"text\":\"y\",\"policy\":\"m2\"},\"outcome\":\"both_bad\",\"created_at\":\"2023-04-24T15:53:"
                "11.132211Z\"}\n");
    expect_line(
        FORMAT_ARENA,
        "{\"question_id\":81,\"model_a\":\"m1\",\"model_b\":\"m2\",\"winner\":\"model_b\",\"judge\":\"u1\",\"turn\":1,"
        "\"language\":\"English\",\"conversation_a\":[{\"content\":\"q\",\"role\":\"user\",\"n\":1},"
        "{\"content\":\"x\",\"role\":\"assistant\"}],\"conversation_b\":[{\"content\":\"q\",\"role\":\"user\"},"
        "{\"content\":\"y\",\"role\":\"assistant\"}]}",
        FORMAT_TRL,
        "{\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"y\"}],"
        "\"rejected\":[{\"role\":\"assistant\",\"content\":\"x\"}],\"annotator\":\"u1\","
        "\"meta\":{\"question_id\":81,\"language\":\"English\"}}\n");
}

static void annotators_are_found_or_missed_aloud(void **state)
{
    (void)state;
    static const char line[] = "{\"prompt\":\"p\",\"chosen\":\"x\",\"rejected\":\"y\",\"meta\":{\"who\":{\"no\":17,"
                               "\"n\\u00e4me\":\"\\u0041b\"}}}";
    struct format_options with = options;
    struct record r;
    struct arena arena = {0};
    struct err err = {0};
    expect_fault(FORMAT_TRL, line, ERR_MISSING_MEMBER, "/annotator");
    with.annotator_field = "meta.who.no";
    assert_int_equal(read_with(FORMAT_TRL, line, &with, &r, &arena, &err), 0);
    assert_true(str_is(r.annotator, "17"));
    with.annotator_field = "meta.who.n\xc3\xa4me";
    assert_int_equal(read_with(FORMAT_TRL, line, &with, &r, &arena, &err), 0);
    assert_true(str_is(r.annotator, "Ab"));
    with.annotator_field = "meta.who";
    assert_int_equal(read_with(FORMAT_TRL, line, &with, &r, &arena, &err), -1);
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    with.annotator_field = "meta.nobody";
    assert_int_equal(read_with(FORMAT_TRL, line, &with, &r, &arena, &err), -1);
    assert_int_equal(err.code, ERR_MISSING_MEMBER);
    with = (struct format_options){.limits = options.limits, .anonymous = true};
    assert_int_equal(read_with(FORMAT_TRL, line, &with, &r, &arena, &err), 0);
    assert_true(str_is(r.annotator, "anonymous"));
    arena_free(&arena);
}

static void formats_have_names(void **state)
{
    (void)state;
    enum format format;
    struct err err = {0};
    for (int i = 0; i < FORMAT_COUNT; i++) {
        assert_int_equal(format_by_name(str_of(format_name((enum format)i)), &format, &err), 0);
        assert_int_equal(format, i);
    }
    assert_int_equal(format_by_name(STR_LITERAL("csv"), &format, &err), -1);
    assert_non_null(strstr(err.message, "trl-implicit"));
}

/* ---- files ---- */

static void write_file(const char *path, const char *text, bool gzipped)
{
    gzFile f = gzopen(path, gzipped ? "wb" : "wbT");
    gzwrite(f, text, (unsigned)strlen(text));
    gzclose(f);
}

static void files_are_read_gzipped_or_not(void **state)
{
    (void)state;
    char path[] = "/tmp/egalign-lines-XXXXXX";
    close(mkstemp(path));
    for (int gzipped = 0; gzipped < 2; gzipped++) {
        struct ndjson_line line;
        struct err err = {0};
        write_file(path, "{}\n\n{\"a\":1}", gzipped);
        struct lines *l = lines_open(path, 100, &err);
        assert_non_null(l);
        assert_int_equal(lines_next(l, &line, &err), 1);
        assert_int_equal(lines_next(l, &line, &err), 1);
        assert_string_equal(line.text, "{\"a\":1}");
        assert_int_equal(line.number, 3);
        assert_int_equal(lines_next(l, &line, &err), 0);
        assert_int_equal(lines_offset(l), lines_size(l));
        lines_close(l);
    }
    struct err err = {0};
    struct ndjson_line line;
    assert_int_equal(truncate(path, 24), 0); /* the gzip stream is cut */
    struct lines *l = lines_open(path, 100, &err);
    int got;
    while ((got = lines_next(l, &line, &err)) > 0)
        ;
    assert_int_equal(got, -1);
    assert_int_equal(err.code, ERR_BAD_FILE);
    lines_close(l);
    unlink(path);
    assert_null(lines_open(path, 100, &err));
    assert_int_equal(err.code, ERR_SYSTEM);
}

/* Every line of the real data becomes a record, and its own line gives the same line again. */
static void check_real_file(const char *folder, const char *name)
{
    char path[400];
    struct err err = {0};
    struct ndjson_line line;
    struct arena arena = {0};
    struct buf first = {0}, second = {0};
    long rows = 0;
    int got;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct lines *l = lines_open(path, 1 << 20, &err);
    if (!l)
        skip();
    while ((got = lines_next(l, &line, &err)) > 0) {
        struct record r;
        if (format_read_line(FORMAT_TRL, line.text, line.length, &options, &r, &arena, &err))
            fail_msg("%s:%ld: %s: %s", name, line.number, err.pointer, err.message);
        buf_clear(&first);
        buf_clear(&second);
        assert_true(format_write_line(FORMAT_JSONL, &r, &first));
        char *copy = arena_strndup(&arena, first.data, first.length); /* the record is views into it */
        assert_int_equal(format_read_line(FORMAT_JSONL, copy, first.length, &options, &r, &arena, &err), 0);
        format_write_line(FORMAT_JSONL, &r, &second);
        assert_string_equal(first.data, second.data);
        arena_free(&arena);
        rows++;
    }
    assert_int_equal(got, 0);
    assert_true(rows > 300);
    lines_close(l);
    buf_free(&first);
    buf_free(&second);
}

static void real_data_is_read_whole(void **state)
{
    (void)state;
    const char *folder = getenv("EGALIGN_DATA");
    if (!folder)
        folder = "../shared/data";
    check_real_file(folder, "tulu_human_eval/pairs.jsonl.gz");
    check_real_file(folder, "tulu_human_eval/ties.jsonl.gz");
    check_real_file(folder, "rlphf_p2_style/pairs.jsonl.gz");
    check_real_file(folder, "ukpconvarg1/ties.jsonl.gz");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_lines_round_trip_exactly),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(trl_explicit_goes_both_ways),
        cmocka_unit_test(ties_are_read_and_not_written_as_pairs),
        cmocka_unit_test(trl_implicit_finds_the_prompt),
        cmocka_unit_test(hh_transcripts_are_cut_at_the_last_common_mark),
        cmocka_unit_test(messages_become_a_prompt_of_one_text),
        cmocka_unit_test(arena_battles_go_both_ways),
        cmocka_unit_test(annotators_are_found_or_missed_aloud),
        cmocka_unit_test(formats_have_names),
        cmocka_unit_test(files_are_read_gzipped_or_not),
        cmocka_unit_test(real_data_is_read_whole),
    };
    return cmocka_run_group_tests_name("formats", tests, NULL, NULL);
}
