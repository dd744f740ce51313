/* fit_print: the result of an offline fit, as a table for people or as JSON.
 *
 * Writes into a buffer; the caller prints it. */
#ifndef EGALIGN_CLI_FIT_PRINT_H
#define EGALIGN_CLI_FIT_PRINT_H

#include "base/buf.h"
#include "core/reward/fit.h"

/* `name`[f->annotators] are the annotators' names. Lack of memory shows in out->failed. */
void fit_print_table(struct buf *out, const struct fit *f);
void fit_print_json(struct buf *out, const struct fit *f, char *const *name);

#endif
