/* progress: one line on a terminal that says how far a long command has come, and is wiped at its end.
 *
 * It refuses to write where standard error is no terminal: in a pipe or a log, commands are quiet. A zeroed struct is
 * ready. One thread. */
#ifndef EGALIGN_CLI_PROGRESS_H
#define EGALIGN_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    int64_t due_ns; /* monotonic: when it may be shown again; 0 before the first call */
    bool shown;
};

/* Shows the text in place of the one before, twice a second at most and not at once: what is over soon shows nothing.
 * Cheap enough to be called for every line. */
void progress_show(struct progress *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Wipes what was shown. */
void progress_end(struct progress *p);

#endif
