/* examples: files of {"prompt", "response"} or {"text"}, one JSON object a line, gzipped or not, for who trains and
 * scores language models. Other members are passed over; it refuses lines that are neither. One thread. */
#ifndef EGALIGN_FORMATS_EXAMPLES_H
#define EGALIGN_FORMATS_EXAMPLES_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct example {
    struct str prompt; /* ptr NULL where the line has a text */
    struct str text;   /* the response, or the text */
    long line;         /* 1-based */
};

/* Calls take for every line, until it fails. The views are good during the call. ERR_INSUFFICIENT_DATA for a file
 * without lines; otherwise as lines_next and json_read, with the file and the line in the message. */
int examples_read(const char *path, int (*take)(void *context, const struct example *e, struct err *err), void *context,
                  struct err *err);

#endif
