/* rebase: the work of a rebase job: a policy shaped by what the groups of a fit prefer.
 *
 * The comparisons of the annotators whom the fit has seen, weighted by their posteriors, train one backbone with a
 * reward head for each group. They are read and made tokens when the job first starts and kept in its folder, so that
 * every attempt learns from the same, and goes on from the newest checkpoint bit for bit. The result, without the
 * heads, becomes the policy that the job was asked for: an encoder for fits. Its held-out accuracies, on items that it
 * has not seen, are the honest ones: a refit's folds hold items on which the backbone was trained.
 *
 * Thread rule: one job a process; the engine makes its own threads. */
#ifndef EGALIGN_JOBS_REBASE_H
#define EGALIGN_JOBS_REBASE_H

#include "jobs/run.h"

job_work rebase_run;

#endif
