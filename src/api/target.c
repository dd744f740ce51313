#include "api/target.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes text[0..length) into the arena; `plus` says whether '+' is a space (query) or itself (path). */
static int decode(const char *text, size_t length, bool plus, struct arena *arena, struct str *ret, struct err *err)
{
    char *out = arena_strndup(arena, text, length);
    if (!out)
        return err_memory(err);
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '%') {
            int high = i + 2 < length ? hex(text[i + 1]) : -1;
            int low = high >= 0 ? hex(text[i + 2]) : -1;
            if (low < 0)
                return err_set(err, ERR_INVALID_REQUEST, "the request target has a bad percent escape");
            c = (unsigned char)(high * 16 + low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        if (c < 0x20 || c == 0x7f)
            return err_set(err, ERR_INVALID_REQUEST, "the request target has a control character");
        out[n++] = (char)c;
    }
    out[n] = '\0';
    *ret = (struct str){out, n};
    return str_is_utf8(*ret) ? 0 : err_set(err, ERR_INVALID_REQUEST, "the request target is not UTF-8");
}

static int parse_path(const char *path, struct arena *arena, struct target *ret, struct err *err)
{
    while (*path == '/' && !(path[1] == '\0' && ret->segment_count == 0)) {
        size_t length = strcspn(++path, "/");
        if (ret->segment_count == TARGET_SEGMENTS)
            return err_set(err, ERR_INVALID_REQUEST, "the path has more than %d segments", TARGET_SEGMENTS);
        if (decode(path, length, false, arena, &ret->segments[ret->segment_count++], err) < 0)
            return -1;
        path += length;
    }
    return 0;
}

static int parse_member(const char *text, size_t length, struct arena *arena, struct target *ret, struct err *err)
{
    if (ret->query_count == TARGET_QUERY)
        return err_set(err, ERR_INVALID_REQUEST, "the query has more than %d members", TARGET_QUERY);
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals ? (size_t)(equals - text) : length;
    struct target_member *m = &ret->query[ret->query_count];
    m->value = STR_LITERAL("");
    if (decode(text, name_length, true, arena, &m->name, err) < 0)
        return -1;
    if (equals && decode(equals + 1, length - name_length - 1, true, arena, &m->value, err) < 0)
        return -1;
    if (target_query(ret, m->name.ptr).ptr)
        return err_set(err, ERR_INVALID_REQUEST, "the query gives %.60s twice", m->name.ptr);
    ret->query_count++;
    return 0;
}

int target_parse(const char *text, struct arena *arena, struct target *ret, struct err *err)
{
    *ret = (struct target){0};
    size_t path_length = strcspn(text, "?");
    ret->path = arena_strndup(arena, text, path_length);
    if (!ret->path)
        return err_memory(err);
    if (*text != '/')
        return err_set(err, ERR_INVALID_REQUEST, "the request target is not a path");
    if (parse_path(ret->path, arena, ret, err) < 0)
        return -1;
    for (const char *at = text + path_length; *at;) {
        size_t length = strcspn(++at, "&");
        if (length > 0 && parse_member(at, length, arena, ret, err) < 0)
            return -1;
        at += length;
    }
    return 0;
}

struct str target_query(const struct target *t, const char *name)
{
    for (size_t i = 0; i < t->query_count; i++)
        if (str_is(t->query[i].name, name))
            return t->query[i].value;
    return (struct str){NULL, 0};
}
