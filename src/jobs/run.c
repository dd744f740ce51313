#include "jobs/run.h"

#include <unistd.h>

#include "base/log.h"
#include "jobs/refit.h"
#include "store/job.h"
#include "store/pg.h"

static int threads_for(int asked)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (asked > 0)
        return asked;
    return cores > 2 ? (int)cores - 1 : 1;
}

/* Writes why the job did not succeed. */
static enum child_exit write_failure(const struct run_options *options, const struct job_lease *lease,
                                     const struct err *why)
{
    struct err e = {0};
    struct pg *pg = NULL;
    enum child_exit written = CHILD_SPEECHLESS;
    bool again = err_info(why->code)->retryable || why->code == ERR_CANCELLED;
    int result = refit_connect(options->conninfo, &pg, &e);
    if (result == 0 && again)
        result = job_release(pg, lease, true, options->attempts, why->message, &e);
    else if (result == 0)
        result = job_end(pg, lease, JOB_FAILED, why, why->message, &e);
    if (result == 0)
        written = again ? CHILD_RELEASED : CHILD_FAILED;
    else
        log_err(LOG_ERROR, "job_unwritten", &e);
    pg_close(pg);
    return written;
}

enum child_exit run_job(const struct run_options *options, const struct uuid *job, const struct uuid *token)
{
    struct job_lease lease;
    struct err e = {0};
    struct pg *pg = NULL;
    struct refit_options refit = {options->conninfo, threads_for(options->threads)};
    if (refit_connect(options->conninfo, &pg, &e) < 0 || job_lease_find(pg, job, token, &lease, &e) < 0) {
        log_err(LOG_ERROR, "job_lease", &e);
        pg_close(pg);
        return CHILD_SPEECHLESS;
    }
    pg_close(pg);
    if (refit_run(&refit, &lease, &e) == 0)
        return CHILD_DONE;
    log_err(LOG_ERROR, "job_failed", &e);
    return e.code == ERR_LEASE_LOST ? CHILD_SPEECHLESS : write_failure(options, &lease, &e);
}
