/* The NDJSON splitter: however the stream is cut into chunks, the lines are those of a plain loop over the whole. The
 * first byte of the input seeds the sizes of the chunks. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/ndjson.h"

enum { MOST = 50 };

/* The naive twin: the next line that is not blank from *at on; 0 at the end, -1 for a line that is refused. */
static int naive_next(const char *text, size_t size, size_t *at, long *number, const char **ret, size_t *ret_length)
{
    while (*at < size) {
        size_t end = *at, begin = *at, blank = 0;
        while (end < size && text[end] != '\n')
            end++;
        *at = end + 1;
        ++*number;
        size_t length = end - begin;
        if (length && text[begin + length - 1] == '\r')
            length--;
        if (length > MOST || (*number == 1 && length >= 3 && memcmp(text + begin, "\xef\xbb\xbf", 3) == 0))
            return -1;
        while (blank < length && memchr(" \t\r", text[begin + blank], 3))
            blank++;
        *ret = text + begin;
        *ret_length = length;
        if (blank < length)
            return 1;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint32_t seed = data[0];
    const char *text = (const char *)data + 1, *expected;
    size_t fed = 0, at = 0, length;
    long number = 0;
    size--;
    struct arena arena = {0};
    struct ndjson s = {.max_line = MOST};
    struct ndjson_line line;
    struct err err = {0};
    char *copy = arena_strndup(&arena, text, size);
    for (bool done = false; !done;) {
        int got = ndjson_next(&s, &line, &err);
        if (got == 0 && !s.ended) {
            seed = seed * 1103515245 + 12345;
            size_t piece = 1 + (seed >> 16) % 40;
            piece = piece > size - fed ? size - fed : piece;
            if (piece)
                ndjson_feed(&s, copy + fed, piece);
            else
                ndjson_end(&s);
            fed += piece;
            continue;
        }
        int want = naive_next(text, size, &at, &number, &expected, &length);
        if (got != want || (got < 0 && err.line != number))
            abort();
        if (got == 1 && (line.number != number || line.length != length || memcmp(line.text, expected, length) != 0 ||
                         line.text[length] != '\0'))
            abort();
        done = got != 1;
    }
    ndjson_free(&s);
    arena_free(&arena);
    return 0;
}
