/* listen: notifications arrive, and after a lost connection everything is said to have changed. */
#include "unit/test.h"
#include "unit/cluster_fixture.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "store/listen.h"

static struct fixture f;

/* What the callback heard; guarded by the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int heard[LISTEN_LOST + 1];
static char last[64];

static void note(enum listen_channel channel, const char *payload, void *context)
{
    (void)context;
    pthread_mutex_lock(&lock);
    heard[channel]++;
    snprintf(last, sizeof last, "%s", payload);
    pthread_mutex_unlock(&lock);
}

static int count_of(enum listen_channel channel)
{
    pthread_mutex_lock(&lock);
    int n = heard[channel];
    pthread_mutex_unlock(&lock);
    return n;
}

static bool reaches(enum listen_channel channel, int n)
{
    int64_t give_up = pg_deadline(20000);
    while (count_of(channel) < n && clock_mono_ns() < give_up)
        clock_sleep_ns(5000000);
    return count_of(channel) >= n;
}

static void run_script(const char *sql)
{
    struct pg *pg;
    assert_int_equal(pool_take(f.pool, 0, &pg, &f.err), 0);
    assert_int_equal(pg_script(pg, sql, &f.err), 0);
    pool_give(f.pool, pg);
}

static void it_hears_reconnects_and_hears_again(void **state)
{
    (void)state;
    struct listener *l;
    assert_int_equal(listen_start(cluster_conninfo(f.cluster), note, NULL, &l, &f.err), 0);
    assert_true(reaches(LISTEN_ALL, 1));
    run_script("NOTIFY egalign_fit, 'one'");
    assert_true(reaches(LISTEN_FIT, 1));
    assert_string_equal(last, "one");
    run_script("NOTIFY egalign_token; NOTIFY egalign_job; NOTIFY something_else");
    assert_true(reaches(LISTEN_JOB, 1));
    assert_int_equal(count_of(LISTEN_TOKEN), 1);
    run_script(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'egalign listen'");
    assert_true(reaches(LISTEN_ALL, 2));
    assert_int_equal(count_of(LISTEN_LOST), 1);
    run_script("NOTIFY egalign_fit, 'two'");
    assert_true(reaches(LISTEN_FIT, 2));
    listen_stop(l);
}

static void it_stops_while_there_is_no_server(void **state)
{
    (void)state;
    struct listener *l;
    int before = count_of(LISTEN_LOST);
    assert_int_equal(listen_start("host=/nonexistent", note, NULL, &l, &f.err), 0);
    assert_true(reaches(LISTEN_LOST, before + 2));
    listen_stop(l);
}

static int set_up(void **state)
{
    (void)state;
    fixture_start(&f);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_hears_reconnects_and_hears_again),
        cmocka_unit_test(it_stops_while_there_is_no_server),
    };
    return cmocka_run_group_tests_name("listen", tests, set_up, tear_down);
}
