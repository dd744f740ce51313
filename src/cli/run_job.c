/* egalign run-job: the process in which a worker has a job done. Not for people: it needs the worker's lease. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/log.h"
#include "cli/arguments.h"
#include "jobs/run.h"
#include "store/place.h"
#include "store/store.h"

static const char usage[] = "usage: egalign run-job JOB LEASE [OPTION...]\n"
                            "Runs the job that a worker holds by the lease; workers start it. Exit status: 0 done,\n"
                            "65 failed, 75 given back, 70 nothing was written, 2 the command line is not usable.\n";

int command_run_job(int argc, char **argv)
{
    struct config config;
    struct uuid job, lease;
    struct err err;
    char conninfo[STORE_CONNINFO], model_folder[PLACE_PATH];
    if (arguments_help(argc, argv, usage, CONFIG_STORE | CONFIG_LOG | CONFIG_JOBS))
        return 0;
    if (argc < 3 || !uuid_parse(str_of(argv[1]), &job) || !uuid_parse(str_of(argv[2]), &lease)) {
        fprintf(stderr, "%s", usage);
        return 2;
    }
    if (config_load(&config, argc - 3, argv + 3, &err) < 0)
        return command_failed(argv[0], &err);
    log_setup((enum log_level)log_level_of(config.log_level), config.log_json);
    int status = CHILD_SPEECHLESS;
    struct run_options options = {conninfo, model_folder, config.policy_folders, (int)config.job_threads,
                                  (int)config.job_attempts};
    if (place_model_folder(&config, model_folder, &err) < 0 ||
        store_conninfo(&config, conninfo, sizeof conninfo, &err) < 0)
        command_failed(argv[0], &err);
    else
        status = run_job(&options, &job, &lease);
    config_free(&config);
    return status;
}
