#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"

bool buf_reserve(struct buf *b, size_t extra)
{
    if (b->failed)
        return false;
    if (b->room - b->length > extra)
        return true;
    if (extra > SIZE_MAX / 4 || b->length > SIZE_MAX / 4) {
        b->failed = true;
        return false;
    }
    size_t room = b->room ? b->room * 2 : 256;
    while (room < b->length + extra + 1)
        room *= 2;
    char *data = mem_resize(b->data, room, 1);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->room = room;
    return true;
}

void buf_add(struct buf *b, const void *bytes, size_t length)
{
    if (!buf_reserve(b, length))
        return;
    if (length)
        memcpy(b->data + b->length, bytes, length);
    b->length += length;
    b->data[b->length] = '\0';
}

void buf_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(length >= 0);
    if (!buf_reserve(b, (size_t)length))
        return;
    va_start(args, format);
    vsnprintf(b->data + b->length, (size_t)length + 1, format, args);
    va_end(args);
    b->length += (size_t)length;
}

void buf_readable(struct buf *b, const void *bytes, size_t length)
{
    const char *text = bytes;
    for (size_t i = 0; i < length;) {
        size_t n = text[i] ? str_utf8_sequence(text + i, length - i) : 0;
        buf_add(b, n ? text + i : "\xef\xbf\xbd", n ? n : 3);
        i += n ? n : 1;
    }
}

void buf_drop(struct buf *b, size_t length)
{
    CHECK(length <= b->length);
    if (!length)
        return;
    memmove(b->data, b->data + length, b->length - length);
    b->length -= length;
    b->data[b->length] = '\0';
}

char *buf_take(struct buf *b, size_t *ret_length)
{
    if (!buf_reserve(b, 0)) {
        buf_free(b);
        return NULL;
    }
    char *data = b->data;
    data[b->length] = '\0';
    if (ret_length)
        *ret_length = b->length;
    *b = (struct buf){0};
    return data;
}

void buf_clear(struct buf *b)
{
    b->length = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){0};
}
