/* reward: the work of a reward job: a reward model for each group of a fit, and a single one for all.
 *
 * From a policy, EM over the annotators whom the fit has seen fine-tunes K + 1 models (core/align/reward_em.h,
 * Algorithm 2 of arXiv 2402.08925); the fit says who belongs where at first. What is learnt is read and made tokens
 * when the job first starts and kept in its folder, so that every attempt learns from the same, and goes on after the
 * last whole iteration bit for bit; a stop gives up the one under way. The result is a policy of the role `reward`, its
 * groups numbered as the fit's, which a ppo job can be rewarded by. What the recipe says of accuracy is on items that
 * none of the models has seen; the fit, by which groups began, has.
 *
 * Thread rule: one job a process; the engine makes its own threads. */
#ifndef EGALIGN_JOBS_REWARD_H
#define EGALIGN_JOBS_REWARD_H

#include "jobs/run.h"

job_work reward_run;

#endif
