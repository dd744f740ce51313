/* register: the work of a register job: reads a checkpoint directory whole and makes it a ready policy.
 *
 * Weights, tokenizer and template are loaded once, as a job that uses the policy will load them, so that a directory
 * that cannot be used never becomes ready: the job fails with what is wrong with which file. Where the weights in fp32
 * would take more than half of the memory, they are mapped instead. The files stay where they are; later uses compare
 * the digest. Thread rule: once a process. */
#ifndef EGALIGN_JOBS_REGISTER_H
#define EGALIGN_JOBS_REGISTER_H

#include "jobs/run.h"

/* Does the job; the policy is ready and the job done then. */
int register_run(const struct job_context *job, struct err *err);

#endif
