/* egalign serve: the daemon: the private database (or a connection to another), the API, and the workers beside it. */
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/version.h"
#include "cli/arguments.h"
#include "cli/workers.h"
#include "store/cluster.h"
#include "store/place.h"

static const char usage[] =
    "usage: egalign serve [OPTION...]\n"
    "Serves the API and the pages. Without --database-url it makes and supervises a private PostgreSQL in its data\n"
    "directory; it starts workers beside itself. SIGTERM ends it in order.\n";

enum { DRAIN_SECONDS = 4, WORKERS_MS = 2500 /* beyond job_stop_seconds */, STEP_MS = 100 };

struct daemon {
    struct config config;
    struct cluster *cluster; /* NULL with a database_url */
    enum cluster_state state;
    struct api *api;
    struct workers workers;
    char url_file[PLACE_PATH]; /* "" when it could not be written */
};

/* Signals are taken one by one by the main thread; blocked before the first thread starts. */
static void block_signals(sigset_t *ret)
{
    sigemptyset(ret);
    sigaddset(ret, SIGTERM);
    sigaddset(ret, SIGINT);
    sigaddset(ret, SIGCHLD);
    sigprocmask(SIG_BLOCK, ret, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* As many descriptors as the connections may need, as far as the system lets us. */
static void raise_file_limit(const struct config *c)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)c->max_connections + 256;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_event(LOG_WARNING, "file_limit", "cannot have %lld open files: %s", (long long)wanted, strerror(errno));
}

static void format_url(const struct daemon *d, char *url, size_t room)
{
    const char *address = d->config.listen_address;
    bool six = strchr(address, ':');
    bool any = strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
    snprintf(url, room, "http://%s%s%s:%d/", six && !any ? "[" : "", any ? "localhost" : address,
             six && !any ? "]" : "", api_port(d->api));
}

/* Leaves the URL in the data directory for scripts, whole or not at all; tells where people find it. */
static void announce(struct daemon *d)
{
    char url[256], data_dir[PLACE_PATH], temporary[PLACE_PATH + 8];
    struct err err;
    format_url(d, url, sizeof url);
    log_event(LOG_INFO, "listening", "%s (egalign %s, %s database)", url, version_number,
              d->cluster ? "private" : "given");
    if (place_data_dir(&d->config, data_dir, &err) < 0 || place_file(data_dir, "url", d->url_file, &err) < 0)
        return;
    if (mkdir(data_dir, 0711) < 0 && errno != EEXIST)
        return;
    snprintf(temporary, sizeof temporary, "%s.new", d->url_file);
    FILE *file = fopen(temporary, "w");
    bool written = file && fprintf(file, "%s\n", url) > 0;
    written = file && fclose(file) == 0 && written;
    if (!written || rename(temporary, d->url_file) < 0) {
        log_event(LOG_WARNING, "url_file", "cannot write %s: %s", d->url_file, strerror(errno));
        d->url_file[0] = '\0';
    }
}

static int start(struct daemon *d, struct err *err)
{
    if (!*d->config.database_url && cluster_start(&d->config, &d->cluster, err) < 0)
        return -1;
    const char *conninfo = d->cluster ? cluster_conninfo(d->cluster) : d->config.database_url;
    return api_start(&d->config, conninfo, &d->api, err);
}

/* Looks after the private database; -1 when it is given up. */
static int step_cluster(struct daemon *d, struct err *err)
{
    struct err event;
    if (!d->cluster)
        return 0;
    enum cluster_state before = d->state;
    d->state = cluster_step(d->cluster, &event);
    if (d->state == CLUSTER_FAILED) {
        *err = event; /* what it ended of */
        return -1;
    }
    if (event.code)
        log_err(LOG_WARNING, "cluster", &event);
    if (d->state == CLUSTER_READY && before != CLUSTER_READY)
        api_database_is_up(d->api);
    return 0;
}

/* What is due now; -1 when the daemon must end. */
static int step(struct daemon *d, struct err *err)
{
    struct err event;
    if (step_cluster(d, err) < 0 || api_hopeless(d->api, err))
        return -1;
    if (d->workers.process[0].pid == 0 && !api_ready(d->api))
        return 0; /* workers need the schema */
    workers_step(&d->workers, &event);
    if (event.code)
        log_err(LOG_WARNING, "worker", &event);
    return 0;
}

/* Until a signal asks for the end (0), or it cannot go on (-1). */
static int run(struct daemon *d, const sigset_t *signals, struct err *err)
{
    const struct timespec pause = {0, STEP_MS * 1000000L};
    for (;;) {
        if (step(d, err) < 0)
            return -1;
        int got = sigtimedwait(signals, NULL, &pause);
        if (got == SIGTERM || got == SIGINT) {
            log_event(LOG_INFO, "stopping", "%s: finishing what was begun", got == SIGTERM ? "SIGTERM" : "SIGINT");
            return 0;
        }
    }
}

static void stop(struct daemon *d)
{
    bool started = d->api;
    if (d->url_file[0])
        unlink(d->url_file);
    workers_ask_to_end(&d->workers);
    api_stop(d->api, DRAIN_SECONDS);
    workers_wait(&d->workers, (int)d->config.job_stop_seconds * 1000 + WORKERS_MS);
    cluster_stop(d->cluster);
    if (started)
        log_event(LOG_INFO, "stopped", "all that was acknowledged is stored");
}

/* The arguments of the workers: those of serve. */
static char **worker_arguments(int argc, char **argv)
{
    char **copy = mem_array((size_t)argc + 2, sizeof *copy);
    if (!copy)
        return NULL;
    static char program[] = "egalign", command[] = "work";
    copy[0] = program;
    copy[1] = command;
    for (int i = 1; i <= argc; i++)
        copy[i + 1] = i < argc ? argv[i] : NULL;
    return copy;
}

static int serve(struct daemon *d, struct err *err)
{
    sigset_t signals;
    block_signals(&signals);
    raise_file_limit(&d->config);
    int status = start(d, err);
    if (status == 0) {
        announce(d);
        status = run(d, &signals, err);
    }
    stop(d);
    return status;
}

int command_serve(int argc, char **argv)
{
    struct daemon d = {0};
    struct err err;
    if (arguments_help(argc, argv, usage, CONFIG_ALL))
        return 0;
    if (config_load(&d.config, argc - 1, argv + 1, &err) < 0)
        return command_failed(argv[0], &err);
    log_setup((enum log_level)log_level_of(d.config.log_level), d.config.log_json);
    d.workers.count = (int)d.config.workers;
    d.workers.argv = worker_arguments(argc, argv);
    int status = d.workers.argv ? serve(&d, &err) : err_memory(&err);
    mem_free(d.workers.argv);
    config_free(&d.config);
    return status < 0 ? command_failed(argv[0], &err) : 0;
}
