/* store: connections, parameters, results, pool, transactions and migrations, against a private cluster. */
#include "unit/test.h"
#include "unit/cluster_fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/migrate.h"
#include "store/pg.c"
#include "store/sqlstate.h"
#include "store/transaction.h"

static struct fixture f;

/* A query of the program that these tests do not need: on a connection that was told so, its name stands for other SQL.
 */
static const enum query STAND_IN = QUERY_job_list;

static void stand_in(struct pg *pg, const char *sql)
{
    struct buf text = {0};
    const char *name = query_text(STAND_IN)->name;
    if (pg->prepared[STAND_IN])
        buf_printf(&text, "DEALLOCATE %s;", name);
    buf_printf(&text, "PREPARE %s AS %s", name, sql);
    assert_int_equal(pg_script(pg, text.data, &f.err), 0);
    pg->prepared[STAND_IN] = true;
    buf_free(&text);
}

static struct pg *take(void)
{
    struct pg *pg = NULL;
    int64_t give_up = pg_deadline(5000);
    while (pool_take(f.pool, 0, &pg, &f.err) < 0 && clock_mono_ns() < give_up)
        clock_sleep_ns(20000000);
    assert_non_null(pg);
    return pg;
}

/* Runs SQL that a statement of the program would not; 0 or -1 with f.err. */
static int script(const char *sql)
{
    struct pg *pg = take();
    int status = pg_script(pg, sql, &f.err);
    pool_give(f.pool, pg);
    return status;
}

static void parameters_and_results_keep_their_values(void **state)
{
    (void)state;
    struct pg *pg = take();
    struct pg_params p = {0};
    struct pg_result *r;
    struct uuid id;
    int64_t now = clock_wall_us();
    assert_int_equal(uuid_new(&id, &f.err), 0);
    pg_param_uuid(&p, &id);
    pg_param_text(&p, STR_LITERAL("h\xc3\xa9 'quoted' \\ "));
    pg_param_int(&p, INT64_MIN);
    pg_param_double(&p, 0.1);
    pg_param_bool(&p, true);
    pg_param_bytes(&p, "\0\1\377", 3);
    pg_param_time(&p, now);
    pg_param_null(&p);
    stand_in(pg, "SELECT $1::uuid, $2::text, $3::bigint, $4::float8, $5::bool, $6::bytea, $7::timestamptz, $8::text");
    assert_int_equal(pg_query(pg, STAND_IN, &p, &r, &f.err), 0);
    assert_int_equal(pg_rows(r), 1);
    struct uuid back = pg_uuid(r, 0, 0);
    assert_memory_equal(&back, &id, sizeof id);
    assert_true(str_is(pg_text(r, 0, 1), "h\xc3\xa9 'quoted' \\ "));
    assert_true(pg_int(r, 0, 2) == INT64_MIN);
    assert_true(pg_double(r, 0, 3) == 0.1);
    assert_true(pg_bool(r, 0, 4));
    assert_int_equal(pg_text(r, 0, 5).len, 3);
    assert_memory_equal(pg_text(r, 0, 5).ptr, "\0\1\377", 3);
    assert_true(pg_time(r, 0, 6) == now);
    assert_true(pg_null(r, 0, 7) && pg_text(r, 0, 7).ptr == NULL);
    pg_result_free(r);
    pg_params_free(&p);
    pool_give(f.pool, pg);
}

/* Fills one array of each type with `n` rows; the second row is null where the type allows. */
static void fill(struct pg_array a[6], int n)
{
    static const enum pg_type types[6] = {PG_UUID, PG_TEXT, PG_INT2, PG_INT8, PG_BOOL, PG_BYTEA};
    for (int i = 0; i < 6; i++)
        pg_array_start(&a[i], types[i]);
    for (int i = 0; i < n; i++) {
        struct uuid id = {{(uint8_t)i}};
        pg_array_uuid(&a[0], i == 1 ? NULL : &id);
        pg_array_text(&a[1], i == 1 ? (struct str){0} : STR_LITERAL("x,{\"}"));
        pg_array_int(&a[2], i - 2);
        pg_array_int(&a[3], -(INT64_C(1) << 40));
        pg_array_bool(&a[4], i % 2);
        pg_array_bytes(&a[5], "\0z", 2);
    }
}

static void arrays_unnest_to_their_rows(void **state)
{
    (void)state;
    struct pg *pg = take();
    struct pg_array a[6] = {0};
    for (int n = 0; n <= 3; n++) { /* an empty array too, and memory used again */
        struct pg_params p = {0};
        struct pg_result *r;
        fill(a, n);
        for (int i = 0; i < 6; i++)
            pg_param_array(&p, &a[i]);
        stand_in(pg,
                 "SELECT * FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::bigint[], $5::bool[], $6::bytea[])");
        assert_int_equal(pg_query(pg, STAND_IN, &p, &r, &f.err), 0);
        assert_int_equal(pg_rows(r), n);
        for (int i = 0; i < n; i++) {
            assert_int_equal(pg_uuid(r, i, 0).bytes[0], i == 1 ? 0 : i);
            assert_int_equal(pg_null(r, i, 0), i == 1);
            assert_true(i == 1 ? pg_null(r, i, 1) : str_is(pg_text(r, i, 1), "x,{\"}"));
            assert_int_equal(pg_int(r, i, 2), i - 2);
            assert_true(pg_int(r, i, 3) == -(INT64_C(1) << 40));
            assert_int_equal(pg_bool(r, i, 4), i % 2);
            assert_true(pg_text(r, i, 5).len == 2 && memcmp(pg_text(r, i, 5).ptr, "\0z", 2) == 0);
        }
        pg_result_free(r);
        pg_params_free(&p);
    }
    for (int i = 0; i < 6; i++)
        buf_free(&a[i].bytes);
    pool_give(f.pool, pg);
}

static void a_nul_and_missing_memory_are_told(void **state)
{
    (void)state;
    struct pg *pg = take();
    struct pg_params p = {0};
    pg_param_text(&p, STR_LITERAL("a\0b"));
    assert_int_equal(pg_query(pg, STAND_IN, &p, NULL, &f.err), -1);
    assert_int_equal(f.err.code, ERR_INVALID_VALUE);
    pg_params_free(&p);
    mem_fail_nth(1);
    pg_param_cstr(&p, "text");
    mem_fail_nth(0);
    assert_int_equal(pg_query(pg, STAND_IN, &p, NULL, &f.err), -1);
    assert_int_equal(f.err.code, ERR_NO_MEMORY);
    pg_params_free(&p);
    assert_true(pg_idle(pg));
    pool_give(f.pool, pg);
}

static int count_rows(const struct pg_result *r, void *context, struct err *err)
{
    int64_t *sum = context;
    *sum += pg_int(r, 0, 0);
    return *sum > 5000000 ? err_set(err, ERR_CANCELLED, "enough") : 0;
}

static void a_stream_gives_each_row_and_can_be_ended(void **state)
{
    (void)state;
    struct pg *pg = take();
    struct pg_params p = {0};
    int64_t sum = 0;
    stand_in(pg, "SELECT generate_series(1, $1::int)");
    pg_param_int(&p, 3000);
    assert_int_equal(pg_stream(pg, STAND_IN, &p, 0, count_rows, &sum, &f.err), 0);
    assert_int_equal(sum, 3000 * 3001 / 2);
    assert_int_equal(pg_stream(pg, STAND_IN, &p, 1000, count_rows, &sum, &f.err), -1);
    assert_int_equal(f.err.code, ERR_CANCELLED);
    assert_false(pg_alive(pg));
    pg_params_free(&p);
    pool_give(f.pool, pg);
}

static void sqlstates_have_their_meaning(void **state)
{
    (void)state;
    assert_int_equal(sqlstate_code("40001"), ERR_DATABASE_CONFLICT);
    assert_int_equal(sqlstate_code("40P01"), ERR_DATABASE_CONFLICT);
    assert_int_equal(sqlstate_code("53100"), ERR_STORAGE_FULL);
    assert_int_equal(sqlstate_code("53300"), ERR_DATABASE_DOWN);
    assert_int_equal(sqlstate_code("57P01"), ERR_DATABASE_DOWN);
    assert_int_equal(sqlstate_code("08006"), ERR_DATABASE_DOWN);
    assert_int_equal(sqlstate_code("42601"), ERR_INTERNAL);
    assert_int_equal(script("CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1);"
                            "CREATE TABLE child (id int REFERENCES parent CHECK (id < 9))"),
                     0);
    assert_int_equal(script("INSERT INTO parent VALUES (1)"), -1);
    assert_int_equal(f.err.code, ERR_CONFLICT);
    assert_int_equal(script("INSERT INTO child VALUES (2)"), -1);
    assert_int_equal(f.err.code, ERR_UNKNOWN_REFERENCE);
    assert_int_equal(script("INSERT INTO child VALUES (9)"), -1);
    assert_int_equal(f.err.code, ERR_INVALID_VALUE);
    assert_int_equal(script("DROP TABLE child, parent"), 0);
}

static void a_statement_past_its_deadline_closes_the_connection(void **state)
{
    (void)state;
    struct pg *pg = take();
    pg_set_deadline(pg, pg_deadline(50));
    assert_int_equal(pg_script(pg, "SELECT pg_sleep(30)", &f.err), -1);
    assert_int_equal(f.err.code, ERR_DATABASE_DOWN);
    assert_true(pg_missed(pg));
    assert_int_equal(pg_script(pg, "SELECT 1", &f.err), -1);
    assert_int_equal(f.err.code, ERR_DATABASE_DOWN);
    pool_give(f.pool, pg);
    assert_int_equal(script("SELECT 1"), 0);
}

/* The connection of a stopped backend gets no answer; others do, and it is one of the others after SIGCONT. */
static void a_frozen_backend_is_given_up_in_time(void **state)
{
    (void)state;
    struct pg *pg = take();
    int pid = pg_backend_pid(pg);
    pg_set_deadline(pg, pg_deadline(100));
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(pg_script(pg, "SELECT 1", &f.err), -1);
    assert_int_equal(f.err.code, ERR_DATABASE_DOWN);
    pool_give(f.pool, pg);
    assert_int_equal(script("SELECT 1"), 0);
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(script("SELECT 1"), 0);
}

/* A stopped postmaster accepts no session: connecting, too, ends in time. */
static void a_frozen_server_is_given_up_while_connecting(void **state)
{
    (void)state;
    struct pg_options o = {.conninfo = cluster_conninfo(f.cluster)};
    struct pg *pg = NULL;
    assert_int_equal(kill(cluster_pid(f.cluster), SIGSTOP), 0);
    int status = pg_open(&o, pg_deadline(100), &pg, &f.err);
    assert_int_equal(kill(cluster_pid(f.cluster), SIGCONT), 0);
    assert_int_equal(status, -1);
    assert_int_equal(f.err.code, ERR_DATABASE_DOWN);
    assert_int_equal(pg_open(&o, pg_deadline(5000), &pg, &f.err), 0);
    pg_close(pg);
}

static void a_pool_is_bounded_and_says_so(void **state)
{
    (void)state;
    struct pg *all[3], *more;
    for (int i = 0; i < 3; i++)
        all[i] = take();
    assert_int_equal(pool_take(f.pool, pg_deadline(30), &more, &f.err), -1);
    assert_int_equal(f.err.code, ERR_OVERLOADED);
    for (int i = 0; i < 3; i++)
        pool_give(f.pool, all[i]);
    assert_int_equal(script("SELECT 1"), 0);
}

static void a_connection_within_a_transaction_is_not_kept(void **state)
{
    (void)state;
    struct pg *pg = take();
    int pid = pg_backend_pid(pg);
    assert_int_equal(pg_begin(pg, &f.err), 0);
    pool_give(f.pool, pg);
    struct pg *all[3];
    for (int i = 0; i < 3; i++) {
        all[i] = take();
        assert_int_not_equal(pg_backend_pid(all[i]), pid);
    }
    for (int i = 0; i < 3; i++)
        pool_give(f.pool, all[i]);
}

static void a_server_that_is_away_is_refused_at_once_and_found_again(void **state)
{
    (void)state;
    struct pool *pool;
    struct pg *pg;
    struct pool_options o = {.pg = {.conninfo = "host=/nonexistent"}, .size = 2, .deadline_ms = 1000};
    assert_int_equal(pool_new(&o, &pool, &f.err), 0);
    assert_true(pool_healthy(pool));
    for (int i = 0; i < 2; i++) { /* the second within the back-off of the first */
        assert_int_equal(pool_take(pool, 0, &pg, &f.err), -1);
        assert_int_equal(f.err.code, ERR_DATABASE_DOWN);
    }
    assert_false(pool_healthy(pool));
    pool_free(pool);
}

static int end_own_backend(const char *sql)
{
    struct pg *pg = take();
    int status = pg_script(pg, sql, &f.err);
    pool_give(f.pool, pg);
    return status;
}

static void note_payload(const char *channel, const char *payload, void *context)
{
    char *heard = context;
    snprintf(heard + strlen(heard), 64 - strlen(heard), "%s:%s;", channel, payload);
}

static void notifications_arrive_until_the_connection_is_lost(void **state)
{
    (void)state;
    char heard[64] = "", kill_it[64];
    struct pg *pg = take();
    assert_int_equal(pg_script(pg, "LISTEN one; LISTEN two", &f.err), 0);
    assert_int_equal(script("NOTIFY one, 'x'; NOTIFY three, 'y'; NOTIFY two"), 0);
    for (int64_t give_up = pg_deadline(10000); strlen(heard) < 11 && clock_mono_ns() < give_up;) {
        struct pollfd p = {.fd = pg_socket(pg), .events = POLLIN};
        poll(&p, 1, 100);
        assert_int_equal(pg_notifications(pg, note_payload, heard, &f.err), 0);
    }
    assert_string_equal(heard, "one:x;two:;");
    snprintf(kill_it, sizeof kill_it, "SELECT pg_terminate_backend(%d, 5000)", pg_backend_pid(pg));
    assert_int_equal(script(kill_it), 0);
    int status = 0;
    for (int64_t give_up = pg_deadline(10000); status == 0 && clock_mono_ns() < give_up;)
        status = pg_notifications(pg, note_payload, heard, &f.err);
    assert_int_equal(status, -1);
    assert_int_equal(f.err.code, ERR_DATABASE_DOWN);
    pool_give(f.pool, pg);
}

static int increment(struct pg *pg, void *context, struct err *err)
{
    ++*(int *)context;
    return pg_script(pg, "UPDATE counter SET n = n + 1", err);
}

static void idle_connections_of_a_restarted_server_are_replaced(void **state)
{
    (void)state;
    int runs = 0;
    struct pg *all[3];
    for (int i = 0; i < 3; i++)
        all[i] = take();
    struct buf text = {0};
    for (int i = 1; i < 3; i++) {
        buf_printf(&text, "SELECT pg_terminate_backend(%d, 1000)", pg_backend_pid(all[i]));
        assert_int_equal(pg_script(all[0], text.data, &f.err), 0);
        buf_clear(&text);
    }
    for (int i = 0; i < 3; i++)
        pool_give(f.pool, all[i]);
    assert_int_equal(end_own_backend("SELECT pg_terminate_backend(pg_backend_pid())"), -1);
    assert_int_equal(f.err.code, ERR_DATABASE_DOWN);
    assert_int_equal(
        script("CREATE TABLE IF NOT EXISTS counter (n int); TRUNCATE counter; INSERT INTO counter VALUES (0)"), 0);
    assert_int_equal(transaction_run(f.pool, TRANSACTION_WRITE, 0, increment, &runs, &f.err), 0);
    assert_int_equal(runs, 1);
    buf_free(&text);
}

static int collide_twice(struct pg *pg, void *context, struct err *err)
{
    int *runs = context;
    if (increment(pg, context, err) < 0)
        return -1;
    return *runs > 2 ? 0 : pg_script(pg, "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$", err);
}

static int refuse(struct pg *pg, void *context, struct err *err)
{
    increment(pg, context, err);
    return err_set(err, ERR_NOT_READY, "not yet");
}

static int swallow_failure(struct pg *pg, void *context, struct err *err)
{
    increment(pg, context, err);
    pg_script(pg, "SELECT 1 / 0", err);
    return 0;
}

static int64_t counter(void)
{
    struct pg *pg = take();
    struct pg_result *r;
    stand_in(pg, "SELECT n FROM counter");
    assert_int_equal(pg_query(pg, STAND_IN, NULL, &r, &f.err), 0);
    int64_t n = pg_int(r, 0, 0);
    pg_result_free(r);
    pool_give(f.pool, pg);
    return n;
}

static void transactions_commit_retry_and_roll_back(void **state)
{
    (void)state;
    int runs = 0;
    assert_int_equal(
        script("DROP TABLE IF EXISTS counter; CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)"), 0);
    int64_t retries = metric_value(METRIC_DATABASE_RETRIES);
    assert_int_equal(transaction_run(f.pool, TRANSACTION_WRITE, 0, collide_twice, &runs, &f.err), 0);
    assert_int_equal(runs, 3);
    assert_int_equal(metric_value(METRIC_DATABASE_RETRIES) - retries, 2);
    assert_int_equal(counter(), 1);
    assert_int_equal(transaction_run(f.pool, TRANSACTION_WRITE, 0, refuse, &runs, &f.err), -1);
    assert_int_equal(f.err.code, ERR_NOT_READY);
    assert_int_equal(transaction_run(f.pool, TRANSACTION_WRITE, 0, swallow_failure, &runs, &f.err), -1);
    assert_int_equal(transaction_run(f.pool, TRANSACTION_SNAPSHOT, 0, increment, &runs, &f.err), -1);
    assert_int_equal(counter(), 1);
}

static void query_json_copies_and_finds_nothing(void **state)
{
    (void)state;
    struct buf out = {0};
    struct pg_params p = {0};
    struct pg *pg = take(); /* the pool hands out first what came back last */
    stand_in(pg, "SELECT json_build_object('n', n) FROM generate_series(2, $1::int) n");
    pool_give(f.pool, pg);
    pg_param_int(&p, 2);
    buf_text(&out, ">");
    assert_int_equal(query_json(f.pool, STAND_IN, &p, &out, &f.err), 0);
    assert_string_equal(out.data, ">{\"n\" : 2}");
    pg_params_free(&p);
    pg_param_int(&p, 0);
    assert_int_equal(query_json(f.pool, STAND_IN, &p, &out, &f.err), -1);
    assert_int_equal(f.err.code, ERR_NOT_FOUND);
    pg_params_free(&p);
    buf_free(&out);
}

static struct migration migration(int version, const char *name, const char *sql)
{
    return (struct migration){version, name, sql, strlen(sql)};
}

static void migrations_are_applied_once_and_refused_when_changed(void **state)
{
    (void)state;
    struct migration list[2] = {migration(1, "one", "CREATE TABLE one (a int)"),
                                migration(2, "two", "CREATE TABLE two (a int)")};
    struct pg *pg = take();
    int applied;
    assert_int_equal(migrate_check(pg, &f.err), -1);
    assert_int_equal(f.err.code, ERR_SCHEMA_MISMATCH);
    assert_int_equal(migrate_with(pg, list, 1, &applied, &f.err), 0);
    assert_int_equal(applied, 1);
    assert_int_equal(migrate_with(pg, list, 2, &applied, &f.err), 0);
    assert_int_equal(applied, 1);
    assert_int_equal(migrate_with(pg, list, 2, &applied, &f.err), 0);
    assert_int_equal(applied, 0);
    assert_int_equal(migrate_with(pg, list, 1, &applied, &f.err), -1); /* newer */
    assert_int_equal(f.err.code, ERR_SCHEMA_MISMATCH);
    list[0] = migration(1, "one", "CREATE TABLE one (b int)"); /* changed */
    assert_int_equal(migrate_with(pg, list, 2, &applied, &f.err), -1);
    assert_int_equal(f.err.code, ERR_SCHEMA_MISMATCH);
    assert_true(pg_idle(pg));
    pool_give(f.pool, pg);
    assert_int_equal(script("DROP TABLE one, two, schema_migration"), 0);
}

static void a_failing_migration_leaves_nothing_of_itself(void **state)
{
    (void)state;
    struct migration list[2] = {migration(1, "good", "CREATE TABLE good (a int)"),
                                migration(2, "bad", "CREATE TABLE bad (a int); SELECT 1 / 0")};
    struct pg *pg = take();
    int applied;
    assert_int_equal(migrate_with(pg, list, 2, &applied, &f.err), -1);
    assert_int_equal(applied, 1);
    assert_int_equal(pg_script(pg, "SELECT * FROM good", &f.err), 0);
    assert_int_equal(pg_script(pg, "SELECT * FROM bad", &f.err), -1);
    pool_give(f.pool, pg);
    assert_int_equal(script("DROP TABLE good, schema_migration"), 0);
}

static void the_programs_own_migrations_apply(void **state)
{
    (void)state;
    struct pg *pg = take();
    int applied, count;
    migrate_list(&count);
    assert_int_equal(migrate(pg, &applied, &f.err), 0);
    assert_int_equal(applied, count);
    assert_int_equal(migrate_check(pg, &f.err), 0);
    pool_give(f.pool, pg);
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
        cmocka_unit_test(parameters_and_results_keep_their_values),
        cmocka_unit_test(arrays_unnest_to_their_rows),
        cmocka_unit_test(a_nul_and_missing_memory_are_told),
        cmocka_unit_test(a_stream_gives_each_row_and_can_be_ended),
        cmocka_unit_test(sqlstates_have_their_meaning),
        cmocka_unit_test(a_statement_past_its_deadline_closes_the_connection),
        cmocka_unit_test(a_frozen_backend_is_given_up_in_time),
        cmocka_unit_test(a_frozen_server_is_given_up_while_connecting),
        cmocka_unit_test(a_pool_is_bounded_and_says_so),
        cmocka_unit_test(a_connection_within_a_transaction_is_not_kept),
        cmocka_unit_test(a_server_that_is_away_is_refused_at_once_and_found_again),
        cmocka_unit_test(idle_connections_of_a_restarted_server_are_replaced),
        cmocka_unit_test(notifications_arrive_until_the_connection_is_lost),
        cmocka_unit_test(transactions_commit_retry_and_roll_back),
        cmocka_unit_test(query_json_copies_and_finds_nothing),
        cmocka_unit_test(migrations_are_applied_once_and_refused_when_changed),
        cmocka_unit_test(a_failing_migration_leaves_nothing_of_itself),
        cmocka_unit_test(the_programs_own_migrations_apply),
    };
    return cmocka_run_group_tests_name("store", tests, set_up, tear_down);
}
