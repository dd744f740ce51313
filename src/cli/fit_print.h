/* fit_print: the result of an offline fit, as a table for people or as JSON.
 *
 * Writes into a buffer; the caller prints it. */
#ifndef EGALIGN_CLI_FIT_PRINT_H
#define EGALIGN_CLI_FIT_PRINT_H

#include "base/buf.h"
#include "core/reward/fit.h"

/* Lack of memory shows in out->failed. */
void fit_print_table(struct buf *out, const struct fit *f);

/* The members that a fit has in the API (GET .../fits/{fit}), by the same names, as far as they are known here; then
 * `memberships` (as GET .../memberships, with the ordinal of the group in place of its id), `tied` comparisons, and the
 * likelihood's `trace`. `model`: the folder of the encoder, NULL for hashed features; `name`[f->annotators]: the
 * annotators' names. */
void fit_print_json(struct buf *out, const struct fit *f, const char *model, char *const *name);

#endif
