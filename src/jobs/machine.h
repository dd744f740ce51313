/* machine: what this machine has for a job. No shared state. */
#ifndef EGALIGN_JOBS_MACHINE_H
#define EGALIGN_JOBS_MACHINE_H

#include <stddef.h>

#include "base/err.h"

/* Bytes of memory. */
size_t machine_memory(void);

/* ERR_NO_MEMORY, with both figures, when `bytes` are more than the machine has. */
int machine_fits(size_t bytes, struct err *err);

#endif
