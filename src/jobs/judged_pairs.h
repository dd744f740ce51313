/* judged_pairs: the comparisons of a project as data for reward heads, or for EM over reward models.
 *
 * Of annotators whom a fit has seen, weighted by their posteriors. Which items are held out is drawn from their ids, so
 * it does not change when items come. No shared state. */
#ifndef EGALIGN_JOBS_JUDGED_PAIRS_H
#define EGALIGN_JOBS_JUDGED_PAIRS_H

#include "core/align/reward_em_data.h"
#include "store/fit_posteriors.h"

struct pg;

/* Reads them in one snapshot into `data`, whose `longest` is set. The connection must be idle. */
int judged_pairs_read(struct pg *pg, const struct uuid *project, const struct fit_posteriors *posteriors,
                      const struct dialogue *dialogue, double held_out, struct reward_data *data, struct err *err);

/* The same by annotator, with the posteriors. */
int judged_comparisons_read(struct pg *pg, const struct uuid *project, const struct fit_posteriors *posteriors,
                            const struct dialogue *dialogue, double held_out, struct reward_em_data *data,
                            struct err *err);

#endif
