/* evaluate: the work of an evaluate job: both policies answer the same prompts, and the groups judge the answers.
 *
 * Responses are plain samples, keyed by the seed, the prompt's text and their number; they are stored as candidates of
 * their items, tagged with their policy, so that people can be asked about the very same. Doing it again gives the same
 * responses and stores nothing twice, which is how an attempt goes on after a crash. The reference that divergences are
 * from is the policy's parent.
 *
 * Thread rule: once a process; the engine makes its own threads. */
#ifndef EGALIGN_JOBS_EVALUATE_H
#define EGALIGN_JOBS_EVALUATE_H

#include "jobs/run.h"

/* Does the job; the evaluation is published and the job done then. ERR_BAD_FILE when a checkpoint is not what was
 * registered any more, ERR_NOT_READY, ERR_INSUFFICIENT_DATA (no prompts). */
int evaluate_run(const struct job_context *job, struct err *err);

#endif
