/* lab_sweep: how `egalign lab sweep` prints what it measured. One thread. */
#ifndef EGALIGN_CLI_LAB_SWEEP_H
#define EGALIGN_CLI_LAB_SWEEP_H

#include <stdbool.h>

#include "core/lab/ratios.h"

/* Writes the rows to standard output, as a table or as one JSON document. */
void lab_sweep_print(const struct ratio_row rows[RATIOS], bool json);

#endif
