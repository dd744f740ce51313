/* cluster: the private PostgreSQL is made once, survives what happens to it, and has one supervisor. */
#include "unit/test.h"
#include "unit/cluster_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/place.h"
#include "store/postmaster.h"

static struct fixture f;

static void path_of(const char *name, char path[PLACE_PATH])
{
    snprintf(path, PLACE_PATH, "%s/data/%s", f.folder, name);
}

static bool answers(void)
{
    struct pg_options o = {.conninfo = cluster_conninfo(f.cluster)};
    struct pg *pg = NULL;
    bool good = pg_open(&o, pg_deadline(5000), &pg, &f.err) == 0 && pg_script(pg, "SELECT 1", &f.err) == 0;
    pg_close(pg);
    return good;
}

static int start_and_wait(void)
{
    f.cluster = NULL;
    if (cluster_start(&f.config, &f.cluster, &f.err) < 0)
        return -1;
    return cluster_wait_ready(f.cluster, 60000, &f.err);
}

static int keep(const char *sql)
{
    struct pg_options o = {.conninfo = cluster_conninfo(f.cluster)};
    struct pg *pg = NULL;
    int status = pg_open(&o, pg_deadline(5000), &pg, &f.err);
    if (status == 0)
        status = pg_script(pg, sql, &f.err);
    pg_close(pg);
    return status;
}

static void it_keeps_what_was_written_over_a_restart(void **state)
{
    (void)state;
    assert_int_equal(keep("CREATE TABLE kept (a int); INSERT INTO kept VALUES (7)"), 0);
    cluster_stop(f.cluster);
    assert_int_equal(start_and_wait(), 0);
    assert_int_equal(keep("DO $$ BEGIN ASSERT (SELECT a FROM kept) = 7; END $$"), 0);
}

static void its_settings_keep_data_safe_and_others_out(void **state)
{
    (void)state;
    char path[PLACE_PATH];
    struct stat s;
    assert_int_equal(
        keep("DO $$ BEGIN ASSERT current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' "
             "AND current_setting('synchronous_commit') = 'on' AND current_setting('listen_addresses') = '' "
             "AND current_setting('server_encoding') = 'UTF8'; END $$"),
        0);
    path_of("pg", path);
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 077, 0);
    assert_int_not_equal(s.st_uid, 0);
}

static void others_find_it_while_it_runs(void **state)
{
    (void)state;
    char conninfo[CLUSTER_CONNINFO];
    assert_int_equal(cluster_find(&f.config, conninfo, sizeof conninfo, &f.err), 0);
    assert_string_equal(conninfo, cluster_conninfo(f.cluster));
    cluster_stop(f.cluster);
    assert_int_equal(cluster_find(&f.config, conninfo, sizeof conninfo, &f.err), -1);
    assert_int_equal(f.err.code, ERR_DATABASE_DOWN);
    assert_non_null(strstr(f.err.message, "egalign serve"));
    assert_int_equal(start_and_wait(), 0);
}

static void a_second_supervisor_is_refused(void **state)
{
    (void)state;
    struct cluster *second = NULL;
    assert_int_equal(cluster_start(&f.config, &second, &f.err), -1);
    assert_int_equal(f.err.code, ERR_CONFIG);
    assert_null(second);
    assert_true(answers());
}

static void a_killed_server_is_started_again(void **state)
{
    (void)state;
    struct err event;
    pid_t before = cluster_pid(f.cluster);
    assert_int_equal(kill(before, SIGKILL), 0);
    int64_t give_up = pg_deadline(10000);
    do {
        assert_true(clock_mono_ns() < give_up);
        clock_sleep_ns(5000000);
        cluster_step(f.cluster, &event);
    } while (event.code == ERR_OK);
    assert_int_equal(event.code, ERR_DATABASE_DOWN);
    assert_non_null(strstr(event.message, "signal 9"));
    assert_int_equal(cluster_wait_ready(f.cluster, 60000, &f.err), 0);
    assert_int_not_equal(cluster_pid(f.cluster), before);
    assert_true(answers());
}

/* Puts the number of a live process that is no server into postmaster.pid, as a crash and a reused number would. The
 * process belongs to the cluster's user, so PostgreSQL by itself would refuse for ever. */
static void write_stale_pid(pid_t pid, const char *saved)
{
    char path[PLACE_PATH];
    path_of("pg/postmaster.pid", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%ld\n%s", (long)pid, strchr(saved, '\n') + 1);
    fclose(file);
}

static void read_pid_file(char *text, size_t room)
{
    char path[PLACE_PATH];
    path_of("pg/postmaster.pid", path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, room - 1, file)] = '\0';
    fclose(file);
}

static pid_t fork_bystander(void)
{
    char path[PLACE_PATH];
    struct stat s;
    path_of("pg", path);
    assert_int_equal(stat(path, &s), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && setuid(s.st_uid) < 0)
            _exit(1);
        execlp("sleep", "sleep", "300", NULL);
        _exit(1);
    }
    return pid;
}

/* Until exec is done, /proc/PID/exe is still this program; either way it is no server. */
static void a_stale_pid_file_of_a_live_bystander_does_not_stop_it(void **state)
{
    (void)state;
    char text[2048], path[PLACE_PATH];
    pid_t judged;
    read_pid_file(text, sizeof text);
    cluster_stop(f.cluster);
    pid_t bystander = fork_bystander();
    write_stale_pid(bystander, text);
    path_of("pg", path);
    assert_int_equal(postmaster_kind(path, &judged), POSTMASTER_MISTAKEN);
    assert_int_equal(judged, bystander);
    int status = start_and_wait();
    bool good = status == 0 && answers();
    kill(bystander, SIGKILL);
    waitpid(bystander, NULL, 0);
    assert_true(good);
}

static void a_stale_pid_file_of_a_dead_process_does_not_stop_it(void **state)
{
    (void)state;
    char text[2048];
    read_pid_file(text, sizeof text);
    cluster_stop(f.cluster);
    pid_t gone = fork_bystander();
    kill(gone, SIGKILL);
    waitpid(gone, NULL, 0);
    write_stale_pid(gone, text);
    assert_int_equal(start_and_wait(), 0);
    assert_true(answers());
}

/* A supervisor that is killed takes the server with it, and the next one waits for that. */
static void a_killed_supervisor_leaves_no_server_behind(void **state)
{
    (void)state;
    int ends[2];
    cluster_stop(f.cluster);
    assert_int_equal(pipe(ends), 0);
    pid_t supervisor = fork();
    if (supervisor == 0) {
        pid_t server = start_and_wait() == 0 ? cluster_pid(f.cluster) : 0;
        if (write(ends[1], &server, sizeof server) < 0)
            _exit(1);
        pause();
        _exit(0);
    }
    pid_t server = 0;
    assert_int_equal(read(ends[0], &server, sizeof server), sizeof server);
    close(ends[0]);
    close(ends[1]);
    assert_true(server > 0 && kill(server, 0) == 0);
    kill(supervisor, SIGKILL);
    waitpid(supervisor, NULL, 0);
    assert_int_equal(start_and_wait(), 0);
    assert_true(answers());
    assert_int_not_equal(cluster_pid(f.cluster), server);
}

static void it_gives_up_after_five_deaths_and_says_why(void **state)
{
    (void)state;
    struct err event;
    enum cluster_state now;
    char path[PLACE_PATH], away[PLACE_PATH];
    path_of("pg/global/pg_control", path);
    path_of("pg/global/pg_control.away", away);
    cluster_stop(f.cluster);
    assert_int_equal(rename(path, away), 0);
    int status = start_and_wait();
    assert_int_equal(rename(away, path), 0);
    assert_int_equal(status, -1);
    assert_non_null(strstr(f.err.message, "given up"));
    assert_non_null(strstr(f.err.message, "pg_control"));
    now = cluster_step(f.cluster, &event);
    assert_int_equal(now, CLUSTER_FAILED);
    cluster_stop(f.cluster);
    assert_int_equal(start_and_wait(), 0);
}

/* Writes `text` to a file and gives what was there. */
static void exchange(const char *path, const char *text, char before[16])
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    before[fread(before, 1, 15, file)] = '\0';
    rewind(file);
    fputs(text, file);
    assert_int_equal(ftruncate(fileno(file), (off_t)strlen(text)), 0);
    fclose(file);
}

/* Once when the version of the cluster is not installed, and once when a folder of programs is insisted on. */
static void another_major_version_is_refused_untouched(void **state)
{
    (void)state;
    char path[PLACE_PATH], before[16] = "", after[16] = "", *bin_dir = f.config.postgres_bin_dir;
    struct place place;
    path_of("pg/PG_VERSION", path);
    assert_int_equal(place_find(&f.config, &place, &f.err), 0);
    cluster_stop(f.cluster);
    exchange(path, "12\n", before);
    assert_int_equal(start_and_wait(), -1);
    assert_int_equal(f.err.code, ERR_CONFIG);
    assert_non_null(strstr(f.err.message, "pg_upgrade"));
    cluster_stop(f.cluster);
    f.config.postgres_bin_dir = place.bin_dir;
    assert_int_equal(start_and_wait(), -1);
    assert_non_null(strstr(f.err.message, "pg_upgrade"));
    cluster_stop(f.cluster);
    f.config.postgres_bin_dir = bin_dir;
    exchange(path, before, after);
    assert_string_equal(after, "12\n");
    assert_int_equal(start_and_wait(), 0);
}

static void an_interrupted_first_start_is_begun_again(void **state)
{
    (void)state;
    struct fixture g = {0};
    char path[PLACE_PATH];
    fixture_config(&g);
    snprintf(path, sizeof path, "%s/data", g.folder);
    assert_int_equal(mkdir(path, 0711), 0);
    strcat(path, "/pg.new");
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/half");
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    assert_int_equal(cluster_start(&g.config, &g.cluster, &g.err), 0);
    assert_int_equal(cluster_wait_ready(g.cluster, 60000, &g.err), 0);
    cluster_stop(g.cluster);
    fixture_delete(&g);
}

static void a_path_too_long_for_a_socket_falls_back(void **state)
{
    (void)state;
    struct place p = {0};
    struct stat s;
    char conninfo[CLUSTER_CONNINFO];
    memset(p.pg_dir, 'x', 120);
    p.pg_dir[0] = '/';
    p.uid = geteuid();
    p.gid = getegid();
    unsetenv("XDG_RUNTIME_DIR");
    assert_int_equal(place_socket_dir(&p, &f.err), 0);
    assert_true(strlen(p.socket_dir) < 90);
    assert_int_equal(stat(p.socket_dir, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0700);
    assert_int_equal(place_conninfo(&p, conninfo, sizeof conninfo, &f.err), 0);
    assert_non_null(strstr(conninfo, p.socket_dir));
    assert_int_equal(chmod(p.socket_dir, 0755), 0); /* somebody else's folder of that name is refused */
    assert_int_equal(place_socket_dir(&p, &f.err), -1);
    assert_int_equal(rmdir(p.socket_dir), 0);
}

static int set_up(void **state)
{
    (void)state;
    fixture_config(&f);
    fixture_must(&f, start_and_wait());
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
        cmocka_unit_test(it_keeps_what_was_written_over_a_restart),
        cmocka_unit_test(its_settings_keep_data_safe_and_others_out),
        cmocka_unit_test(others_find_it_while_it_runs),
        cmocka_unit_test(a_second_supervisor_is_refused),
        cmocka_unit_test(a_killed_server_is_started_again),
        cmocka_unit_test(a_stale_pid_file_of_a_live_bystander_does_not_stop_it),
        cmocka_unit_test(a_stale_pid_file_of_a_dead_process_does_not_stop_it),
        cmocka_unit_test(a_killed_supervisor_leaves_no_server_behind),
        cmocka_unit_test(it_gives_up_after_five_deaths_and_says_why),
        cmocka_unit_test(another_major_version_is_refused_untouched),
        cmocka_unit_test(an_interrupted_first_start_is_begun_again),
        cmocka_unit_test(a_path_too_long_for_a_socket_falls_back),
    };
    return cmocka_run_group_tests_name("cluster", tests, set_up, tear_down);
}
