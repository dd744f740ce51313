/* settings: the options of a fit as the engine takes them, from the options as people write them.
 *
 * What was not given keeps the engine's default. Pure. */
#ifndef EGALIGN_JOBS_SETTINGS_H
#define EGALIGN_JOBS_SETTINGS_H

#include "base/err.h"
#include "core/reward/fit.h"
#include "formats/fit_options.h"

/* Fills *ret and lets the engine check it: ERR_INVALID_VALUE with a pointer. *ret_buckets is for dataset_new_hashed, 0
 * when not given. */
int settings_apply(const struct fit_settings *s, int threads, struct fit_options *ret, int *ret_buckets,
                   struct err *err);

#endif
