/* The binding of the body of POST comparisons: agrees with jansson, and what is accepted is written as a line that
 * reads the same again. */
#include <stdio.h>
#include <stdlib.h>

#include "formats/format.h"
#include "fuzz/oracle.h"

static const struct json_limits limits = {.depth = 8, .text_bytes = 1000};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record record;
    struct arena arena = {0};
    struct err err = {0};
    struct buf first = {0}, second = {0};
    bool accepted;
    const char *problem = oracle_disagreement((const char *)data, size, &record_shape, &limits, &record, &accepted);
    if (problem) {
        fprintf(stderr, "%s: %.*s\n", problem, (int)size, (const char *)data);
        abort();
    }
    char *copy = arena_strndup(&arena, (const char *)data, size);
    if (record_read(copy, size, &limits, &record, &arena, &err) == 0) {
        format_write_line(FORMAT_JSONL, &record, &first);
        copy = arena_strndup(&arena, first.data, first.length);
        if (record_read(copy, first.length, &limits, &record, &arena, &err))
            abort();
        format_write_line(FORMAT_JSONL, &record, &second);
        if (first.length != second.length || memcmp(first.data, second.data, first.length) != 0)
            abort();
    } else if (err.code == ERR_OK || !err.message[0]) {
        abort();
    }
    buf_free(&first);
    buf_free(&second);
    arena_free(&arena);
    return 0;
}
