/* fit_document: what a fit found, as the JSON documents that are stored with it.
 *
 * evidence  {"reason", "forced", "by_k": [{"k", "held_out", "standard_error", "gain", "gain_error", "permutation_p",
 * "train"}],
 *              "ridges": [{"ridge", "pooled", "mixture"}]}
 *   summary   {"accuracy": {"group": P, "single": P}, "fold_unit", "calibration": {"error", "bins": [{"n", "predicted",
 * "observed"}]}, "temperature", "ridge_pooled", "tie_parameter", "assignment", "ties", "iterations", "restarts",
 *              "items", "responses", "dimension"}
 *   group     {"accuracy": {"group": P, "single": P}, "expected_size", "tv_mixture", "tv": [to each group]}
 *   warnings  [sentence]
 * P is {"n", "rate", "low", "high"}. A figure that does not apply is null.
 *
 * Each function appends one document; lack of memory shows in out->failed. Pure. */
#ifndef EGALIGN_JOBS_FIT_DOCUMENT_H
#define EGALIGN_JOBS_FIT_DOCUMENT_H

#include "base/buf.h"
#include "core/reward/fit.h"

/* One function for each of the four. */
void fit_document_evidence(struct buf *out, const struct fit *f);
void fit_document_summary(struct buf *out, const struct fit *f);
void fit_document_group(struct buf *out, const struct fit *f, int group);
void fit_document_warnings(struct buf *out, const struct fit *f);

#endif
