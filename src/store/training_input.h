/* training_input: what training reads of a project: texts that its annotators preferred, and prompts.
 *
 * Rows are handed over as they arrive, always in the same order for the same data. It refuses to keep anything. Views
 * last for the call that got them. Thread rule: as the connection. */
#ifndef EGALIGN_STORE_TRAINING_INPUT_H
#define EGALIGN_STORE_TRAINING_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"

struct pg;

/* Hands over each response that was preferred in a comparison which counts, once, with its prompt. A negative answer of
 * `take` ends the reading, with its error. */
int training_input_preferred(struct pg *pg, const struct uuid *project,
                             int (*take)(void *context, struct str prompt, struct str response, struct err *err),
                             void *context, struct err *err);

/* A prompt of an item. */
struct training_prompt {
    struct uuid item;
    struct str prompt; /* as a language model is given it */
    struct str read;   /* as a fit reads it: another text when it is a conversation */
};

/* Hands over the prompts of `count` items, or (items NULL) of at most `most` of the project's, by id. */
int training_input_prompts(struct pg *pg, const struct uuid *project, const struct uuid *items, size_t count,
                           int64_t most, int (*take)(void *context, const struct training_prompt *row, struct err *err),
                           void *context, struct err *err);

#endif
