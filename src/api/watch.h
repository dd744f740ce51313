/* watch: an absolute deadline for every connection, kept by one thread (the reaper).
 *
 * The timeout of the HTTP library counts only idle time: one byte a second holds a connection for ever. Here each
 * connection has a point in time by which what is going on must be over; the reaper then shuts the socket down, and the
 * library cleans up. A request that is being carried out has no deadline here: the database's covers it.
 *
 * It refuses to close sockets (they are the library's). A struct watch is made when a connection opens and freed when
 * it closes, by the library's thread. Thread rule: all functions may be called by any thread; a watch is used only
 * between its open and its close. */
#ifndef EGALIGN_API_WATCH_H
#define EGALIGN_API_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct watch;
struct reaper;

struct reaper *reaper_new(struct err *err);
void reaper_free(struct reaper *r); /* every watch must be closed before; NULL is fine */

/* A connection was opened on socket `fd`: it must have sent a request's head within `seconds`. NULL when there is no
 * memory: the connection then has no deadline. */
struct watch *watch_open(struct reaper *r, int fd, int64_t seconds);
void watch_close(struct watch *w); /* before its socket is closed; NULL is fine */

/* The connection has `seconds` from now; 0 means no deadline. */
void watch_set(struct watch *w, int64_t seconds);

/* As watch_set; when time runs out, `last_word` (constant bytes of an HTTP answer) is sent before the socket is shut.
 */
void watch_set_answering(struct watch *w, int64_t seconds, const char *last_word);

/* Sends `length` bytes to the client at once and ends our side of the connection, for an answer that has to overtake a
 * body that is still arriving. The client has five more seconds to notice. */
void watch_last_word(struct watch *w, const char *bytes, size_t length);

#endif
