/* send: the one exit of a request: its reply to the HTTP library, then its log line and the counters.
 *
 * Thread rule: on the HTTP thread of the request. */
#ifndef EGALIGN_API_SEND_H
#define EGALIGN_API_SEND_H

#include "api/request.h"

/* Hands r->reply to the library; its parts are taken over. MHD_NO when that fails: the connection is then closed. */
enum MHD_Result send_reply(struct request *r);

/* Appends the bytes of a whole HTTP answer with the problem `err`, for when the library's way is barred; request_id
 * may be "". */
void send_render_problem(struct buf *out, const struct err *err, const char *request_id);

/* Writes the log line of a request that is over, and counts it. */
void send_account(const struct request *r, bool complete);

#endif
