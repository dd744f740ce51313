#include "base/ndjson.h"

#include <string.h>

#include "base/check.h"

static const char byte_order_mark[] = "\xef\xbb\xbf";

static int broken(struct ndjson *s, struct err *err, enum err_code code, const char *message)
{
    s->broken = true;
    err_set(err, code, "%s", message);
    if (err)
        err->line = s->line;
    return -1;
}

void ndjson_feed(struct ndjson *s, char *bytes, size_t length)
{
    CHECK(s->left == 0 && !s->ended);
    s->chunk = bytes;
    s->left = length;
}

void ndjson_end(struct ndjson *s)
{
    CHECK(s->left == 0);
    s->ended = true;
}

/* The next piece of the chunk: up to the newline, which is used up too, or to the chunk's end. */
static char *take(struct ndjson *s, size_t *ret_length, bool *ret_whole)
{
    char *begin = s->chunk, *newline = s->left ? memchr(begin, '\n', s->left) : NULL;
    size_t length = newline ? (size_t)(newline - begin) : s->left;
    size_t used = newline ? length + 1 : length;
    s->chunk += used;
    s->left -= used;
    *ret_length = length;
    *ret_whole = newline != NULL;
    return begin;
}

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

/* Hands out a complete line; 0 when it is blank. Room for the '\0' is where the newline was, or in the buffer. */
static int hand_out(struct ndjson *s, char *text, size_t length, struct ndjson_line *ret, struct err *err)
{
    s->line++;
    if (length && text[length - 1] == '\r')
        length--;
    if (length > s->max_line)
        return broken(s, err, ERR_TOO_LARGE, "the line is longer than allowed");
    if (s->line == 1 && length >= 3 && memcmp(text, byte_order_mark, 3) == 0)
        return broken(s, err, ERR_INVALID_JSON, "the stream begins with a byte order mark; send plain UTF-8");
    if (is_blank(text, length))
        return 0;
    text[length] = '\0';
    *ret = (struct ndjson_line){text, length, s->line};
    return 1;
}

/* Keeps the beginning of a line until the rest comes. One byte more than the limit is kept room for, a CR. */
static int keep(struct ndjson *s, const char *piece, size_t length, struct err *err)
{
    if (s->partial.length + length > s->max_line + 1) {
        s->line++;
        return broken(s, err, ERR_TOO_LARGE, "the line is longer than allowed");
    }
    buf_add(&s->partial, piece, length);
    if (s->partial.failed) {
        s->broken = true;
        return err_memory(err);
    }
    return 0;
}

/* The same of a line that was put together; a blank one makes room at once, another one when the next is asked for. */
static int hand_out_partial(struct ndjson *s, struct ndjson_line *ret, struct err *err)
{
    int got = hand_out(s, s->partial.data, s->partial.length, ret, err);
    s->handed = got > 0;
    if (got == 0)
        buf_clear(&s->partial);
    return got;
}

int ndjson_next(struct ndjson *s, struct ndjson_line *ret, struct err *err)
{
    CHECK(!s->broken);
    int got = 0;
    if (s->handed)
        buf_clear(&s->partial);
    s->handed = false;
    while (got == 0 && s->left) {
        size_t length;
        bool whole;
        char *piece = take(s, &length, &whole);
        if (whole && s->partial.length == 0) {
            got = hand_out(s, piece, length, ret, err);
            continue;
        }
        if (keep(s, piece, length, err))
            return -1;
        if (whole)
            got = hand_out_partial(s, ret, err);
    }
    if (got == 0 && s->ended && s->partial.length)
        got = hand_out_partial(s, ret, err);
    return got;
}

void ndjson_free(struct ndjson *s)
{
    buf_free(&s->partial);
    s->left = 0;
}
