/* folder: folders as wholes: made with those above them, flushed, removed with all that is in them.
 *
 * It refuses to follow symbolic links where it removes. No shared state. */
#ifndef EGALIGN_BASE_FOLDER_H
#define EGALIGN_BASE_FOLDER_H

#include "base/err.h"

/* As mkdir -p; folders that are there are fine. ERR_SYSTEM. */
int folder_make(const char *path, struct err *err);

/* Makes the names of what is in it last (fsync). ERR_SYSTEM. */
int folder_flush(const char *path, struct err *err);

/* Removes it with all that is in it; it need not be there. ERR_SYSTEM. */
int folder_remove(const char *path, struct err *err);

#endif
