/* cors: which web pages of other origins may call the API from a browser: those of `cors_origins`, exactly.
 *
 * No wildcard, no credentials mode: callers send a bearer token. No shared state. */
#ifndef EGALIGN_API_CORS_H
#define EGALIGN_API_CORS_H

#include "api/reply.h"

/* Adds the fields of a cross-origin answer when `origin` (NULL: no such header) is one of `allowed`, a comma-separated
 * list. `origin` must live as long as the reply. True when it is allowed. */
bool cors_answer(struct reply *r, const char *allowed, const char *origin);

/* Adds the fields of the answer to a preflight, for a path with the methods `allow`. */
void cors_preflight(struct reply *r, const char *allow);

#endif
