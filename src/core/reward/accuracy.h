/* accuracy: how well the mixture and the single reward predict comparisons on items that they have not seen.
 *
 * Cross-fitted: for each item-disjoint fold both are fitted to the other folds; an annotator's posterior comes from
 * those too, so neither the text nor the judgement that is predicted has been used. A comparison counts for the group
 * that its annotator belongs to by that posterior (tempered, at least the threshold), under the full fit's numbering.
 * The choices of one annotator are alike, so the intervals rest on as many independent ones as they are worth. */
#ifndef EGALIGN_CORE_ACCURACY_H
#define EGALIGN_CORE_ACCURACY_H

#include "core/reward/folds.h"
#include "core/reward/study.h"

/* Fills the accuracies and calibrations of `fit`, whose k, ridges and temperature are set, and of its groups; `final`
 * is its mixture, groups in the fit's order. */
int accuracy_measure(struct study *st, const struct folds *folds, const struct mixture *final, struct fit *fit,
                     struct err *err);

#endif
