/* finetune: the work of an sft job: a policy trained on examples.
 *
 * What the project's annotators preferred is written to a file in the job's folder when the job first starts, so that
 * every attempt learns from the same; a file that was named must stay as it is. Training goes on from the newest
 * checkpoint there, bit for bit as if nothing had happened. The figures of each step go into the job's series; the
 * result is published as the policy that the job was asked for, with what it was made from in its recipe.
 *
 * Thread rule: one job a process; the engine makes its own threads. */
#ifndef EGALIGN_JOBS_FINETUNE_H
#define EGALIGN_JOBS_FINETUNE_H

#include "jobs/run.h"

job_work finetune_run;

#endif
