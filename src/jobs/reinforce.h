/* reinforce: the work of a ppo job: a policy trained for the groups of a fit.
 *
 * Loads the reference policy and the fit's rewards, draws prompts and reference responses once (references.h), anchors
 * the rewards on them, and makes updates until the end, a signal or a failure. Each update's figures go into the job's
 * series, some of its completions now and then too. Checkpoints lie in the job's folder; an attempt goes on from the
 * newest, bit for bit as if nothing had happened. An update that fails (a figure that is not finite, a divergence above
 * the limit) ends the job with the reason, and with a checkpoint of the state before it.
 *
 * Thread rule: one job a process; the engine makes its own threads. */
#ifndef EGALIGN_JOBS_REINFORCE_H
#define EGALIGN_JOBS_REINFORCE_H

#include "jobs/run.h"

job_work reinforce_run;

#endif
