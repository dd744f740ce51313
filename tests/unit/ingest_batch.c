/* ingest_batch: streams, all or nothing and with skip, against a private cluster; and what the table modules read of
 * it. */
#include "unit/test.h"
#include "unit/ingest_fixture.h"

#include <unistd.h>

#include "base/mem.h"
#include "store/annotator.h"
#include "store/comparison.h"
#include "store/fit_read.h"
#include "store/item.h"
#include "store/token.h"

static struct ingest *ingest;

static int set_up_ingest(void **state)
{
    set_up(state);
    ingest = ingest_with(1, 100, 5000);
    return 0;
}

static int tear_down_ingest(void **state)
{
    ingest_free(ingest);
    return tear_down(state);
}

static struct ingest_batch *batch_with(bool skip, int max_errors)
{
    struct ingest_batch *batch = NULL;
    assert_int_equal(ingest_batch_open(ingest, skip, max_errors, &batch, &f.err), 0);
    return batch;
}

/* Line `line` of a stream over `prompt`: its own comparison by one of 20 people. */
static struct judgement line_of(const char *prompt, long line)
{
    char name[32];
    snprintf(name, sizeof name, "person %ld", line % 20);
    struct record r = record_of(name, prompt);
    return judgement_of(&r, NULL);
}

static void add(struct ingest_batch *batch, const struct judgement *j, long line)
{
    assert_int_equal(ingest_batch_add(batch, j, line, &f.err), 0);
}

static void add_lines(struct ingest_batch *batch, const char *prompt, long from, long to)
{
    for (long line = from; line <= to; line++) {
        struct judgement j = line_of(prompt, line);
        add(batch, &j, line);
    }
    arena_free(&arena);
}

static struct ingest_report finish(struct ingest_batch *batch)
{
    struct ingest_report report;
    assert_int_equal(ingest_batch_finish(batch, &report, &f.err), 0);
    return report;
}

static void assert_counts(const struct ingest_report *r, int accepted, int duplicate, int rejected)
{
    assert_int_equal(r->accepted, accepted);
    assert_int_equal(r->duplicate, duplicate);
    assert_int_equal(r->rejected, rejected);
}

/* Whether `count` comparisons are stored over `prompt`. */
static bool stored(const char *prompt, int count)
{
    char condition[256];
    snprintf(condition, sizeof condition,
             "(SELECT count(*) = %d FROM comparison JOIN item i ON i.id = item_id WHERE prompt = '%s')", count, prompt);
    return holds(condition);
}

static void whole_streams_of_any_length_are_stored(void **state)
{
    (void)state;
    const int lengths[] = {0, 1, 1000, 1001, 3500};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char prompt[32];
        snprintf(prompt, sizeof prompt, "whole %d", lengths[i]);
        struct ingest_batch *batch = batch_with(false, 10);
        add_lines(batch, prompt, 1, lengths[i]);
        struct ingest_report report = finish(batch);
        assert_counts(&report, lengths[i], 0, 0);
        ingest_batch_free(batch);
        assert_true(stored(prompt, lengths[i]));
    }
}

static void nothing_is_written_before_the_end(void **state)
{
    (void)state;
    struct ingest_batch *batch = batch_with(false, 10);
    add_lines(batch, "abandoned", 1, 2500);
    assert_true(stored("abandoned", 0));
    ingest_batch_free(batch);
    assert_true(stored("abandoned", 0));
    assert_true(holds("(SELECT count(*) = 0 FROM item WHERE prompt = 'abandoned')"));
}

static void one_bad_line_keeps_everything_out(void **state)
{
    (void)state;
    struct err bad;
    err_at(&bad, ERR_MISSING_MEMBER, "/outcome", "it is missing");
    for (int length = 100; length <= 3000; length += 2900) {
        struct ingest_batch *batch = batch_with(false, 2);
        add_lines(batch, "spoilt", 1, length / 2);
        for (bad.line = length / 2 + 1; bad.line <= length / 2 + 3; bad.line++)
            ingest_batch_reject(batch, &bad);
        add_lines(batch, "spoilt", length / 2 + 4, length);
        struct ingest_report report = finish(batch);
        assert_int_equal(report.accepted, 0);
        assert_int_equal(report.rejected, 3);
        assert_int_equal(report.error_count, 2);
        assert_int_equal(report.errors[0].err.line, length / 2 + 1);
        assert_string_equal(report.errors[0].err.pointer, "/outcome");
        ingest_batch_free(batch);
        assert_true(holds("(SELECT count(*) = 0 FROM item WHERE prompt = 'spoilt')"));
    }
}

/* A conflict with what is stored, in the last line of a stream of `length`. */
static void conflict_at_the_end(int length)
{
    struct uuid id = new_id();
    struct record r = record_of("ada", "before");
    struct judgement first = judgement_of(&r, &id);
    struct ingest_batch *batch = batch_with(false, 5);
    add(batch, &first, 1);
    struct ingest_report report = finish(batch);
    assert_counts(&report, 1, 0, 0);
    ingest_batch_free(batch);
    batch = batch_with(false, 5);
    r.outcome = OUTCOME_B;
    struct judgement other = judgement_of(&r, &id);
    struct judgement copy;
    struct arena kept = {0};
    judgement_copy(&other, &kept, &copy, &f.err);
    add_lines(batch, "conflicting", 1, length - 1);
    add(batch, &copy, length);
    report = finish(batch);
    assert_int_equal(report.accepted, 0);
    assert_int_equal(report.rejected, 1);
    assert_int_equal(report.errors[0].err.code, ERR_CONFLICT);
    assert_int_equal(report.errors[0].err.line, length);
    ingest_batch_free(batch);
    arena_free(&kept);
    assert_true(holds("(SELECT count(*) = 0 FROM item WHERE prompt = 'conflicting')"));
}

static void a_conflict_rejects_the_batch(void **state)
{
    (void)state;
    conflict_at_the_end(10);
    conflict_at_the_end(2100);
}

/* The same id twice in one stream, blocks apart: only the database sees that. */
static void a_conflict_within_the_stream_rejects_it(void **state)
{
    (void)state;
    struct uuid id = new_id();
    struct arena kept = {0};
    struct judgement first, second, copy;
    for (int same = 0; same <= 1; same++) {
        struct record r = record_of("ada", "inner");
        first = judgement_of(&r, &id);
        judgement_copy(&first, &kept, &copy, &f.err);
        r.outcome = same ? OUTCOME_A : OUTCOME_B;
        second = judgement_of(&r, &id);
        struct judgement last;
        judgement_copy(&second, &kept, &last, &f.err);
        struct ingest_batch *batch = batch_with(false, 5);
        add(batch, &copy, 1);
        add_lines(batch, "inner", 2, 2499);
        add(batch, &last, 2500);
        struct ingest_report report = finish(batch);
        assert_counts(&report, same ? 2499 : 0, same, !same);
        if (!same)
            assert_int_equal(report.errors[0].err.line, 2500);
        ingest_batch_free(batch);
        assert_true(stored("inner", same ? 2499 : 0));
    }
    arena_free(&kept);
}

static void skip_stores_the_good_and_lists_the_bad(void **state)
{
    (void)state;
    struct err bad;
    struct ingest_batch *batch = batch_with(true, 5);
    struct uuid id = new_id();
    struct record r = record_of("ada", "skipping");
    struct judgement j = judgement_of(&r, &id);
    add(batch, &j, 1);
    add(batch, &j, 2);
    r.outcome = OUTCOME_B;
    j = judgement_of(&r, &id);
    add(batch, &j, 3);
    err_at(&bad, ERR_INVALID_JSON, "", "cut short");
    bad.line = 4;
    ingest_batch_reject(batch, &bad);
    r = record_of("ada", "not UTF-8 \xff");
    j = judgement_of(&r, NULL);
    add(batch, &j, 5);
    add_lines(batch, "skipping", 6, 2005);
    struct ingest_report report = finish(batch);
    assert_counts(&report, 2001, 1, 3);
    assert_int_equal(report.errors[0].err.line, 3);
    assert_int_equal(report.errors[0].err.code, ERR_CONFLICT);
    assert_int_equal(report.errors[1].err.line, 4);
    assert_int_equal(report.errors[2].err.line, 5);
    ingest_batch_free(batch);
    assert_true(stored("skipping", 2001));
}

/* ---- reading it back ---- */

static bool contains(const struct buf *text, const char *part)
{
    if (strstr(text->data, part))
        return true;
    fprintf(stderr, "no %s in %s\n", part, text->data);
    return false;
}

static void comparisons_are_read_undone_and_paged(void **state)
{
    (void)state;
    struct buf out = {0};
    struct uuid id = new_id();
    struct record r = record_of("reader", "reading");
    struct judgement j = judgement_of(&r, &id);
    struct ingest_batch *batch = batch_with(false, 5);
    add(batch, &j, 1);
    finish(batch);
    ingest_batch_free(batch);
    assert_int_equal(comparison_get(f.pool, &project, &id, true, &out, &f.err), 0);
    assert_true(contains(&out, "\"prompt\" : \"reading\""));
    assert_true(contains(&out, "\"policy\" : \"gpt2\""));
    for (int again = 0; again < 2; again++) {
        buf_clear(&out);
        assert_int_equal(comparison_undo(f.pool, &project, &id, NULL, &out, &f.err), 0);
        assert_false(strstr(out.data, "\"retracted_at\" : null"));
    }
    id = new_id();
    assert_int_equal(comparison_undo(f.pool, &project, &id, NULL, &out, &f.err), -1);
    assert_int_equal(f.err.code, ERR_NOT_FOUND);
    struct page page = {.limit = 2};
    buf_clear(&out);
    assert_int_equal(comparison_list(f.pool, &project, true, &page, &out, &f.err), 0);
    assert_false(strstr(out.data, "\"next_cursor\" : null"));
    page.cursor = STR_LITERAL("9000000000000000000");
    buf_clear(&out);
    assert_int_equal(comparison_list(f.pool, &project, false, &page, &out, &f.err), 0);
    assert_true(contains(&out, "\"items\" : [], \"next_cursor\" : null"));
    page.cursor = STR_LITERAL("x");
    assert_int_equal(comparison_list(f.pool, &project, false, &page, &out, &f.err), -1);
    assert_int_equal(f.err.code, ERR_INVALID_REQUEST);
    buf_free(&out);
}

static void items_annotators_and_state_are_read(void **state)
{
    (void)state;
    bool created;
    struct buf out = {0}, etag = {0};
    struct page page = {.limit = 3};
    struct item_response responses[] = {{STR_LITERAL("yes"), {0}}, {STR_LITERAL("no"), STR_LITERAL("gpt2")}};
    for (int again = 0; again < 2; again++) {
        assert_int_equal(
            item_create(f.pool, &project, STR_LITERAL("an item"), false, responses, 2, &created, &out, &f.err), 0);
        assert_int_equal(created, !again);
    }
    assert_true(contains(&out, "\"text\" : \"no\", \"policy\" : \"gpt2\""));
    buf_clear(&out);
    assert_int_equal(item_list(f.pool, &project, &page, &out, &f.err), 0);
    buf_clear(&out);
    page.cursor = STR_LITERAL("reade");
    page.limit = 1;
    assert_int_equal(annotator_list(f.pool, &project, &page, &out, &f.err), 0);
    assert_true(contains(&out, "\"name\" : \"reader\""));
    assert_true(contains(&out, "\"comparisons\" : 1, \"by_outcome\" : {\"a\" : 1, \"b\" : 0"));
    assert_true(contains(&out, "\"retracted\" : 1"));
    buf_clear(&out);
    assert_int_equal(win_rates_get(f.pool, &project, &out, &etag, &f.err), 0);
    assert_true(contains(&out, "\"status\" : \"insufficient_data\""));
    assert_int_equal(etag.data[0], '"');
    buf_clear(&out);
    assert_int_equal(group_list(f.pool, &project, &out, &f.err), 0);
    assert_true(contains(&out, "\"fit\" : null, \"items\" : []"));
    buf_free(&out);
    buf_free(&etag);
}

static void tokens_are_made_checked_listed_and_revoked(void **state)
{
    (void)state;
    char text[TOKEN_TEXT_SIZE];
    uint8_t hash[TOKEN_HASH];
    struct buf out = {0};
    struct token *live;
    size_t count;
    int64_t past = 1000000;
    assert_int_equal(token_create(f.pool, &project, ROLE_OPERATOR, STR_LITERAL("t"), NULL, text, &out, &f.err), 0);
    assert_true(contains(&out, "\"project\" : \"tests\", \"role\" : \"operator\""));
    assert_null(strstr(out.data, text));
    assert_true(token_well_formed(str_of(text)));
    text[10] = text[10] == 'x' ? 'y' : 'x';
    assert_false(token_well_formed(str_of(text)));
    assert_int_equal(token_create(f.pool, NULL, ROLE_ADMIN, STR_LITERAL("old"), &past, text, &out, &f.err), 0);
    assert_int_equal(token_create(f.pool, NULL, ROLE_ADMIN, STR_LITERAL("live"), NULL, text, &out, &f.err), 0);
    token_hash(str_of(text), hash);
    assert_int_equal(token_load(f.pool, &live, &count, &f.err), 0);
    assert_int_equal(count, 2);
    const struct token *mine = memcmp(live[0].hash, hash, sizeof hash) == 0 ? &live[0] : &live[1];
    assert_memory_equal(mine->hash, hash, sizeof hash);
    assert_true(!mine->has_project && mine->role == ROLE_ADMIN);
    struct uuid id = mine->id;
    mem_free(live);
    assert_int_equal(token_revoke(f.pool, &id, &f.err), 0);
    assert_int_equal(token_revoke(f.pool, &id, &f.err), 0);
    assert_int_equal(token_load(f.pool, &live, &count, &f.err), 0);
    assert_int_equal(count, 1);
    mem_free(live);
    id = new_id();
    assert_int_equal(token_revoke(f.pool, &id, &f.err), -1);
    assert_int_equal(f.err.code, ERR_NOT_FOUND);
    buf_free(&out);
}

static void projects_are_made_once_and_changed(void **state)
{
    (void)state;
    bool created;
    struct buf out = {0};
    struct page page = {.limit = 10};
    struct project_settings settings = {STR_LITERAL("A title"), 100, -1, STR_LITERAL("{\"k_max\": 3}")};
    for (int again = 0; again < 2; again++) {
        assert_int_equal(project_create(f.pool, STR_LITERAL("second"), &settings, &created, &out, &f.err), 0);
        assert_int_equal(created, !again);
    }
    settings.refit_after_comparisons = 200;
    assert_int_equal(project_create(f.pool, STR_LITERAL("second"), &settings, &created, &out, &f.err), -1);
    assert_int_equal(f.err.code, ERR_CONFLICT);
    struct uuid second;
    assert_int_equal(project_find(f.pool, STR_LITERAL("second"), &second, &f.err), 0);
    settings = (struct project_settings){.refit_after_comparisons = -1, .refit_after_seconds = 60};
    buf_clear(&out);
    assert_int_equal(project_patch(f.pool, &second, &settings, &out, &f.err), 0);
    assert_true(contains(&out, "\"title\" : \"A title\", \"refit_after_comparisons\" : 100, "
                               "\"refit_after_seconds\" : 60, \"fit_options\" : {\"k_max\": 3}"));
    buf_clear(&out);
    assert_int_equal(project_list(f.pool, &second, &page, &out, &f.err), 0);
    assert_null(strstr(out.data, "\"tests\""));
    assert_int_equal(project_find(f.pool, STR_LITERAL("third"), &second, &f.err), -1);
    assert_int_equal(f.err.code, ERR_NOT_FOUND);
    buf_free(&out);
}

/* What a stream gives back is what was put in: written as lines, the two are the same. */
struct echo {
    struct buf lines;
    int64_t last;
};

static int echo_row(const struct record *record, int64_t seq, void *context, struct err *err)
{
    (void)err;
    struct echo *echo = context;
    assert_true(seq > echo->last);
    echo->last = seq;
    json_write(&echo->lines, &record_shape, record);
    buf_char(&echo->lines, '\n');
    return 0;
}

static void a_stream_gives_the_records_back(void **state)
{
    (void)state;
    static const char lines[] =
        "{\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"annotator\":\"z\",\"prompt\":[{\"role\":\"user\","
        "\"content\":"
        "\"h\\n\"}],\"a\":{\"text\":\"\",\"policy\":\"p\"},\"b\":{\"text\":\"2\"},\"outcome\":\"skip\",\"reasons\":["
        "\"x\","
        "\"\\\"\"],\"skip_reason\":\"s\",\"shown_first\":\"b\",\"duration_ms\":0,"
        "\"created_at\":\"2026-03-01T09:30:00.000001Z\",\"meta\":{\"n\":null}}\n"
        "{\"id\":\"01890a5d-ac96-774b-bcce-b302099a8058\",\"annotator\":\"z\",\"prompt\":\"q\",\"a\":{\"text\":\"1\"},"
        "\"b\":{\"text\":\"2\"},\"outcome\":\"b\",\"strength\":3}\n";
    static const struct json_limits limits = {8, 65536};
    struct ingest_batch *batch = batch_with(false, 5);
    struct echo echo = {0};
    bool created;
    struct uuid alone, kept = project;
    struct buf out = {0};
    struct project_settings settings = {.refit_after_comparisons = -1, .refit_after_seconds = -1};
    assert_int_equal(project_create(f.pool, STR_LITERAL("echo"), &settings, &created, &out, &f.err), 0);
    assert_int_equal(project_find(f.pool, STR_LITERAL("echo"), &alone, &f.err), 0);
    project = alone;
    char *text = arena_strndup(&arena, lines, sizeof lines - 1), *next;
    for (long line = 1; *text; line++, text = next) {
        struct record r;
        next = strchr(text, '\n') + 1;
        next[-1] = '\0';
        assert_int_equal(record_read(text, (size_t)(next - 1 - text), &limits, &r, &arena, &f.err), 0);
        struct judgement j = judgement_of(&r, NULL);
        add(batch, &j, line);
    }
    struct ingest_report report = finish(batch);
    assert_counts(&report, 2, 0, 0);
    ingest_batch_free(batch);
    struct comparison_filter filter = {.with_skips = true};
    assert_int_equal(comparison_stream(f.pool, &project, &filter, 1000, echo_row, &echo, &f.err), 0);
    assert_string_equal(echo.lines.data, lines);
    buf_clear(&echo.lines);
    filter.with_skips = false;
    echo.last = 0;
    assert_int_equal(comparison_stream(f.pool, &project, &filter, 1000, echo_row, &echo, &f.err), 0);
    assert_string_equal(echo.lines.data, strchr(lines, '\n') + 1);
    buf_free(&echo.lines);
    buf_free(&out);
    project = kept;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_streams_of_any_length_are_stored),
        cmocka_unit_test(nothing_is_written_before_the_end),
        cmocka_unit_test(one_bad_line_keeps_everything_out),
        cmocka_unit_test(a_conflict_rejects_the_batch),
        cmocka_unit_test(a_conflict_within_the_stream_rejects_it),
        cmocka_unit_test(skip_stores_the_good_and_lists_the_bad),
        cmocka_unit_test(comparisons_are_read_undone_and_paged),
        cmocka_unit_test(items_annotators_and_state_are_read),
        cmocka_unit_test(tokens_are_made_checked_listed_and_revoked),
        cmocka_unit_test(projects_are_made_once_and_changed),
        cmocka_unit_test(a_stream_gives_the_records_back),
    };
    return cmocka_run_group_tests_name("ingest_batch", tests, set_up_ingest, tear_down_ingest);
}
