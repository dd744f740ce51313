/* fit_document: what a fit found, as the JSON documents that are stored with it.
 *
 *   evidence  {"reason", "forced", "by_k": [{"k", "held_out", "standard_error", "gain", "gain_error", "permutation_p",
 * "train"}],
 *              "ridges": [{"ridge", "pooled", "mixture"}]}
 *   summary   {"accuracy": {"group": P, "single": P}, "fold_unit",
 *              "calibration": {"error", "bins": [{"n", "predicted", "observed"}], "single": C}, "temperature",
 *              "ridge_pooled", "tie_parameter", "assignment", "ties", "iterations", "restarts", "items", "responses",
 *              "dimension", "policy", "encoder_digest"}
 *   group     {"accuracy": {"group": P, "single": P}, "calibration": {"group": C, "single": C}, "expected_size",
 *              "tv_mixture", "tv": [to each group]}
 *   warnings  [sentence]
 * P is {"n", "rate", "low", "high"}, C is {"n", "nll", "brier", "error", "temperature", "tempered_nll"} on held-out
 * comparisons: of the group's own reward, and of the single one, on those of its members. A figure that does not apply
 * is null.
 *
 * Each function appends one document; lack of memory shows in out->failed. Pure. */
#ifndef EGALIGN_JOBS_FIT_DOCUMENT_H
#define EGALIGN_JOBS_FIT_DOCUMENT_H

#include "base/buf.h"
#include "core/reward/fit.h"

/* One function for each of the four. `policy` is the name of the one whose states are the features; NULL: hashed. */
void fit_document_evidence(struct buf *out, const struct fit *f);
void fit_document_summary(struct buf *out, const struct fit *f, const char *policy);
void fit_document_group(struct buf *out, const struct fit *f, int group);
void fit_document_warnings(struct buf *out, const struct fit *f);

/* Appends the member "calibration": {"group": C, "single": C}. */
void fit_document_calibration(struct buf *out, const struct calibration *group, const struct calibration *single);

/* Why there are so many groups: "groups_found" or "one_group_suffices". */
const char *fit_document_verdict(const struct fit *f);

#endif
