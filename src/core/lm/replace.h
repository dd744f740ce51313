/* replace: writes a file whole or not at all: a temporary beside it, fsync, rename, fsync of the folder.
 *
 * After a crash there is the old file or the new one, and perhaps a temporary `NAME.tmp-XXXXXX`. No shared state. */
#ifndef EGALIGN_CORE_LM_REPLACE_H
#define EGALIGN_CORE_LM_REPLACE_H

#include <stdio.h>

#include "base/err.h"

/* Calls write(file, context) for the contents of `path`; the file has mode 0644. Nothing changes on failure. */
int replace_file(const char *path, int (*write)(FILE *file, void *context, struct err *err), void *context,
                 struct err *err);

#endif
