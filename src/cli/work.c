/* egalign work: a worker. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "cli/arguments.h"
#include "jobs/worker.h"
#include "store/place.h"
#include "store/store.h"

static const char usage[] =
    "usage: egalign work [OPTION...]\n"
    "Takes jobs from the queue and runs each in a process of its own, one at a time; also schedules refits. SIGTERM:\n"
    "gives its job back and ends. Any number may run, on any machine.\n";

enum { MIGRATE_MS = 600000, WAIT_MOST_SECONDS = 8 };

/* Brings the schema up to date, as `egalign serve` does: whoever comes first. Waits for a database that is not there
 * yet. */
static int prepare(const char *conninfo, struct err *err)
{
    for (int wait = 1;; wait = wait < WAIT_MOST_SECONDS ? wait * 2 : wait) {
        if (store_migrate(conninfo, MIGRATE_MS, NULL, err) == 0)
            return 0;
        if (err->code != ERR_DATABASE_DOWN)
            return -1;
        log_err(LOG_WARNING, "worker_waits", err);
        clock_sleep_ns(wait * INT64_C(1000000000));
    }
}

static int run(const struct config *config, struct err *err)
{
    char conninfo[STORE_CONNINFO], model_folder[PLACE_PATH], threads[24], attempts[24];
    if (place_model_folder(config, model_folder, err) < 0 ||
        store_conninfo(config, conninfo, sizeof conninfo, err) < 0 || prepare(conninfo, err) < 0)
        return -1;
    snprintf(threads, sizeof threads, "%lld", (long long)config->job_threads);
    snprintf(attempts, sizeof attempts, "%lld", (long long)config->job_attempts);
    const struct child_setting settings[] = {
        {"EGALIGN_DATABASE_URL", conninfo},
        {"EGALIGN_MODEL_FOLDER", model_folder},
        {"EGALIGN_POLICY_FOLDERS", config->policy_folders},
        {"EGALIGN_JOB_THREADS", threads},
        {"EGALIGN_JOB_ATTEMPTS", attempts},
        {"EGALIGN_LOG_LEVEL", config->log_level},
        {"EGALIGN_LOG_JSON", config->log_json ? "true" : "false"},
        {NULL, NULL},
    };
    struct worker_options options = {
        .conninfo = conninfo,
        .model_folder = model_folder,
        .lease_seconds = (int)config->job_lease_seconds,
        .attempts = (int)config->job_attempts,
        .stop_seconds = (int)config->job_stop_seconds,
        .poll_seconds = (int)config->schedule_poll_seconds,
        .folder_hours = (int)config->job_folder_hours,
        .deadline_ms = (int)config->database_deadline_ms,
        .settings = settings,
    };
    return worker_run(&options, err);
}

int command_work(int argc, char **argv)
{
    struct config config;
    struct err err;
    if (arguments_help(argc, argv, usage, CONFIG_STORE | CONFIG_LOG | CONFIG_JOBS))
        return 0;
    if (config_load(&config, argc - 1, argv + 1, &err) < 0)
        return command_failed(argv[0], &err);
    log_setup((enum log_level)log_level_of(config.log_level), config.log_json);
    int status = run(&config, &err);
    config_free(&config);
    return status < 0 ? command_failed(argv[0], &err) : 0;
}
