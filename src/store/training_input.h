/* training_input: what training reads of a project: texts that its annotators preferred.
 *
 * Rows are handed over as they arrive, always in the same order for the same data. It refuses to keep anything. Views
 * last for the call that got them. Thread rule: as the connection. */
#ifndef EGALIGN_STORE_TRAINING_INPUT_H
#define EGALIGN_STORE_TRAINING_INPUT_H

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"

struct pg;

/* Hands over each response that was preferred in a comparison which counts, once, with its prompt. A negative answer of
 * `take` ends the reading, with its error. */
int training_input_preferred(struct pg *pg, const struct uuid *project,
                             int (*take)(void *context, struct str prompt, struct str response, struct err *err),
                             void *context, struct err *err);

#endif
