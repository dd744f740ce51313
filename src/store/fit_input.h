/* fit_input: what a fit reads: a project's responses, annotators and comparisons, in one snapshot.
 *
 * Rows are handed over as they arrive, first the responses (item by item), then the annotators, then the comparisons in
 * the order in which they were made (judged_at, or else when they came). Ids ascend, so the same data come in the same
 * order. Skips and undone comparisons are left out, and so are responses that nobody compared. Prompts that are
 * messages come as plain text, their contents by lines.
 *
 * It refuses to keep anything. Views last for the call that got them. Thread rule: as the connection. */
#ifndef EGALIGN_STORE_FIT_INPUT_H
#define EGALIGN_STORE_FIT_INPUT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include "store/fit.h"

struct pg;

struct fit_input_response {
    struct uuid id, item;
    struct str text;
    struct str policy; /* ptr NULL when not told */
    bool new_item;     /* the first response of its item */
    struct str prompt; /* only then */
};

enum fit_input_outcome { FIT_INPUT_A, FIT_INPUT_B, FIT_INPUT_TIE, FIT_INPUT_BOTH_BAD };

struct fit_input_comparison {
    struct uuid id, annotator, a, b;
    enum fit_input_outcome outcome;
    int strength; /* 1 .. 3; 0 when not told */
};

/* Who takes the rows; a negative answer ends the reading, with the callback's error. */
struct fit_input_reader {
    int (*response)(void *context, const struct fit_input_response *row, struct err *err);
    int (*annotator)(void *context, const struct uuid *annotator, struct err *err);
    int (*comparison)(void *context, const struct fit_input_comparison *row, struct err *err);
    void *context;
};

/* Reads all of it; *ret says which state of the data that was. The connection must be idle; after a failure it may be
 * closed. */
int fit_input_read(struct pg *pg, const struct uuid *project, const struct fit_input_reader *reader,
                   struct fit_data *ret, struct err *err);

#endif
