/* held_out: which annotators a fit does not see, so that others can judge what was trained on it.
 *
 * An annotator's lot is drawn once and for ever, from their id: they are held out of a fit that holds out the share s
 * when their lot, uniform in [0, 1), is below s. So who is held out does not change when people come or data grow, a
 * fit that holds out less sees all that one sees that holds out more, and a judge never is among those that any earlier
 * fit of the same share was trained on. Pure. */
#ifndef EGALIGN_JOBS_HELD_OUT_H
#define EGALIGN_JOBS_HELD_OUT_H

#include <stdbool.h>

#include "base/uuid.h"

/* Which annotators of a project are read. */
enum annotator_part { ANNOTATORS_TRAIN, ANNOTATORS_HELD_OUT };

/* The lot of an annotator, 0 .. 1 (1 excluded). */
double held_out_lot(const struct uuid *annotator);

/* Whether an annotator is in a part, when `share` (0 .. 1) are held out. */
bool held_out_is_in(const struct uuid *annotator, double share, enum annotator_part part);

#endif
