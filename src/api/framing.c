#include "api/framing.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"

struct scan {
    struct framing *framing;
    struct err *err;
    bool bad;
};

/* A field name is a token (RFC 9110, 5.6.2): this refuses "Content-Length " and the like. */
static bool is_token(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return length > 0;
}

static bool has_control(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f)
            return true;
    return false;
}

static int take_length(struct framing *f, struct str value, struct err *err)
{
    f->lengths++;
    f->has_length = true;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return err_set(err, ERR_INVALID_REQUEST, "Content-Length is not a number");
    if (!str_to_int64(value, &f->length))
        return err_set(err, ERR_INVALID_REQUEST, "Content-Length is not a number");
    return 0;
}

static int take_field(struct framing *f, const char *name, struct str value, struct err *err)
{
    if (strcasecmp(name, "Content-Length") == 0)
        return take_length(f, value, err);
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        f->encodings++;
        f->chunked = value.len == 7 && strncasecmp(value.ptr, "chunked", 7) == 0;
        return f->chunked ? 0 : err_set(err, ERR_INVALID_REQUEST, "Transfer-Encoding may only be chunked");
    }
    if (strcasecmp(name, "Expect") == 0) {
        f->expects_continue = true;
        return 0;
    }
    f->hosts += strcasecmp(name, "Host") == 0;
    return 0;
}

static enum MHD_Result scan_field(void *context, enum MHD_ValueKind kind, const char *name, size_t name_length,
                                  const char *value, size_t length)
{
    (void)kind;
    struct scan *s = context;
    struct str text = {value ? value : "", value ? length : 0};
    if (!is_token(name, name_length) || has_control(text.ptr, text.len))
        s->bad = err_set(s->err, ERR_INVALID_REQUEST, "a header field is malformed") < 0;
    else
        s->bad = take_field(s->framing, name, text, s->err) < 0;
    return s->bad ? MHD_NO : MHD_YES;
}

int framing_check(struct MHD_Connection *connection, const char *version, struct framing *ret, struct err *err)
{
    *ret = (struct framing){0};
    struct scan s = {ret, err, false};
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, scan_field, &s);
    if (s.bad)
        return -1;
    if (ret->lengths > 1 || ret->encodings > 1)
        return err_set(err, ERR_INVALID_REQUEST, "Content-Length or Transfer-Encoding is given more than once");
    if (ret->lengths && ret->encodings)
        return err_set(err, ERR_INVALID_REQUEST, "Content-Length and Transfer-Encoding exclude each other");
    if (ret->hosts > 1 || (ret->hosts == 0 && strcmp(version, "HTTP/1.1") == 0))
        return err_set(err, ERR_INVALID_REQUEST, "exactly one Host is needed");
    if (ret->encodings && strcmp(version, "HTTP/1.1") != 0)
        return err_set(err, ERR_INVALID_REQUEST, "Transfer-Encoding needs HTTP/1.1");
    return 0;
}
