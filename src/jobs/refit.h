/* refit: the work of a fit job: load, fit, match with the fit before, publish.
 *
 * Too little data is an answer that is published like any other, not a failure. The result depends on the data, the
 * options and the program only. Progress goes to the job's row about once a second; when that fails because the
 * database is away, the fit goes on; when the lease is lost, it ends.
 *
 * Thread rule: one fit a process; the engine makes its own threads. */
#ifndef EGALIGN_JOBS_REFIT_H
#define EGALIGN_JOBS_REFIT_H

#include "jobs/run.h"

/* Does the job; it is done and published then. */
int refit_run(const struct job_context *job, struct err *err);

#endif
