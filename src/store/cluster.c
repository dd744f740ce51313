#include "store/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/place.h"
#include "store/postmaster.h"
#include "store/process.h"

enum {
    DEATHS_MOST = 5,
    BACKOFF_LEAST_MS = 100,
    BACKOFF_MOST_MS = 5000,
    STEP_MS = 10,
    FIND_MS = 3000, /* that cluster_find waits for a database that is starting */
    STOP_MS = 10000,
    ORPHAN_MS = 30000
};
static const int64_t DEATHS_WITHIN_NS = INT64_C(60) * 1000000000;

struct cluster {
    struct place place;
    char conninfo[CLUSTER_CONNINFO];
    char hba_path[PLACE_PATH], ident_path[PLACE_PATH], log_path[PLACE_PATH], conninfo_path[PLACE_PATH];
    struct buf ident;
    int lock; /* descriptor that holds the lock of the data directory */
    pid_t pid;
    enum cluster_state state;
    int64_t start_at_ns;         /* when it is to be started again */
    int64_t deaths[DEATHS_MOST]; /* moments of the last deaths, a ring */
    int deaths_count;
};

static const char hba_text[] = "# Written by egalign at every start.\nlocal all all peer map=egalign\n";

/* Who may connect as the role egalign: root, the cluster's own user, the user of the daemon. */
static int compose_ident(struct cluster *c, struct err *err)
{
    buf_text(&c->ident, "# Written by egalign at every start.\negalign root egalign\n");
    buf_printf(&c->ident, "egalign \"%s\" egalign\n", c->place.user);
    return c->ident.failed ? err_memory(err) : 0;
}

/* ---- the lock on the data directory ---- */

/* The whole file, as a lock of the open file: it can be asked about without being taken, unlike flock(2)'s, and is not
 * lost when another descriptor of the file is closed, unlike POSIX's. */
static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

static int lock_data_dir(struct cluster *c, struct err *err)
{
    char path[PLACE_PATH];
    struct flock lock = whole_file();
    if (place_file(c->place.data_dir, "cluster.lock", path, err) < 0)
        return -1;
    c->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (c->lock < 0)
        return err_errno(err, "open %s", path);
    if (fcntl(c->lock, F_OFD_SETLK, &lock) == 0)
        return 0;
    if (errno != EAGAIN && errno != EACCES)
        return err_errno(err, "locking %s", path);
    return err_set(err, ERR_CONFIG, "another egalign supervises the database in %s: stop it, or use another --data-dir",
                   c->place.data_dir);
}

/* ---- making the cluster ---- */

static int open_log(const struct cluster *c, struct err *err)
{
    int fd = open(c->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return fd < 0 ? err_errno(err, "open %s", c->log_path) : fd;
}

/* Puts the last line of the start log that says why in front of an error; what is no use to start again with is
 * ERR_CONFIG. */
static void add_reason(const struct cluster *c, struct err *err)
{
    char line[256], reason[256] = "";
    FILE *file = err ? fopen(c->log_path, "r") : NULL;
    while (file && fgets(line, sizeof line, file))
        if (!strstr(line, "HINT:") && !strstr(line, "LOG:") && line[0] != '\n')
            snprintf(reason, sizeof reason, "%.*s", (int)strcspn(line, "\r\n"), line);
    if (file)
        fclose(file);
    if (strstr(reason, "initialized by PostgreSQL version"))
        err_set(err, ERR_CONFIG,
                "%s. Install that version, or upgrade the cluster with pg_upgrade; nothing was touched", reason);
    else if (reason[0])
        err_wrap(err, "%s", reason);
}

static int remove_entry(const char *path, const struct stat *s, int kind, struct FTW *walk)
{
    (void)s, (void)kind, (void)walk;
    return remove(path);
}

/* An empty folder for initdb, of the cluster's user; what an interrupted initdb left there goes. */
static int make_new_folder(const struct cluster *c, const char *path, struct err *err)
{
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
        return err_errno(err, "removing %s, left by an interrupted start", path);
    if (mkdir(path, 0700) < 0)
        return err_errno(err, "mkdir %s", path);
    if (c->place.drop && chown(path, c->place.uid, c->place.gid) < 0)
        return err_errno(err, "chown %s", path);
    return 0;
}

static int run_initdb(struct cluster *c, const char *folder, int log, struct err *err)
{
    char program[PLACE_PATH + 16];
    snprintf(program, sizeof program, "%s/initdb", c->place.bin_dir);
    const char *argv[] = {program, "-D", folder, "-U", "egalign", "-E", "UTF8", "--locale=C.UTF-8", "-A", "peer", NULL};
    struct process initdb = {.argv = argv, .input = -1, .output = log};
    return process_run(&c->place, &initdb, err);
}

/* The database, by a server in single-user mode, which reads statements from standard input. */
static int run_create(struct cluster *c, const char *folder, int log, struct err *err)
{
    static const char statement[] = "CREATE DATABASE egalign;\n";
    char program[PLACE_PATH + 16];
    int ends[2];
    snprintf(program, sizeof program, "%s/postgres", c->place.bin_dir);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    const char *argv[] = {program, "--single", "-D", folder, "postgres", NULL};
    struct process single = {.argv = argv, .input = ends[0], .output = log};
    int status = 0;
    if (write(ends[1], statement, sizeof statement - 1) < 0)
        status = err_errno(err, "write to a pipe");
    close(ends[1]);
    if (status == 0)
        status = process_run(&c->place, &single, err);
    close(ends[0]);
    return status;
}

static int sync_folder(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = fd < 0 || fsync(fd) < 0 ? err_errno(err, "fsync %s", path) : 0;
    if (fd >= 0)
        close(fd);
    return status;
}

/* All under another name, renamed when it is whole: an interrupted first start leaves no half cluster. */
static int make_cluster(struct cluster *c, struct err *err)
{
    char folder[PLACE_PATH];
    if (place_file(c->place.data_dir, "pg.new", folder, err) < 0 || make_new_folder(c, folder, err) < 0)
        return -1;
    int log = open_log(c, err);
    if (log < 0)
        return -1;
    int status = run_initdb(c, folder, log, err);
    if (status == 0)
        status = run_create(c, folder, log, err);
    close(log);
    if (status < 0) {
        add_reason(c, err);
        return err_wrap(err, "making the database as user %s in %s", c->place.user, folder);
    }
    if (rename(folder, c->place.pg_dir) < 0)
        return err_errno(err, "rename %s", folder);
    return sync_folder(c->place.data_dir, err);
}

/* ---- launching ---- */

/* A server of this cluster that outlived its supervisor is on its way down: it is asked again, and waited for. */
static int wait_for_orphan(const struct cluster *c, pid_t *ret_mistaken, struct err *err)
{
    int64_t give_up_ns = clock_mono_ns() + INT64_C(1000000) * ORPHAN_MS;
    enum postmaster_kind kind;
    pid_t pid;
    bool asked = false;
    while ((kind = postmaster_kind(c->place.pg_dir, &pid)) == POSTMASTER_RUNNING) {
        if (!asked)
            kill(pid, SIGINT);
        asked = true;
        if (clock_mono_ns() > give_up_ns)
            return err_set(err, ERR_DATABASE_DOWN, "another PostgreSQL server (process %ld) uses %s and does not stop",
                           (long)pid, c->place.pg_dir);
        clock_sleep_ns(INT64_C(1000000) * STEP_MS);
    }
    *ret_mistaken = kind == POSTMASTER_MISTAKEN ? pid : 0;
    return 0;
}

static int launch(struct cluster *c, struct err *err)
{
    char program[PLACE_PATH + 16], sockets[PLACE_PATH + 32];
    pid_t mistaken = 0;
    if (wait_for_orphan(c, &mistaken, err) < 0)
        return -1;
    snprintf(program, sizeof program, "%s/postgres", c->place.bin_dir);
    snprintf(sockets, sizeof sockets, "unix_socket_directories=\"%s\"", c->place.socket_dir);
    const char *argv[] = {program,
                          "-D",
                          c->place.pg_dir,
                          "-c",
                          sockets,
                          "-c",
                          "listen_addresses=",
                          "-c",
                          "port=5432",
                          "-c",
                          "unix_socket_permissions=0700",
                          "-c",
                          "max_connections=40",
                          "-c",
                          "shared_buffers=128MB",
                          "-c",
                          "jit=off",
                          "-c",
                          "wal_compression=on",
                          "-c",
                          "max_wal_size=1GB",
                          "-c",
                          "fsync=on",
                          "-c",
                          "full_page_writes=on",
                          "-c",
                          "synchronous_commit=on",
                          "-c",
                          "log_timezone=UTC",
                          "-c",
                          "logging_collector=on",
                          "-c",
                          "log_directory=log",
                          "-c",
                          "log_filename=postgresql-%a.log",
                          "-c",
                          "log_truncate_on_rotation=on",
                          "-c",
                          "log_rotation_age=1d",
                          "-c",
                          "log_rotation_size=0",
                          "-c",
                          "log_file_mode=0600",
                          NULL};
    struct process server = {.argv = argv,
                             .input = -1,
                             .output = open_log(c, err),
                             .grandparent = mistaken,
                             .files = {{c->hba_path, hba_text}, {c->ident_path, c->ident.data}}};
    if (server.output < 0)
        return -1;
    int status = process_start(&c->place, &server, &c->pid, err);
    close(server.output);
    c->state = CLUSTER_STARTING;
    return status;
}

static int name_files(struct cluster *c, struct err *err)
{
    if (place_file(c->place.pg_dir, "pg_hba.conf", c->hba_path, err) < 0 ||
        place_file(c->place.pg_dir, "pg_ident.conf", c->ident_path, err) < 0 ||
        place_file(c->place.data_dir, "postgres.start.log", c->log_path, err) < 0)
        return -1;
    return place_file(c->place.data_dir, "conninfo", c->conninfo_path, err);
}

static int start(struct cluster *c, const struct config *config, struct err *err)
{
    if (place_find(config, &c->place, err) < 0 || lock_data_dir(c, err) < 0)
        return -1;
    if (name_files(c, err) < 0 || compose_ident(c, err) < 0)
        return -1;
    if (unlink(c->conninfo_path) < 0 && errno != ENOENT)
        return err_errno(err, "unlink %s", c->conninfo_path);
    if (!place_has_cluster(&c->place) && make_cluster(c, err) < 0)
        return -1;
    if (place_socket_dir(&c->place, err) < 0 || place_conninfo(&c->place, c->conninfo, sizeof c->conninfo, err) < 0)
        return -1;
    return launch(c, err);
}

static void release(struct cluster *c)
{
    if (c->lock >= 0)
        close(c->lock);
    buf_free(&c->ident);
    mem_free(c);
}

int cluster_start(const struct config *config, struct cluster **ret, struct err *err)
{
    struct cluster *c = mem_zeroed(1, sizeof *c);
    if (!c)
        return err_memory(err);
    c->lock = -1;
    if (start(c, config, err) < 0) {
        release(c);
        return -1;
    }
    *ret = c;
    return 0;
}

const char *cluster_conninfo(const struct cluster *c)
{
    return c->conninfo;
}

pid_t cluster_pid(const struct cluster *c)
{
    return c->pid;
}

/* ---- supervising ---- */

/* Tells other processes how to connect: whole or not at all. */
static int publish(const struct cluster *c, struct err *err)
{
    char path[PLACE_PATH + 8];
    snprintf(path, sizeof path, "%s.new", c->conninfo_path);
    FILE *file = fopen(path, "we");
    if (!file)
        return err_errno(err, "open %s", path);
    bool written = fprintf(file, "%s\n", c->conninfo) > 0;
    if (fclose(file) != 0 || !written || rename(path, c->conninfo_path) < 0)
        return err_errno(err, "writing %s", c->conninfo_path);
    return 0;
}

/* Notes a death and says when the next start is due; given up when the oldest of the last five is recent. */
static void note_death(struct cluster *c)
{
    int64_t now = clock_mono_ns();
    int recent = 0;
    c->deaths[c->deaths_count++ % DEATHS_MOST] = now;
    for (int i = 0; i < DEATHS_MOST && i < c->deaths_count; i++)
        recent += now - c->deaths[i] < DEATHS_WITHIN_NS;
    int64_t wait_ms = (int64_t)BACKOFF_LEAST_MS << (2 * (recent - 1));
    c->start_at_ns = now + 1000000 * (wait_ms < BACKOFF_MOST_MS ? wait_ms : BACKOFF_MOST_MS);
    c->state = recent >= DEATHS_MOST ? CLUSTER_FAILED : CLUSTER_STARTING;
}

/* The server has ended: what is left of it is reaped already, so a new one does not take it for alive. */
static void died(struct cluster *c, int status, struct err *event)
{
    pid_t pid = c->pid;
    c->pid = 0;
    unlink(c->conninfo_path);
    note_death(c);
    if (WIFSIGNALED(status))
        err_set(event, ERR_DATABASE_DOWN, "the database server (process %ld) was ended by signal %d", (long)pid,
                WTERMSIG(status));
    else
        err_set(event, ERR_DATABASE_DOWN, "the database server (process %ld) ended with exit status %d, see %s/log",
                (long)pid, WEXITSTATUS(status), c->place.pg_dir);
    add_reason(c, event);
    if (event->code == ERR_CONFIG)
        c->state = CLUSTER_FAILED;
    else if (c->state == CLUSTER_FAILED)
        err_wrap(event, "given up after %d deaths in a minute", DEATHS_MOST);
}

static void relaunch(struct cluster *c, struct err *event)
{
    if (c->state != CLUSTER_STARTING || clock_mono_ns() < c->start_at_ns)
        return;
    if (launch(c, event) < 0)
        note_death(c);
}

enum cluster_state cluster_step(struct cluster *c, struct err *event)
{
    int status;
    event->code = ERR_OK;
    if (c->pid > 0 && waitpid(c->pid, &status, WNOHANG) == c->pid)
        died(c, status, event);
    if (c->pid == 0)
        relaunch(c, event);
    else if (c->state == CLUSTER_STARTING && postmaster_ready(c->place.pg_dir, c->pid) && publish(c, event) == 0)
        c->state = CLUSTER_READY;
    return c->state;
}

int cluster_wait_ready(struct cluster *c, long timeout_ms, struct err *err)
{
    int64_t give_up_ns = clock_mono_ns() + INT64_C(1000000) * timeout_ms;
    struct err event, last = {0};
    enum cluster_state state;
    while ((state = cluster_step(c, &event)) == CLUSTER_STARTING && clock_mono_ns() < give_up_ns) {
        if (event.code != ERR_OK)
            last = event;
        clock_sleep_ns(INT64_C(1000000) * STEP_MS);
    }
    if (state == CLUSTER_READY)
        return 0;
    if (event.code != ERR_OK)
        last = event;
    return err_set(err, last.code == ERR_CONFIG ? ERR_CONFIG : ERR_DATABASE_DOWN,
                   "the database server did not start: %s", last.message[0] ? last.message : "no word of it");
}

/* ---- stopping ---- */

/* True when the server ended within `ms`. */
static bool wait_end(struct cluster *c, long ms)
{
    int64_t give_up_ns = clock_mono_ns() + INT64_C(1000000) * ms;
    while (waitpid(c->pid, NULL, WNOHANG) == 0) {
        if (clock_mono_ns() > give_up_ns)
            return false;
        clock_sleep_ns(INT64_C(1000000) * STEP_MS);
    }
    return true;
}

void cluster_stop(struct cluster *c)
{
    if (!c)
        return;
    unlink(c->conninfo_path);
    if (c->pid > 0) {
        kill(c->pid, SIGINT);
        if (!wait_end(c, STOP_MS)) {
            kill(c->pid, SIGQUIT);
            wait_end(c, STOP_MS);
        }
    }
    release(c);
}

/* ---- finding ---- */

/* The daemon may be ready to serve a moment before it says how to connect, so a missing file is waited for. */
static int read_conninfo(const char *path, char *text, size_t room, struct err *err)
{
    int64_t give_up_ns = clock_mono_ns() + FIND_MS * INT64_C(1000000);
    FILE *file;
    while (!(file = fopen(path, "re")) && errno == ENOENT && clock_mono_ns() < give_up_ns)
        clock_sleep_ns(20 * INT64_C(1000000));
    if (!file)
        return err_set(err, ERR_DATABASE_DOWN, "the database of %s is not ready yet", path);
    size_t n = fread(text, 1, room - 1, file);
    fclose(file);
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return 0;
}

int cluster_find(const struct config *config, char *conninfo, size_t room, struct err *err)
{
    char data_dir[PLACE_PATH], path[PLACE_PATH];
    if (place_data_dir(config, data_dir, err) < 0 || place_file(data_dir, "cluster.lock", path, err) < 0)
        return -1;
    struct flock lock = whole_file();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool running = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    bool forbidden = fd < 0 && errno == EACCES;
    if (fd >= 0)
        close(fd);
    if (forbidden)
        return err_set(err, ERR_DATABASE_DOWN, "the data directory %s is of another user", data_dir);
    if (!running)
        return err_set(err, ERR_DATABASE_DOWN,
                       "no database runs in %s: start `egalign serve` there first, name its folder with "
                       "--data-dir, or use --database-url",
                       data_dir);
    if (place_file(data_dir, "conninfo", path, err) < 0)
        return -1;
    return read_conninfo(path, conninfo, room, err);
}
