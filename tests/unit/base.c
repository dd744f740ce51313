/* base: errors, memory, text, random numbers, identifiers, threads, configuration. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "base/threads.h"
#include "base/uuid.h"

static void errors_are_cut_and_wrapped(void **state)
{
    (void)state;
    struct err e;
    char big[2000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_int_equal(err_set(&e, ERR_CONFLICT, "%s", big), -1);
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    err_at(&e, ERR_INVALID_VALUE, "/a/b", "must be %d", 3);
    err_wrap(&e, "line %d", 7);
    assert_string_equal(e.message, "line 7: must be 3");
    assert_string_equal(e.pointer, "/a/b");
    assert_int_equal(err_info(e.code)->status, 422);
}

static void arena_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct arena a = {0};
    mem_fail_nth(1);
    assert_null(arena_alloc(&a, 100));
    assert_non_null(arena_alloc(&a, 100));
    mem_fail_nth(1);
    assert_null(arena_alloc(&a, 1 << 20));
    assert_string_equal(arena_printf(&a, "%s-%d", "n", 5), "n-5");
    assert_null(arena_zeroed(&a, SIZE_MAX / 2, 4));
    mem_fail_nth(0);
    arena_free(&a);
}

static void buf_grows_fails_and_recovers(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%03d,", i);
    assert_int_equal(b.length, 4000);
    buf_drop(&b, 3996);
    assert_string_equal(b.data, "999,");
    mem_fail_nth(1);
    buf_add(&b, (char[9000]){0}, 9000);
    assert_true(b.failed);
    assert_null(buf_take(&b, NULL));
    buf_readable(&b, "a\0\xc3\xa9\xc3", 5);
    assert_string_equal(b.data, "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd");
    buf_clear(&b);
    buf_text(&b, "again");
    size_t n;
    char *text = buf_take(&b, &n);
    assert_int_equal(n, 5);
    mem_free(text);
}

static void utf8_is_judged_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {{"plain", true},          {"\xc3\xa9", true},         {"\xf0\x9f\x98\x80", true}, {"\xc0\x80", false},
                 {"\xed\xa0\x80", false},  {"\xf4\x90\x80\x80", false}, {"\xe2\x82", false},        {"\x80", false},
                 {"\xe0\x80\x80", false}, {"\xff", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(str_is_utf8(str_of(cases[i].text)), cases[i].good);
}

static void numbers_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    int64_t n;
    double d;
    assert_true(str_to_int64(str_of("-9223372036854775808"), &n) && n == INT64_MIN);
    assert_false(str_to_int64(str_of("9223372036854775808"), &n));
    assert_false(str_to_int64(str_of(""), &n) || str_to_int64(str_of("-"), &n) || str_to_int64(str_of("1x"), &n));
    assert_true(str_to_double(str_of("-1.5e3"), &d) && d == -1500);
    assert_false(str_to_double(str_of("1e999"), &d) || str_to_double(str_of("nan"), &d));
    assert_false(str_to_double(str_of("1 "), &d));
}

/* Random123's known answers for philox4x32-10 (kat_vectors). */
static void philox_gives_the_published_numbers(void **state)
{
    (void)state;
    uint32_t out[4];
    rng_philox((uint32_t[4]){0}, (uint32_t[2]){0}, out);
    assert_memory_equal(out, ((uint32_t[4]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}), sizeof out);
    rng_philox((uint32_t[4]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
               (uint32_t[2]){0xa4093822, 0x299f31d0}, out);
    assert_memory_equal(out, ((uint32_t[4]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}), sizeof out);
}

static void normals_have_mean_and_variance(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 1, 2);
    double sum = 0, squares = 0;
    enum { N = 100000 };
    for (int i = 0; i < N; i++) {
        double x = rng_normal(&r);
        sum += x;
        squares += x * x;
    }
    assert_true(fabs(sum / N) < 0.02 && fabs(squares / N - 1) < 0.02);
}

static void uuids_round_trip_and_ascend(void **state)
{
    (void)state;
    struct err e;
    struct uuid u, back;
    char text[UUID_TEXT_SIZE];
    assert_int_equal(uuid_new(&u, &e), 0);
    assert_true(uuid_parse(str_of(uuid_format(&u, text)), &back));
    assert_memory_equal(&u, &back, sizeof u);
    assert_int_equal(text[14], '7');
    assert_false(uuid_parse(str_of("0190163d-8694-739b-aea5-966c26f8ad9"), &u));
    assert_false(uuid_parse(str_of("0190163d-8694-739b-aea5_966c26f8ad91"), &u));
}

static void mark_block(void *context, int block, int thread)
{
    (void)thread;
    ((int *)context)[block]++;
}

static void threads_run_each_block_once(void **state)
{
    (void)state;
    struct err e;
    for (int count = 1; count <= 3; count++) {
        struct threads *t = threads_new(count, &e);
        assert_non_null(t);
        int marks[97] = {0};
        for (int round = 0; round < 50; round++)
            threads_run(t, 97, mark_block, marks);
        for (int i = 0; i < 97; i++)
            assert_int_equal(marks[i], 50);
        threads_free(t);
    }
}

static void config_takes_arguments_over_environment(void **state)
{
    (void)state;
    struct err e;
    struct config c;
    setenv("EGALIGN_PORT", "7000", 1);
    setenv("EGALIGN_WORKERS", "3", 1);
    assert_int_equal(config_load(&c, 3, (char *[]){"--port", "7001", "--log-json"}, &e), 0);
    assert_int_equal(c.port, 7001);
    assert_int_equal(c.workers, 3);
    assert_true(c.log_json);
    config_free(&c);
    unsetenv("EGALIGN_PORT");
    unsetenv("EGALIGN_WORKERS");
}

static void config_refuses_what_it_does_not_know(void **state)
{
    (void)state;
    struct err e;
    struct config c;
    assert_int_equal(config_load(&c, 1, (char *[]){"--prot=1"}, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    assert_int_equal(config_load(&c, 1, (char *[]){"--port=65536"}, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_int_equal(config_load(&c, 1, (char *[]){"--port"}, &e), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_cut_and_wrapped),
        cmocka_unit_test(arena_survives_each_failed_allocation),
        cmocka_unit_test(buf_grows_fails_and_recovers),
        cmocka_unit_test(utf8_is_judged_strictly),
        cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
        cmocka_unit_test(philox_gives_the_published_numbers),
        cmocka_unit_test(normals_have_mean_and_variance),
        cmocka_unit_test(uuids_round_trip_and_ascend),
        cmocka_unit_test(threads_run_each_block_once),
        cmocka_unit_test(config_takes_arguments_over_environment),
        cmocka_unit_test(config_refuses_what_it_does_not_know),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
