/* framing: the checks of a request's header section that the HTTP library leaves out, against request smuggling.
 *
 * libmicrohttpd 0.9.75 accepts Content-Length beside Transfer-Encoding, two Content-Lengths, and Transfer-Encodings
 * that it does not know; a proxy in front may read such a request differently. (It also cuts a value at a NUL and takes
 * a bare LF, which cannot be seen from here.) Whoever finds one answers 400 and closes. It refuses what is doubtful and
 * repairs nothing. No shared state. */
#ifndef EGALIGN_API_FRAMING_H
#define EGALIGN_API_FRAMING_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* What the framing says of the body. */
struct framing {
    bool has_length, chunked, expects_continue;
    int64_t length;                /* when has_length */
    int hosts, lengths, encodings; /* header fields seen */
};

/* ERR_INVALID_REQUEST when the request must be refused and the connection closed. `version` is "HTTP/1.1" or the like.
 */
int framing_check(struct MHD_Connection *connection, const char *version, struct framing *ret, struct err *err);

/* Whether a body follows the header section. */
static inline bool framing_has_body(const struct framing *f)
{
    return f->chunked || (f->has_length && f->length > 0);
}

#endif
