/* anchored: the rewards of a fit's groups, anchored on what the reference policy answers: what a ppo job trains for.
 *
 * Opens what rewards: the heads of a fit, with the language model that makes their features where they need one, or a
 * set of reward models that a reward job made of the fit; and anchors it on references (core/align/group_rewards.h).
 * Beside scores it tells how often a response beats the references: anchoring keeps the order of the responses to a
 * prompt, so that is the groups' own word.
 *
 * Texts that a model wrote may hold bytes that are no UTF-8; those are scored as people would see them (buf_readable).
 * Owned by the job; one thread. */
#ifndef EGALIGN_JOBS_ANCHORED_H
#define EGALIGN_JOBS_ANCHORED_H

#include "core/align/group_rewards.h"
#include "core/align/ppo.h"
#include "jobs/reporter.h"
#include "store/fit_read.h"
#include "store/policy.h"

struct anchored;

/* Opens the rewards of `fit`: its heads, or the reward models `models` (NULL: none), whose files were checked.
 * ERR_BAD_FILE; ERR_NO_MEMORY; ERR_UNKNOWN_REFERENCE and ERR_NOT_READY when the policy whose states are the features is
 * not there any more. */
int anchored_open(struct reporter *reporter, const struct fit_published *fit, const struct policy *models,
                  struct anchored **ret, struct err *err);

/* Bytes that reward models take; 0 for the heads of a fit. */
size_t anchored_bytes(const struct anchored *a);

/* Frees what was opened; NULL is fine. */
void anchored_free(struct anchored *a);

/* Anchors on references, which must stay as long as `a`. Errors as group_rewards_new. */
int anchored_on(struct anchored *a, enum anchor anchor, const struct reference_set *references, struct err *err);

/* A ppo_score; the context is the struct anchored. */
ppo_score anchored_score;

/* ret[K]: the share of pairs (episode, reference of its prompt) that the episode wins in each group, ties as half.
 * scores[n][K + 1] are those that anchored_score gave. */
void anchored_win_rates(const struct anchored *a, int n, const struct ppo_episode *episodes, const double *scores,
                        double *ret);

#endif
