/* listen: hears what other processes tell through PostgreSQL's NOTIFY, on a thread of its own.
 *
 * One connection listens on the channels egalign_token, egalign_fit and egalign_job. When it is lost it is made again
 * with back-off (50 ms to 5 s); notifications of the meantime are lost, so after every connection, the first included,
 * the callback is told that all may have changed. A connection that is silent is probed every 10 s, so that a frozen or
 * vanished server is noticed.
 *
 * The callback runs on the thread of the listener: it is to be short, and must not stop the listener. */
#ifndef EGALIGN_STORE_LISTEN_H
#define EGALIGN_STORE_LISTEN_H

#include "base/err.h"

struct listener;

enum listen_channel {
    LISTEN_ALL, /* a new connection: anything may have changed; the payload is "" */
    LISTEN_TOKEN,
    LISTEN_FIT,
    LISTEN_JOB,
    LISTEN_LOST, /* the connection was lost, or could not be made; the payload says why. For the log and for readiness
                  */
};

typedef void listen_callback(enum listen_channel channel, const char *payload, void *context);

/* Starts listening on `conninfo` (copied) and returns at once; the connection is made by the thread. */
int listen_start(const char *conninfo, listen_callback *callback, void *context, struct listener **ret,
                 struct err *err);

/* The server is known to be up: try again now. Any thread. */
void listen_retry_now(struct listener *l);

/* Ends the thread, waits for it (at most about the two seconds of an attempt to connect) and frees. NULL is allowed. */
void listen_stop(struct listener *l);

#endif
