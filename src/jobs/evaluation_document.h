/* evaluation_document: what an evaluation found, as the JSON document that is stored with it.
 *
 *   {"prompts", "samples", "pairs", "max_tokens", "temperature", "seed",
 *    "judge": {"status": "ok" | "insufficient_annotators", "reason", "held_out_annotators", "annotators",
 *              "comparisons", "groups", "replicates", "interval"},
 *    "groups": [{"id", "ordinal", "name", "weight",
 *                "judge": {"matched", "reason", "agreement", "same_choice", "runner_up", "expected_size"} or null,
 *                "win_rate": R or null, "training": R, "human": R}],
 *    "single": {"win_rate": R or null, "training": R}, "human": R,
 *    "standing": {"by": "judge" | "training", "worst_off", "least", "mean", "gap"},
 *    "kl": {"reference": name or null, "reason", "policy": {"n", "mean", "error"} or null, "against": the same}}
 *
 * R is {"n", "effective_n", "wins", "ties", "rate", "low", "high", "bootstrap_low", "bootstrap_high"}: pairs, how many
 * independent ones they are worth, for several samples of a prompt are alike, Wilson's interval on that number, and
 * that of the bootstrap over the judge's annotators and the prompts, null where there is none. "win_rate" is the
 * held-out judge's word, "training" that of the reward that the policy may have been trained on, "human" counts
 * people's own comparisons between responses of the two policies. The standing is the judge's where it has a word on
 * every group.
 *
 * Appends one document; lack of memory shows in out->failed. Pure. */
#ifndef EGALIGN_JOBS_EVALUATION_DOCUMENT_H
#define EGALIGN_JOBS_EVALUATION_DOCUMENT_H

#include "base/buf.h"
#include "formats/evaluate_options.h"
#include "jobs/judging.h"

/* The divergence of the two policies from the reference. */
struct evaluation_kl {
    const char *reference; /* name; NULL: none, and why */
    char reason[160];
    struct mean_error policy, against; /* n 0: not known */
};

/* Appends the document of `j`, which is complete, on `prompts` prompts. */
void evaluation_document(struct buf *out, const struct evaluate_options *o, int prompts, const struct judging *j,
                         const struct evaluation_kl *kl);

#endif
