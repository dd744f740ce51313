/* Every format: the first byte chooses which one reads the line. What is read can be written in each format that
 * carries it, what a format wrote it reads again, and writing that gives the same bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/format.h"
#include "formats/transcript.h"

static const struct format_options options = {.limits = {.depth = 8, .text_bytes = 65536}, .anonymous = true};

/* A transcript cannot tell marks in an answer from turns; then only the reading is tried. */
static bool ambiguous(enum format format, const struct record *r)
{
    return format == FORMAT_HH &&
           (transcript_marked(r->side[SIDE_A].response.text) || transcript_marked(r->side[SIDE_B].response.text));
}

static void round_trip(enum format format, const struct record *r)
{
    struct buf first = {0}, second = {0};
    struct arena arena = {0};
    struct err err = {0};
    struct record again;
    if (format_write_line(format, r, &first) && !ambiguous(format, r)) {
        char *copy = arena_strndup(&arena, first.data, first.length);
        if (format_read_line(format, copy, first.length, &options, &again, &arena, &err)) {
            fprintf(stderr, "%s does not read its own line: %s%s: %s\n", format_name(format), first.data, err.pointer,
                    err.message);
            abort();
        }
        if (!format_write_line(format, &again, &second) || strcmp(first.data, second.data) != 0) {
            fprintf(stderr, "%s is not stable:\n%s%s", format_name(format), first.data, second.data);
            abort();
        }
    }
    buf_free(&first);
    buf_free(&second);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct format_options with = options;
    struct record record;
    struct arena arena = {0};
    struct err err = {0};
    enum format format = (enum format)(data[0] % FORMAT_COUNT);
    with.annotator_field = data[0] & 0x80 ? "meta.judge" : NULL;
    char *line = arena_strndup(&arena, (const char *)data + 1, size - 1);
    if (format_read_line(format, line, size - 1, &with, &record, &arena, &err) == 0)
        for (int to = 0; to < FORMAT_COUNT; to++)
            round_trip((enum format)to, &record);
    arena_free(&arena);
    return 0;
}
