#include "jobs/run.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "jobs/complete.h"
#include "jobs/evaluate.h"
#include "jobs/finetune.h"
#include "jobs/rebase.h"
#include "jobs/refit.h"
#include "jobs/register.h"
#include "jobs/reinforce.h"
#include "jobs/reporter.h"
#include "jobs/reward.h"
#include "store/pg.h"

/* Who does what. `goes_on`: it looks at the stop flag, and leaves a checkpoint that the next attempt continues from. */
static const struct kind {
    const char *name; /* of enum job_kind in the database */
    job_work *work;
    bool goes_on;
} kinds[] = {
    {"fit", refit_run, false},
    {"register", register_run, false},
    {"complete", complete_run, false},
    {"sft", finetune_run, true},
    {"ppo", reinforce_run, true},
    {"rebase", rebase_run, true},
    {"reward", reward_run, true},
    {"evaluate", evaluate_run, false},
};

static volatile sig_atomic_t stop_asked;

static void ask_stop(int signal)
{
    (void)signal;
    stop_asked = 1;
}

static const struct kind *kind_of(const char *name, struct err *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    err_set(err, ERR_INTERNAL, "this program does not know jobs of the kind %s: the worker is of an older version",
            name);
    return NULL;
}

static int threads_for(int asked)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (asked > 0)
        return asked;
    return cores > 2 ? (int)cores - 1 : 1;
}

/* Gives a job that was told to stop back to the queue. */
static enum child_exit write_stop(const struct job_context *job)
{
    struct err e = {0};
    struct pg *pg = NULL;
    int result = reporter_connect(job->conninfo, &pg, &e);
    if (result == 0)
        result = job_release(pg, job->lease, ERR_OK, job->attempts, "told to stop; it goes on from a checkpoint", &e);
    if (result < 0)
        log_err(LOG_ERROR, "job_unwritten", &e);
    pg_close(pg);
    return result == 0 ? CHILD_RELEASED : CHILD_SPEECHLESS;
}

/* Writes why the job did not succeed. */
static enum child_exit write_failure(const struct job_context *job, const struct err *why)
{
    struct err e = {0};
    struct pg *pg = NULL;
    enum child_exit written = CHILD_SPEECHLESS;
    bool again = err_info(why->code)->retryable || why->code == ERR_CANCELLED;
    enum err_code failure = why->code == ERR_CANCELLED ? ERR_LEASE_LOST : why->code;
    int result = reporter_connect(job->conninfo, &pg, &e);
    if (result == 0 && again)
        result = job_release(pg, job->lease, failure, job->attempts, why->message, &e);
    else if (result == 0)
        result = job_end(pg, job->lease, JOB_FAILED, why, why->message, &e);
    if (result == 0)
        written = again ? CHILD_RELEASED : CHILD_FAILED;
    else
        log_err(LOG_ERROR, "job_unwritten", &e);
    pg_close(pg);
    return written;
}

static enum child_exit work(const struct job_context *job)
{
    struct err e = {0};
    const struct kind *kind = kind_of(job->lease->kind, &e);
    if (kind && kind->goes_on)
        sigaction(SIGTERM, &(struct sigaction){.sa_handler = ask_stop}, NULL);
    int result = kind ? kind->work(job, &e) : -1;
    if (result == JOB_WRITTEN)
        return CHILD_DONE;
    if (result == JOB_STOPPED)
        return write_stop(job);
    log_err(LOG_ERROR, "job_failed", &e);
    return e.code == ERR_LEASE_LOST ? CHILD_SPEECHLESS : write_failure(job, &e);
}

enum child_exit run_job(const struct run_options *options, const struct uuid *job, const struct uuid *token)
{
    struct job_lease lease;
    struct err e = {0};
    struct pg *pg = NULL;
    int result = reporter_connect(options->conninfo, &pg, &e);
    if (result == 0)
        result = job_lease_find(pg, job, token, &lease, &e);
    pg_close(pg);
    if (result < 0) {
        log_err(LOG_ERROR, "job_lease", &e);
        return CHILD_SPEECHLESS;
    }
    return work(&(struct job_context){.conninfo = options->conninfo,
                                      .model_folder = options->model_folder,
                                      .policy_folders = options->policy_folders,
                                      .threads = threads_for(options->threads),
                                      .attempts = options->attempts,
                                      .lease = &lease,
                                      .stop = &stop_asked});
}
