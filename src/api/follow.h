/* follow: streams that go on. What a job tells, until it ends: its log as NDJSON, or everything as server-sent events.
 * What happens in a project, without an end: server-sent events.
 *
 * One thread asks the database for what is new, when it is told that a job changed and every second anyway; the
 * connections are suspended in between. A blank line (in events: a comment) every 15 seconds tells whether the client
 * is still there. Events of a job are `log`, `metrics` and `state`; each has the id "LINE-STEP" of how far the client
 * is then, from which a later stream goes on (Last-Event-ID). The state follows what there is at first, and then each
 * change of it. Events of a project are named by their kind (store/event.h) and have their number as id, and so has the
 * beginning of the stream, so that a client which is cut off before the first one misses nothing either. At most
 * FOLLOW_MOST streams at a time. Thread rule: follow_open and follow_wake from any thread. */
#ifndef EGALIGN_API_FOLLOW_H
#define EGALIGN_API_FOLLOW_H

#include <microhttpd.h>

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include "store/job_series.h"

struct pool;
struct followers;

enum follow_what { FOLLOW_LOG, FOLLOW_EVENTS, FOLLOW_PROJECT };

enum { FOLLOW_MOST = 64 };

/* Nobody follows yet. NULL with err on failure. */
struct followers *followers_new(struct pool *pool, struct err *err);

/* Ends every stream and the thread; the streams' responses may outlive it. */
void followers_stop(struct followers *f);
void followers_free(struct followers *f); /* after the last response is gone; NULL is fine */

/* The response that streams what a job tells from `after` on (the log: after that line), or what happens in the project
 * (`job` is NULL) after event number `after.line`. ERR_OVERLOADED when there are too many. */
int follow_open(struct followers *f, struct MHD_Connection *connection, enum follow_what what,
                const struct uuid *project, const struct uuid *job, struct job_cursor after, struct MHD_Response **ret,
                struct err *err);

/* Reads the id of an event; false when it is none. */
bool follow_cursor(struct str id, struct job_cursor *ret);

/* Something has changed: look at once. */
void follow_wake(struct followers *f);

#endif
