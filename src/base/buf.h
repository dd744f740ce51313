/* buf: a growable byte buffer that remembers a failed allocation, so that a chain of appends is checked once.
 *
 * After an allocation fails, `failed` is set and further appends do nothing. A zeroed struct buf is a valid empty
 * buffer. Owner frees with buf_free, or takes the bytes with buf_take. One thread at a time. */
#ifndef EGALIGN_BASE_BUF_H
#define EGALIGN_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* NUL-terminated whenever it is not NULL */
    size_t length, room;
    bool failed;
};

/* Makes room for `extra` more bytes. False, and `failed`, when there is no memory. */
bool buf_reserve(struct buf *b, size_t extra);

/* Append bytes, a NUL-terminated text, one character, formatted text. */
void buf_add(struct buf *b, const void *bytes, size_t length);
void buf_text(struct buf *b, const char *text);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends bytes as text that every part of the service takes: U+FFFD for each byte that is no UTF-8 and for NUL. What a
 * model writes may end amid a character. */
void buf_readable(struct buf *b, const void *bytes, size_t length);

/* Removes the first `length` bytes. */
void buf_drop(struct buf *b, size_t length);

/* The bytes, NUL-terminated, now the caller's (mem_free); the buffer is empty again. NULL when it had failed. */
char *buf_take(struct buf *b, size_t *ret_length);

void buf_clear(struct buf *b); /* empty, memory kept */
void buf_free(struct buf *b);

#endif
