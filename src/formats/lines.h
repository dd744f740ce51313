/* lines: a file or pipe of NDJSON, gzipped or not, line by line in constant memory.
 *
 * "-" is standard input. What is gzipped shows by its first bytes. Limits and line numbers are those of base/ndjson.
 * Errors do not name the file: the caller does. Thread rule: one file, one thread. */
#ifndef EGALIGN_FORMATS_LINES_H
#define EGALIGN_FORMATS_LINES_H

#include <stdint.h>

#include "base/ndjson.h"

struct lines;

/* Opens; release with lines_close. NULL with err (ERR_SYSTEM) on failure. */
struct lines *lines_open(const char *path, size_t max_line, struct err *err);

/* 1 and the next line, 0 at the end, -1: ERR_BAD_FILE for a damaged or cut gzip stream, otherwise as ndjson_next. */
int lines_next(struct lines *l, struct ndjson_line *ret, struct err *err);

/* Bytes of the file that were read so far (compressed ones), for progress. */
int64_t lines_offset(const struct lines *l);

/* Size of the file in bytes; -1 when it is a pipe. */
int64_t lines_size(const struct lines *l);

/* Closes the file; the line last handed out is gone with it. NULL is allowed. */
void lines_close(struct lines *l);

#endif
