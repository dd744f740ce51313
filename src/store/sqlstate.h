/* sqlstate: the one place that says what an SQLSTATE of PostgreSQL (its errcodes.txt) means here.
 *
 * Constant data: any thread. */
#ifndef EGALIGN_STORE_SQLSTATE_H
#define EGALIGN_STORE_SQLSTATE_H

#include "base/err.h"

/* The project's code for five characters of SQLSTATE. ERR_DATABASE_CONFLICT is the soft kind: the same transaction may
 * succeed when it runs again. What is not listed can only come of a defect: ERR_INTERNAL. */
enum err_code sqlstate_code(const char *sqlstate);

#endif
