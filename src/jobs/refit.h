/* refit: the work of a fit job: load, fit, match with the fit before, publish.
 *
 * Too little data is an answer that is published like any other, not a failure. The result depends on the data, the
 * options and the program only. Progress goes to the job's row about once a second; when that fails because the
 * database is away, the fit goes on; when the lease is lost, it ends.
 *
 * Thread rule: one fit a process; the engine makes its own threads. */
#ifndef EGALIGN_JOBS_REFIT_H
#define EGALIGN_JOBS_REFIT_H

#include "base/err.h"
#include "store/job.h"

struct pg;

struct refit_options {
    const char *conninfo;
    int threads; /* at least 1 */
};

/* Does the job that `lease` holds; on success it is done and published. Any other error is for the caller to write into
 * the job. */
int refit_run(const struct refit_options *options, const struct job_lease *lease, struct err *err);

/* Connects for a job: no statement timeout, and a deadline that leaves room for long reads. */
int refit_connect(const char *conninfo, struct pg **ret, struct err *err);

#endif
