/* auth: who makes a request, and what that token may do; answered from memory.
 *
 * All live tokens are kept, by their SHA-256, and loaded again when the database says that they changed. A token is
 * found by its hash and compared in constant time. Its news may travel slower than its owner: before a well-formed
 * token is refused as unknown, the caller has the set loaded once more (tokens_refresh).
 *
 * Thread rule: every function from any thread. */
#ifndef EGALIGN_API_AUTH_H
#define EGALIGN_API_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"
#include "store/token.h"

struct pool;
struct tokens;

struct principal {
    bool known;      /* else nobody: a public operation */
    bool unheard_of; /* a well-formed token that is not in the set */
    struct uuid token;
    enum role role;
    bool scoped;         /* the token opens one project only */
    struct uuid project; /* which, when scoped */
    /* What is left of the token's requests this minute; limit 0 is no limit. */
    int64_t limit, remaining, reset_seconds;
};

/* An empty set that knows nothing yet; NULL when out of memory. */
struct tokens *tokens_new(int64_t requests_per_minute);
void tokens_free(struct tokens *t);

/* Replaces the set by what the database has. */
int tokens_reload(struct tokens *t, struct pool *pool, struct err *err);

/* As tokens_reload, unless that was begun since `since_ns` (clock_mono_ns): one load serves all who wait for it. Waits
 * for the database: not on an HTTP thread. */
int tokens_refresh(struct tokens *t, struct pool *pool, int64_t since_ns, struct err *err);

/* Whether a set has been loaded. */
bool tokens_ready(const struct tokens *t);

/* Finds who sent the Authorization header `header` (NULL when there is none), and counts the request against the rate
 * limit. ERR_UNAUTHENTICATED, ERR_RATE_LIMITED, or ERR_DATABASE_DOWN when no set has been loaded yet. */
int tokens_check(struct tokens *t, const char *header, struct principal *ret, struct err *err);

#endif
