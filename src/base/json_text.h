/* json_text: JSON text put together by hand into a struct buf, for replies.
 *
 * Commas are managed: a value or key that follows another one gets a comma in front, which is seen from the buffer's
 * last byte; so a buffer holds nothing but what these functions put there (or complete values, or lines that end with a
 * newline). It refuses to check nesting: every json_open needs its json_close. Failed allocations show in buf.failed.
 *
 * Thread rule: as the buffer. */
#ifndef EGALIGN_BASE_JSON_TEXT_H
#define EGALIGN_BASE_JSON_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"

void json_open(struct buf *out, char bracket);  /* '{' or '[' */
void json_close(struct buf *out, char bracket); /* '}' or ']' */

/* The next member's name, escaped as need be; its value must follow. */
void json_key(struct buf *out, const char *name);

void json_put_str(struct buf *out, struct str text);   /* UTF-8; escaped; a view with ptr NULL is null */
void json_put_text(struct buf *out, const char *text); /* the same of a C string; NULL is null */
void json_put_int(struct buf *out, int64_t value);
void json_put_real(struct buf *out, double value);     /* fewest digits that read back the same; not finite: null */
void json_put_bool(struct buf *out, bool value);
void json_put_null(struct buf *out);
void json_put_uuid(struct buf *out, const struct uuid *id);
void json_put_time(struct buf *out, int64_t wall_us); /* RFC 3339, UTC, microseconds */
void json_put_raw(struct buf *out, struct str json);  /* a complete JSON value, verbatim */

/* A member: json_key and the value. */
void json_member_str(struct buf *out, const char *name, struct str text);
void json_member_text(struct buf *out, const char *name, const char *text);
void json_member_int(struct buf *out, const char *name, int64_t value);
void json_member_real(struct buf *out, const char *name, double value);
void json_member_bool(struct buf *out, const char *name, bool value);

/* {"line", "pointer", "code", "detail"} of what is wrong with one line of many. */
void json_put_line_error(struct buf *out, const struct err *err);

#endif
