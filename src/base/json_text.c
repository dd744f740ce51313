#include "base/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* A comma goes in front of whatever follows a complete value, and a complete value never ends like this. */
static void separate(struct buf *out)
{
    if (out->length && !strchr("{[:,\n", out->data[out->length - 1]))
        buf_char(out, ',');
}

static void text_add(struct buf *out, const char *text)
{
    separate(out);
    buf_text(out, text);
}

void json_open(struct buf *out, char bracket)
{
    separate(out);
    buf_char(out, bracket);
}

void json_close(struct buf *out, char bracket)
{
    buf_char(out, bracket);
}

void json_key(struct buf *out, const char *name)
{
    json_put_text(out, name);
    buf_char(out, ':');
}

static void escaped(struct buf *out, unsigned char c)
{
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    char two[2] = {'\\', (char)c};
    if (c < sizeof letters && letters[c])
        two[1] = letters[c];
    if (c >= 0x20 || two[1] != (char)c)
        buf_add(out, two, 2);
    else
        buf_printf(out, "\\u%04x", c);
}

void json_put_str(struct buf *out, struct str text)
{
    if (!text.ptr) {
        json_put_null(out);
        return;
    }
    separate(out);
    buf_char(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(out, text.ptr + from, i - from);
        escaped(out, c);
        from = i + 1;
    }
    buf_add(out, text.ptr + from, text.len - from);
    buf_char(out, '"');
}

void json_put_text(struct buf *out, const char *text)
{
    json_put_str(out, str_of(text));
}

void json_put_int(struct buf *out, int64_t value)
{
    separate(out);
    buf_printf(out, "%lld", (long long)value);
}

void json_put_real(struct buf *out, double value)
{
    char text[32];
    if (!isfinite(value)) {
        json_put_null(out);
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    text_add(out, text);
}

void json_put_bool(struct buf *out, bool value)
{
    text_add(out, value ? "true" : "false");
}

void json_put_null(struct buf *out)
{
    text_add(out, "null");
}

void json_put_uuid(struct buf *out, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];
    json_put_text(out, uuid_format(id, text));
}

void json_put_time(struct buf *out, int64_t wall_us)
{
    char text[CLOCK_RFC3339_SIZE];
    json_put_text(out, clock_rfc3339(wall_us, text));
}

void json_put_raw(struct buf *out, struct str json)
{
    separate(out);
    buf_add(out, json.ptr, json.len);
}

void json_member_str(struct buf *out, const char *name, struct str text)
{
    json_key(out, name);
    json_put_str(out, text);
}

void json_member_text(struct buf *out, const char *name, const char *text)
{
    json_key(out, name);
    json_put_text(out, text);
}

void json_member_int(struct buf *out, const char *name, int64_t value)
{
    json_key(out, name);
    json_put_int(out, value);
}

void json_member_real(struct buf *out, const char *name, double value)
{
    json_key(out, name);
    json_put_real(out, value);
}

void json_member_bool(struct buf *out, const char *name, bool value)
{
    json_key(out, name);
    json_put_bool(out, value);
}

void json_put_line_error(struct buf *out, const struct err *err)
{
    json_open(out, '{');
    json_member_int(out, "line", err->line);
    json_member_text(out, "pointer", err->pointer);
    json_member_text(out, "code", err_info(err->code)->wire);
    json_member_text(out, "detail", err->message);
    json_close(out, '}');
}
