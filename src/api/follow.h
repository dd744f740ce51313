/* follow: the logs of jobs as streams that go on until the job ends.
 *
 * One thread asks the database for new lines, when it is told that a job changed and every second anyway; the
 * connections are suspended in between. Lines are objects of NDJSON; a blank line every 15 seconds tells whether the
 * client is still there. At most FOLLOW_MOST streams at a time. Thread rule: follow_open and follow_wake from any
 * thread. */
#ifndef EGALIGN_API_FOLLOW_H
#define EGALIGN_API_FOLLOW_H

#include <microhttpd.h>

#include "base/err.h"
#include "base/uuid.h"

struct pool;
struct followers;

enum { FOLLOW_MOST = 64 };

/* Nobody follows yet. NULL with err on failure. */
struct followers *followers_new(struct pool *pool, struct err *err);

/* Ends every stream and the thread; the streams' responses may outlive it. */
void followers_stop(struct followers *f);
void followers_free(struct followers *f); /* after the last response is gone; NULL is fine */

/* The response that streams the log of a job from line `after` on. ERR_OVERLOADED when there are too many. */
int follow_open(struct followers *f, struct MHD_Connection *connection, const struct uuid *project,
                const struct uuid *job, int64_t after, struct MHD_Response **ret, struct err *err);

/* A job has changed: look at once. */
void follow_wake(struct followers *f);

#endif
