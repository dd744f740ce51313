/* job: the queue and the fits in it, against a private cluster. */
#include "unit/test.h"
#include "unit/cluster_fixture.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/version.h"
#include "store/fit.h"
#include "store/job.h"
#include "store/pg.h"
#include "store/store.h"

static struct fixture f;
static struct pg *pg; /* the test's own connection */

static void script(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void script(const char *format, ...)
{
    char sql[2000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sql, sizeof sql, format, arguments);
    va_end(arguments);
    pg_set_deadline(pg, pg_deadline(20000));
    if (pg_script(pg, sql, &f.err) < 0)
        fail_msg("%s: %s", sql, f.err.message);
}

/* Asserts a condition in SQL. */
static void holds(const char *condition)
{
    script("DO $test$ BEGIN ASSERT (%s); END $test$", condition);
}

static const char *project_text(int number, char *text)
{
    sprintf(text, "00000000-0000-4000-8000-%012d", number);
    return text;
}

static struct uuid project(int number)
{
    struct uuid id;
    char text[UUID_TEXT_SIZE];
    assert_true(uuid_parse(str_of(project_text(number, text)), &id));
    return id;
}

/* Projects 1 .. count, each with `jobs` waiting jobs, the first project's the oldest; all that was there before is
 * gone. */
static void queue(int count, int jobs)
{
    script("TRUNCATE project, comparison, retraction CASCADE");
    script("INSERT INTO project (id, name) "
           "SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'p' || n "
           "FROM generate_series(1, %d) n", count);
    script("INSERT INTO job (id, project_id, kind, created_at) SELECT gen_random_uuid(), p.id, 'fit', "
           "now() + substr(p.name, 2)::integer * interval '1 s' + j * interval '1 ms' "
           "FROM project p, generate_series(1, %d) j", jobs);
}

static struct job_lease claimed(void)
{
    struct job_lease lease;
    assert_int_equal(job_claim(pg, "test:1", 60, &lease, &f.err), 1);
    return lease;
}

static void none_to_claim(void)
{
    struct job_lease lease;
    assert_int_equal(job_claim(pg, "test:1", 60, &lease, &f.err), 0);
}

static void finish(const struct job_lease *lease)
{
    assert_int_equal(job_end(pg, lease, JOB_DONE, NULL, "done", &f.err), 0);
}

/* ---- claiming ---- */

enum { CLAIMERS = 8, JOBS = 2000, PROJECTS = 250 };
static atomic_int claims;

static void *claimer(void *argument)
{
    char conninfo[CLUSTER_CONNINFO + 60]; /* who gets which job is asked here, not what a crash leaves */
    snprintf(conninfo, sizeof conninfo, "%s options='-c synchronous_commit=off'", cluster_conninfo(f.cluster));
    struct pg_options options = {.conninfo = conninfo};
    struct pg *mine = NULL;
    struct job_lease lease;
    struct err err = {0};
    char name[20];
    long failures = 0;
    snprintf(name, sizeof name, "claimer:%ld", (long)argument);
    if (pg_open(&options, pg_deadline(10000), &mine, &err) < 0)
        return (void *)1L;
    pg_set_deadline(mine, pg_deadline(120000));
    while (atomic_load(&claims) < JOBS && failures == 0) {
        int got = job_claim(mine, name, 60, &lease, &err);
        if (got > 0 && job_end(mine, &lease, JOB_DONE, NULL, "done", &err) < 0)
            failures++;
        if (got > 0)
            atomic_fetch_add(&claims, 1);
        failures += got < 0;
    }
    pg_close(mine);
    return (void *)failures;
}

static void eight_claimers_take_each_job_once(void **state)
{
    (void)state;
    pthread_t thread[CLAIMERS];
    void *failures;
    queue(PROJECTS, JOBS / PROJECTS);
    atomic_store(&claims, 0);
    for (long i = 0; i < CLAIMERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, claimer, (void *)i), 0);
    for (int i = 0; i < CLAIMERS; i++) {
        pthread_join(thread[i], &failures);
        assert_null(failures);
    }
    assert_int_equal(atomic_load(&claims), JOBS);
    holds("(SELECT count(*) FROM job WHERE state = 'done' AND attempts = 1) = 2000");
    holds("(SELECT count(*) FROM job_attempt) = 2000");
    holds("(SELECT count(DISTINCT worker) FROM job_attempt) > 1");
}

static void projects_take_turns(void **state)
{
    (void)state;
    queue(3, 3); /* all jobs of project 1 are older than those of 2, and those than 3's */
    for (int turn = 0; turn < 9; turn++) {
        struct job_lease lease = claimed();
        struct uuid expected = project(turn % 3 + 1);
        assert_memory_equal(&lease.project, &expected, sizeof expected);
        finish(&lease);
    }
    none_to_claim();
}

static void one_project_runs_one_fit_at_a_time(void **state)
{
    (void)state;
    queue(1, 2);
    struct job_lease first = claimed();
    none_to_claim();
    finish(&first);
    struct job_lease second = claimed();
    assert_memory_not_equal(&first.job, &second.job, sizeof first.job);
    assert_string_equal(second.project_name, "p1");
    assert_int_equal(second.attempt, 1);
}

/* ---- leases ---- */

/* No write under the lease does anything. */
static void can_write_nothing(const struct job_lease *stale)
{
    bool cancel;
    struct err why = {.code = ERR_NUMERICAL, .message = "not finite"};
    struct fit_data data = {.comparisons = 5};
    struct fit_publication p = {.verdict = "insufficient_data", .encoder = "hashed", .blas = "b", .code_version = "c",
                                .evidence = STR_LITERAL("{}"), .summary = STR_LITERAL("{}"),
                                .warnings = STR_LITERAL("[]"), .win_rates = STR_LITERAL("{}"), .etag = "\"x\""};
    struct job_lease found;
    script("CREATE TABLE before AS SELECT j::text AS row FROM job j UNION ALL SELECT a::text FROM job_attempt a "
           "UNION ALL SELECT l::text FROM job_log l UNION ALL SELECT f::text FROM fit f");
    assert_int_equal(job_heartbeat(pg, stale, 60, &cancel, &f.err), -1);
    assert_int_equal(f.err.code, ERR_LEASE_LOST);
    assert_int_equal(job_progress(pg, stale, "x", 0.5, "{}", &f.err), -1);
    assert_int_equal(f.err.code, ERR_LEASE_LOST);
    assert_int_equal(job_say(pg, stale, "info", "x", &f.err), -1);
    assert_int_equal(f.err.code, ERR_LEASE_LOST);
    assert_int_equal(job_end(pg, stale, JOB_DONE, NULL, "x", &f.err), -1);
    assert_int_equal(f.err.code, ERR_LEASE_LOST);
    assert_int_equal(job_end(pg, stale, JOB_FAILED, &why, "x", &f.err), -1);
    assert_int_equal(f.err.code, ERR_LEASE_LOST);
    assert_int_equal(job_release(pg, stale, ERR_LEASE_LOST, 3, "x", &f.err), -1);
    assert_int_equal(f.err.code, ERR_LEASE_LOST);
    assert_int_equal(fit_begun(pg, stale, &data, &f.err), -1);
    assert_int_equal(f.err.code, ERR_LEASE_LOST);
    assert_int_equal(fit_store(pg, stale, &p, &f.err), -1);
    assert_int_equal(f.err.code, ERR_LEASE_LOST);
    assert_int_equal(job_lease_find(pg, &stale->job, &stale->token, &found, &f.err), -1);
    assert_int_equal(f.err.code, ERR_LEASE_LOST);
    script("CREATE TABLE after AS SELECT j::text AS row FROM job j UNION ALL SELECT a::text FROM job_attempt a "
           "UNION ALL SELECT l::text FROM job_log l UNION ALL SELECT f::text FROM fit f");
    holds("(SELECT count(*) FROM before) > 0");
    holds("NOT EXISTS (SELECT row FROM before EXCEPT ALL SELECT row FROM after) AND "
          "NOT EXISTS (SELECT row FROM after EXCEPT ALL SELECT row FROM before)");
    script("DROP TABLE before, after");
}

static void expire(void)
{
    script("UPDATE job SET lease_until = clock_timestamp() - interval '1 ms' WHERE state = 'running'");
}

static void a_stale_lease_can_write_nothing(void **state)
{
    (void)state;
    int failed;
    queue(1, 1);
    struct job_lease stale = claimed();
    expire();
    assert_int_equal(job_recover(pg, 3, &failed, &f.err), 1);
    assert_int_equal(failed, 0);
    can_write_nothing(&stale); /* while it waits */
    struct job_lease mine = claimed();
    assert_memory_equal(&mine.job, &stale.job, sizeof mine.job);
    assert_int_equal(mine.attempt, 2);
    can_write_nothing(&stale); /* while another has it */
    assert_int_equal(job_say(pg, &mine, "info", "mine", &f.err), 0);
    finish(&mine);
    can_write_nothing(&stale); /* when it has ended */
    can_write_nothing(&mine);
}

static void a_live_lease_is_not_taken(void **state)
{
    (void)state;
    int failed;
    bool cancel;
    queue(1, 1);
    struct job_lease lease = claimed();
    assert_int_equal(job_recover(pg, 3, &failed, &f.err), 0);
    script("UPDATE job SET lease_until = clock_timestamp() + interval '1 s'");
    assert_int_equal(job_heartbeat(pg, &lease, 60, &cancel, &f.err), 0);
    assert_false(cancel);
    holds("(SELECT lease_until FROM job) > clock_timestamp() + interval '30 s'");
}

static void too_many_lost_leases_fail_the_job(void **state)
{
    (void)state;
    int failed = 0;
    queue(1, 1);
    for (int attempt = 1; attempt <= 3; attempt++) {
        assert_int_equal(claimed().attempt, attempt);
        expire();
        assert_int_equal(job_recover(pg, 3, &failed, &f.err), 1);
        assert_int_equal(failed, attempt == 3);
    }
    none_to_claim();
    holds("(SELECT state = 'failed' AND error ->> 'code' = 'lease_lost' AND failures = 3 AND finished_at IS NOT NULL "
          "FROM job)");
    holds("(SELECT count(*) FROM job_attempt "
          "WHERE reason LIKE 'the worker test:1 fell silent%' AND ended_at IS NOT NULL) = 3");
}

static void giving_back_counts_only_as_asked(void **state)
{
    (void)state;
    queue(1, 1);
    for (int i = 0; i < 5; i++) {
        struct job_lease lease = claimed();
        assert_int_equal(job_release(pg, &lease, ERR_OK, 2, "told to stop", &f.err), 0);
    }
    holds("(SELECT state = 'queued' AND attempts = 5 AND failures = 0 FROM job)");
    struct job_lease lease = claimed();
    assert_int_equal(job_release(pg, &lease, ERR_LEASE_LOST, 2, "crashed", &f.err), 0);
    lease = claimed();
    assert_int_equal(job_release(pg, &lease, ERR_NO_MEMORY, 2, "too large", &f.err), 0);
    holds("(SELECT state = 'failed' FROM job)");
    holds("(SELECT error FROM job) = '{\"code\": \"out_of_memory\", \"message\": \"too large\"}'::jsonb");
}

static void failure_is_kept_with_its_code(void **state)
{
    (void)state;
    struct err why;
    err_set(&why, ERR_NUMERICAL, "a \"quoted\" NaN");
    queue(1, 1);
    struct job_lease lease = claimed();
    assert_int_equal(job_progress(pg, &lease, "groups", 0.5, "{\"iteration\": 3}", &f.err), 0);
    assert_int_equal(job_progress(pg, &lease, "groups", 0.25, "{}", &f.err), 0);
    holds("(SELECT progress = 0.5 AND stage = 'groups' FROM job)"); /* it never falls */
    assert_int_equal(job_end(pg, &lease, JOB_FAILED, &why, why.message, &f.err), 0);
    holds("(SELECT error FROM job) = "
          "'{\"code\": \"numerical_failure\", \"message\": \"a \\\"quoted\\\" NaN\"}'::jsonb");
    holds("(SELECT reason FROM job_attempt) = 'a \"quoted\" NaN'");
}

/* ---- what the API does ---- */

static void cancelling_follows_the_state(void **state)
{
    (void)state;
    struct uuid p1 = project(1);
    struct buf out = {0};
    bool cancel = false;
    queue(1, 1);
    struct job_lease lease = claimed();
    assert_int_equal(job_cancel(f.pool, &p1, &lease.job, &out, &f.err), 0);
    assert_non_null(strstr(out.data, "\"cancel_requested\" : true"));
    assert_int_equal(job_cancel(f.pool, &p1, &lease.job, &out, &f.err), 0); /* again */
    assert_int_equal(job_heartbeat(pg, &lease, 60, &cancel, &f.err), 0);
    assert_true(cancel);
    assert_int_equal(job_end(pg, &lease, JOB_CANCELLED, NULL, "cancelled", &f.err), 0);
    buf_clear(&out);
    assert_int_equal(job_cancel(f.pool, &p1, &lease.job, &out, &f.err), -1);
    assert_int_equal(f.err.code, ERR_CONFLICT);
    assert_int_equal(out.length, 0);
    assert_int_equal(job_retry(f.pool, &p1, &lease.job, &out, &f.err), 0);
    holds("(SELECT state = 'queued' AND NOT cancel_requested AND finished_at IS NULL FROM job)");
    assert_int_equal(job_retry(f.pool, &p1, &lease.job, &out, &f.err), -1);
    assert_int_equal(f.err.code, ERR_CONFLICT);
    assert_int_equal(job_cancel(f.pool, &p1, &lease.job, &out, &f.err), 0);
    holds("(SELECT state = 'cancelled' FROM job)");
    struct uuid other = project(2);
    assert_int_equal(job_cancel(f.pool, &other, &lease.job, &out, &f.err), -1);
    assert_int_equal(f.err.code, ERR_NOT_FOUND);
    buf_free(&out);
}

static void a_job_that_was_to_be_cancelled_is_not_tried_again(void **state)
{
    (void)state;
    struct uuid p1 = project(1);
    struct buf out = {0};
    int failed;
    queue(1, 1);
    struct job_lease lease = claimed();
    assert_int_equal(job_cancel(f.pool, &p1, &lease.job, &out, &f.err), 0);
    expire();
    assert_int_equal(job_recover(pg, 3, &failed, &f.err), 1);
    holds("(SELECT state = 'cancelled' FROM job)");
    buf_free(&out);
}

static void logs_come_by_pages_until_the_end(void **state)
{
    (void)state;
    struct uuid p1 = project(1);
    struct buf out = {0};
    int64_t last = 0;
    bool ended = true;
    queue(1, 1);
    struct job_lease lease = claimed();
    for (int i = 0; i < 5; i++)
        assert_int_equal(job_say(pg, &lease, "info", "line", &f.err), 0);
    assert_int_equal(job_log(f.pool, &p1, &lease.job, 0, 3, &out, &last, &ended, &f.err), 0);
    assert_true(last > 0);
    assert_false(ended);
    finish(&lease);
    int64_t middle = last;
    assert_int_equal(job_log(f.pool, &p1, &lease.job, last, 1000, &out, &last, &ended, &f.err), 0);
    assert_int_equal(last, middle + 3); /* two lines, and that it ended */
    assert_true(ended);
    int64_t end = last;
    buf_clear(&out);
    assert_int_equal(job_log(f.pool, &p1, &lease.job, last, 1000, &out, &last, &ended, &f.err), 0);
    assert_int_equal(last, end);
    assert_string_equal(out.data, "{\"items\" : [], \"next_cursor\" : null}");
    buf_free(&out);
}

static void lists_go_by_pages_and_states(void **state)
{
    (void)state;
    struct uuid p1 = project(1);
    struct buf out = {0};
    queue(1, 3);
    struct job_lease lease = claimed();
    finish(&lease);
    assert_int_equal(job_list(f.pool, &p1, "done", &(struct page){.limit = 10}, &out, &f.err), 0);
    char id[UUID_TEXT_SIZE];
    assert_non_null(strstr(out.data, uuid_format(&lease.job, id)));
    assert_null(strstr(out.data, "\"queued\""));
    buf_clear(&out);
    assert_int_equal(job_list(f.pool, &p1, NULL, &(struct page){.limit = 2}, &out, &f.err), 0);
    assert_null(strstr(out.data, "\"next_cursor\" : null"));
    struct page wrong = {.limit = 2, .cursor = STR_LITERAL("not one")};
    assert_int_equal(job_list(f.pool, &p1, NULL, &wrong, &out, &f.err), -1);
    assert_int_equal(f.err.code, ERR_INVALID_REQUEST);
    buf_free(&out);
}

/* ---- fits ---- */

static void compare(int from, int to)
{
    script("INSERT INTO comparison (id, project_id, annotator_id, item_id, response_a, response_b, outcome, digest) "
           "SELECT gen_random_uuid(), '00000000-0000-4000-8000-000000000001', gen_random_uuid(), gen_random_uuid(), "
           "gen_random_uuid(), gen_random_uuid(), 'a', decode(lpad(to_hex(n), 32, '0'), 'hex') "
           "FROM generate_series(%d, %d) n", from, to);
}

struct asked {
    struct uuid fit, job;
    bool created;
};

static struct asked ask(const char *options)
{
    struct asked a;
    struct uuid p1 = project(1);
    if (fit_request(f.pool, &p1, str_of(options), NULL, NULL, &a.fit, &a.job, &a.created, &f.err) < 0)
        fail_msg("%s", f.err.message);
    return a;
}

static void the_same_inputs_give_the_same_fit(void **state)
{
    (void)state;
    queue(1, 0);
    compare(1, 10);
    struct asked first = ask("{\"k_max\": 3}");
    assert_true(first.created);
    struct asked again = ask("{\"k_max\": 3}");
    assert_false(again.created);
    assert_memory_equal(&first.fit, &again.fit, sizeof first.fit);
    assert_true(ask("{\"k_max\": 4}").created); /* other options */
    compare(11, 11);
    again = ask("{\"k_max\": 3}"); /* the first one waits: it will read the new one too */
    assert_false(again.created);
    assert_memory_equal(&first.job, &again.job, sizeof first.job);

    struct job_lease lease = claimed();
    struct fit_data data;
    struct uuid p1 = project(1);
    assert_memory_equal(&lease.job, &first.job, sizeof first.job);
    assert_int_equal(fit_data_of(pg, &p1, &data, &f.err), 0);
    assert_int_equal(data.comparisons, 11);
    assert_int_equal(fit_begun(pg, &lease, &data, &f.err), 0);
    assert_false(ask("{\"k_max\": 3}").created); /* it runs on exactly these data */
    compare(12, 12);
    assert_true(ask("{\"k_max\": 3}").created); /* and will not see this one */
    finish(&lease);
    struct uuid nobody = project(9), fit, job;
    bool created;
    assert_int_equal(fit_request(f.pool, &nobody, STR_LITERAL("{}"), NULL, NULL, &fit, &job, &created, &f.err), -1);
    assert_int_equal(f.err.code, ERR_NOT_FOUND);
}

static void a_failed_fit_does_not_stand_in_the_way(void **state)
{
    (void)state;
    struct err why;
    err_set(&why, ERR_NUMERICAL, "NaN");
    queue(1, 0);
    compare(1, 10);
    struct asked first = ask("{}");
    struct job_lease lease = claimed();
    assert_int_equal(job_end(pg, &lease, JOB_FAILED, &why, "NaN", &f.err), 0);
    struct asked again = ask("{}");
    assert_true(again.created);
    assert_memory_not_equal(&first.fit, &again.fit, sizeof first.fit);
}

static void the_scheduler_asks_when_enough_is_new(void **state)
{
    (void)state;
    queue(2, 0);
    script("UPDATE project SET refit_after_comparisons = 10, fit_options = '{\"k\": 2}' WHERE name = 'p1'");
    compare(1, 9);
    assert_int_equal(fit_schedule(pg, &f.err), 0);
    compare(10, 10);
    assert_int_equal(fit_schedule(pg, &f.err), 1);
    holds("(SELECT options FROM fit) = '{\"k\": 2}'");
    compare(11, 30);
    assert_int_equal(fit_schedule(pg, &f.err), 0); /* one waits */
    struct job_lease lease = claimed();
    assert_int_equal(fit_schedule(pg, &f.err), 0); /* one runs */
    finish(&lease);
    assert_int_equal(fit_schedule(pg, &f.err), 1); /* it was asked for when there were ten */
}

static void the_scheduler_asks_when_time_has_passed(void **state)
{
    (void)state;
    queue(1, 0);
    script("UPDATE project SET refit_after_seconds = 100");
    assert_int_equal(fit_schedule(pg, &f.err), 0); /* nothing is there at all */
    compare(1, 1);
    assert_int_equal(fit_schedule(pg, &f.err), 1);
    struct job_lease lease = claimed();
    finish(&lease);
    compare(2, 2);
    assert_int_equal(fit_schedule(pg, &f.err), 0); /* too early */
    script("UPDATE fit SET created_at = now() - interval '101 s'");
    assert_int_equal(fit_schedule(pg, &f.err), 1);
    lease = claimed();
    finish(&lease);
    script("UPDATE fit SET created_at = now() - interval '101 s'");
    assert_int_equal(fit_schedule(pg, &f.err), 0); /* nothing new */
    script("INSERT INTO retraction (project_id, comparison_id) SELECT project_id, id FROM comparison LIMIT 1");
    assert_int_equal(fit_schedule(pg, &f.err), 1); /* something undone */
}

static void only_one_schedules_at_a_time(void **state)
{
    (void)state;
    queue(1, 0);
    script("UPDATE project SET refit_after_comparisons = 1");
    compare(1, 1);
    struct pg *other = NULL;
    assert_int_equal(pool_take(f.pool, 0, &other, &f.err), 0);
    assert_int_equal(pg_begin(other, &f.err), 0);
    assert_int_equal(pg_query(other, QUERY_fit_schedule_lock, NULL, NULL, &f.err), 0);
    assert_int_equal(fit_schedule(pg, &f.err), 0);
    pg_rollback(other);
    pool_give(f.pool, other);
    assert_int_equal(fit_schedule(pg, &f.err), 1);
}

static int set_up(void **state)
{
    (void)state;
    fixture_start(&f);
    fixture_must(&f, store_migrate(cluster_conninfo(f.cluster), 60000, NULL, &f.err));
    struct pg_options options = {.conninfo = cluster_conninfo(f.cluster)};
    fixture_must(&f, pg_open(&options, pg_deadline(10000), &pg, &f.err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_close(pg);
    fixture_stop(&f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_claimers_take_each_job_once),
        cmocka_unit_test(projects_take_turns),
        cmocka_unit_test(one_project_runs_one_fit_at_a_time),
        cmocka_unit_test(a_stale_lease_can_write_nothing),
        cmocka_unit_test(a_live_lease_is_not_taken),
        cmocka_unit_test(too_many_lost_leases_fail_the_job),
        cmocka_unit_test(giving_back_counts_only_as_asked),
        cmocka_unit_test(failure_is_kept_with_its_code),
        cmocka_unit_test(cancelling_follows_the_state),
        cmocka_unit_test(a_job_that_was_to_be_cancelled_is_not_tried_again),
        cmocka_unit_test(logs_come_by_pages_until_the_end),
        cmocka_unit_test(lists_go_by_pages_and_states),
        cmocka_unit_test(the_same_inputs_give_the_same_fit),
        cmocka_unit_test(a_failed_fit_does_not_stand_in_the_way),
        cmocka_unit_test(the_scheduler_asks_when_enough_is_new),
        cmocka_unit_test(the_scheduler_asks_when_time_has_passed),
        cmocka_unit_test(only_one_schedules_at_a_time),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
