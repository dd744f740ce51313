/* fit_options: what a body may say, and what the engine is told. */
#include "unit/test.h"

#include <string.h>

#include "jobs/settings.h"

static struct arena arena;
static struct err err;

static int read_text(const char *json, struct fit_settings *ret)
{
    static char text[1000];
    strcpy(text, json);
    return fit_settings_read(text, strlen(text), ret, &arena, &err);
}

static void what_is_not_given_keeps_the_default(void **state)
{
    (void)state;
    struct fit_settings s;
    struct fit_options expected, got;
    int buckets = -1;
    fit_options_default(&expected);
    expected.threads = 3;
    assert_int_equal(read_text("{}", &s), 0);
    assert_int_equal(settings_apply(&s, 3, &got, &buckets, &err), 0);
    assert_memory_equal(&expected, &got, sizeof got);
    assert_true(expected.significance == FIT_OPTIONS_SIGNIFICANCE && expected.permutations == FIT_OPTIONS_PERMUTATIONS);
    assert_int_equal(buckets, 0);
}

static void every_member_arrives(void **state)
{
    (void)state;
    struct fit_settings s;
    struct fit_options o;
    int buckets;
    assert_int_equal(read_text("{\"seed\": 9007199254740993, \"k\": 2, \"k_max\": 3, \"restarts\": 4, "
                               "\"iterations\": 5, "
                               "\"ridge\": 6.5, \"ridge_grid\": [1, 2.5], \"assignment\": \"hard\", "
                               "\"ties\": \"half\", "
                               "\"min_group_size\": 7.5, \"assign_threshold\": 0.75, \"min_comparisons\": 8, "
                               "\"permutations\": 9, \"significance\": 0.25, \"folds\": 10, "
                               "\"strength_weights\": true, \"buckets\": 32, \"held_out_annotators\": 0.25}", &s), 0);
    assert_true(s.held_out_annotators == 0.25);
    assert_int_equal(settings_apply(&s, 1, &o, &buckets, &err), 0);
    assert_true(o.seed == 9007199254740993u && o.k == 2 && o.k_max == 3 && o.restarts == 4 && o.iterations == 5);
    assert_true(o.ridge == 6.5 && o.ridges == 2 && o.ridge_grid[0] == 1 && o.ridge_grid[1] == 2.5);
    assert_true(o.assignment == ASSIGNMENT_HARD && o.ties == TIES_HALF && o.strength_weights);
    assert_true(o.min_group_size == 7.5 && o.assign_threshold == 0.75 && o.min_comparisons == 8);
    assert_true(o.permutations == 9 && o.significance == 0.25 && o.folds == 10 && buckets == 32);
}

static void writing_gives_what_was_read(void **state)
{
    (void)state;
    struct fit_settings s;
    struct buf out = {0};
    assert_int_equal(read_text("{\"ties\": \"half\", \"k_max\": 3}", &s), 0);
    fit_settings_write(&out, &s);
    assert_string_equal(out.data, "{\"k_max\":3,\"ties\":\"half\"}"); /* in the order of the table */
    buf_clear(&out);
    assert_int_equal(read_text("{\"policy\": \"base\", \"encoder\": \"lm\"}", &s), 0);
    fit_settings_write(&out, &s);
    assert_string_equal(out.data, "{\"encoder\":\"lm\",\"policy\":\"base\"}");
    buf_free(&out);
}

static void refusals_point_at_the_member(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pointer;
        enum err_code code;
    } cases[] = {
        {"{\"k\": 13}", "/k", ERR_INVALID_VALUE},
        {"{\"k\": \"2\"}", "/k", ERR_INVALID_VALUE},
        {"{\"k\": 3, \"k_max\": 2}", "/k", ERR_INVALID_VALUE},
        {"{\"threads\": 2}", "/threads", ERR_UNKNOWN_MEMBER},
        {"{\"ridge\": 1e-9}", "/ridge", ERR_INVALID_VALUE},
        {"{\"ridge_grid\": [2, 1]}", "/ridge_grid/1", ERR_INVALID_VALUE},
        {"{\"ridge_grid\": []}", "/ridge_grid", ERR_INVALID_VALUE},
        {"{\"assignment\": \"medium\"}", "/assignment", ERR_INVALID_VALUE},
        {"{\"significance\": 0.9}", "/significance", ERR_INVALID_VALUE},
        {"{\"significance\": 0.01}", "/significance", ERR_INVALID_VALUE},
        {"{\"permutations\": 18}", "/permutations", ERR_INVALID_VALUE},
        {"{\"encoder\": \"lm\"}", "/policy", ERR_INVALID_VALUE},
        {"{\"policy\": \"base\"}", "/policy", ERR_INVALID_VALUE},
        {"{\"encoder\": \"hashed\", \"policy\": \"base\"}", "/policy", ERR_INVALID_VALUE},
        {"{\"encoder\": \"lm\", \"policy\": \"base\", \"buckets\": 32}", "/buckets", ERR_INVALID_VALUE},
        {"{\"encoder\": \"bert\"}", "/encoder", ERR_INVALID_VALUE},
        {"{\"permutations\": 98, \"significance\": 0.01}", "/permutations", ERR_INVALID_VALUE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fit_settings s;
        assert_int_equal(read_text(cases[i].text, &s), -1);
        assert_string_equal(err.pointer, cases[i].pointer);
        assert_int_equal(err.code, cases[i].code);
    }
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_given_keeps_the_default),
        cmocka_unit_test(every_member_arrives),
        cmocka_unit_test(writing_gives_what_was_read),
        cmocka_unit_test(refusals_point_at_the_member),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
