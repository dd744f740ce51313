/* standing: how the policies of a project stand with its groups, over all of its evaluations.
 *
 *   "evaluations": [{"evaluation", "policy", "against", "objective", "as_of", "by", "judge": status,
 *                    "groups": [{"group", "n", "rate", "low", "high", "bootstrap_low", "bootstrap_high",
 *                                "training_rate", "human": {"n", "rate", "low", "high"}, "single_at_equal_kl"}],
 *                    "worst_off", "least", "mean", "gap", "kl", "kl_error", "price_of_fairness", "compared_with"}],
 *   "history": [{"evaluation", "policy", "against", "as_of", "by", "least", "mean", "gap", "kl"}]
 *
 * Of each policy against each other the newest evaluation stands in the first list; all of them, oldest first, in the
 * second. Rates are the held-out judge's; where it has no word on every group, they are those of the training reward,
 * and "by" says so. The single-reward policies judged against the same opponent by the same means are the yardstick:
 * "price_of_fairness" is the mean rate of the best-standing one (by mean; a utilitarian `average` where there is none)
 * less this policy's; "single_at_equal_kl" what they would win at this policy's divergence from its reference, by
 * evaluate_rate_at from the reference itself and those there are; null where that is farther than any of them went.
 *
 * Pure: the same evaluations give the same bytes. One thread. */
#ifndef EGALIGN_JOBS_STANDING_H
#define EGALIGN_JOBS_STANDING_H

#include "base/buf.h"
#include "base/err.h"
#include "store/evaluation.h"

enum { STANDING_HISTORY = 500 }; /* the newest so many */

/* Has the form that evaluation_store wants; `context` is not used. ERR_NO_MEMORY; ERR_INTERNAL when a stored document
 * is not one. */
int standing_write(void *context, int count, const struct evaluation_figures *all, struct buf *out, struct err *err);

#endif
