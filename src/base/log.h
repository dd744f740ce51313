/* log: one line per event on standard error, as text or as JSON.
 *
 * Only api, jobs and cli log; base, core and store return errors instead. A line is one write(2), so lines of several
 * threads and processes do not mix. Texts and tokens of people are never logged. */
#ifndef EGALIGN_BASE_LOG_H
#define EGALIGN_BASE_LOG_H

#include <stdbool.h>

#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Set once in main, before threads. */
void log_setup(enum log_level least, bool json);

/* `event` is a stable name such as "http_request"; the message is for people. */
void log_event(enum log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Logs a failure once, with its code: what was being done, then the error's message. */
void log_err(enum log_level level, const char *event, const struct err *e);

/* Reads "debug", "info", "warning" or "error"; -1 on anything else. */
int log_level_of(const char *name);

#endif
