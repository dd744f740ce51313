/* stream: the NDJSON stream of one request, of any length, in constant memory.
 *
 * The HTTP thread appends what arrives to one buffer; a thread of the `batchers` executor works on another: cuts lines,
 * reads them into records, and gives them to store/ingest, which may wait for the database. When the first buffer is
 * full and the second still being worked on, the connection is suspended: that is the back-pressure. What cannot go on
 * (a lost database) is answered at once, ahead of the end of the stream.
 *
 * It refuses to store anything itself. Owned by its request; when the client goes away while a thread works on it, that
 * thread frees it. Thread rule: stream_open, _take, _end and _free on the HTTP thread of the request. */
#ifndef EGALIGN_API_STREAM_H
#define EGALIGN_API_STREAM_H

#include <microhttpd.h>

#include "base/err.h"

struct stream;
struct request;

/* Makes r->stream. */
int stream_open(struct request *r, struct err *err);

/* Takes data[0 .. *size), or nothing when the connection had to be suspended; *size is what is left. */
enum MHD_Result stream_take(struct request *r, const char *data, size_t *size);

/* The stream has ended: the request is suspended and will be finished. */
void stream_end(struct request *r);

/* The request is over. NULL is fine. */
void stream_free(struct stream *b);

#endif
