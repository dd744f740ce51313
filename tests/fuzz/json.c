/* base/json against jansson, over a shape with a member of every kind: the same documents accepted, the same values;
 * and what was read is written to a document that reads the same again. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/oracle.h"
#include "fuzz/shapes.h"

static void write_and_read_again(const char *text, size_t length)
{
    struct everything e;
    struct arena arena = {0};
    struct buf first = {0}, second = {0};
    struct err err;
    if (json_read(arena_strndup(&arena, text, length), length, &shape, &limits, &e, &arena, &err))
        abort();
    json_write(&first, &shape, &e);
    if (json_read(arena_strndup(&arena, first.data, first.length), first.length, &shape, &limits, &e, &arena, &err))
        abort();
    json_write(&second, &shape, &e);
    if (first.length != second.length || memcmp(first.data, second.data, first.length) != 0)
        abort();
    buf_free(&first);
    buf_free(&second);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct everything scratch;
    bool accepted;
    const char *problem = oracle_disagreement((const char *)data, size, &shape, &limits, &scratch, &accepted);
    if (problem) {
        fprintf(stderr, "%s: %.*s\n", problem, (int)size, (const char *)data);
        abort();
    }
    if (accepted)
        write_and_read_again((const char *)data, size);
    return 0;
}
