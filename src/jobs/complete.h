/* complete: the work of a complete job: samples responses of a policy and stores them as candidates of their items.
 *
 * Prompts go through the template beside the model (core/align/dialogue), as in training. A sample is keyed by the
 * seed, the text of its prompt and its number, and by nothing else: not by its place in the job, what is sampled beside
 * it, or how often the job was started. All samples of a prompt are stored at once, and an attempt that goes on after a
 * crash leaves out the prompts that are stored (store/completion.h). What a model writes is stored as it is, but that
 * bytes which are no UTF-8 become U+FFFD.
 *
 * Thread rule: once a process; the engine makes its own threads. */
#ifndef EGALIGN_JOBS_COMPLETE_H
#define EGALIGN_JOBS_COMPLETE_H

#include "jobs/run.h"

/* Does the job; all responses are stored and it is done then. ERR_BAD_FILE when the checkpoint is not what was
 * registered any more. */
int complete_run(const struct job_context *job, struct err *err);

#endif
