/* selection: the ridge and the number of groups, by what they say about comparisons that were held out.
 *
 * For the reward wing; one thread (that of the study). */
#ifndef EGALIGN_CORE_SELECTION_H
#define EGALIGN_CORE_SELECTION_H

#include "core/reward/folds.h"
#include "core/reward/study.h"

/* Tries the grid from its largest value down on item-disjoint folds (three at most), for the single reward and for two
 * groups (or the forced number), each run warm-started from the ridge before. Fills path and the two best ridges. */
int selection_ridge(struct study *st, const struct folds *folds, struct fit *fit, struct err *err);

/* The number of groups: each K's fit to the first three quarters of every annotator's comparisons is judged on the last
 * quarter. The smallest K within one standard error of the best is the candidate; more than one group must also beat
 * permuted annotator ids, fitted with the same K, ridges and effort (neither the choice of the ridge nor that of the
 * candidate is made again for each). Fills evidence, reason, temperature and k. When k is forced only the temperature
 * is chosen. */
int selection_groups(struct study *st, struct fit *fit, struct err *err);

#endif
