#include "formats/format.h"

#include "formats/foreign.h"

static int jsonl_read(char *line, size_t length, const struct json_limits *limits, struct record *ret,
                      struct arena *arena, struct err *err)
{
    return json_read(line, length, &record_shape, limits, ret, arena, err);
}

static bool jsonl_write(const struct record *r, struct buf *out)
{
    json_write(out, &record_shape, r);
    return true;
}

static const struct {
    const char *name;
    int (*read)(char *line, size_t length, const struct json_limits *limits, struct record *ret, struct arena *arena,
                struct err *err);
    bool (*write)(const struct record *r, struct buf *out);
} formats[FORMAT_COUNT] = {
    [FORMAT_JSONL] = {"jsonl", jsonl_read, jsonl_write},
    [FORMAT_TRL] = {"trl", trl_read, trl_write},
    [FORMAT_TRL_IMPLICIT] = {"trl-implicit", trl_implicit_read, trl_implicit_write},
    [FORMAT_HH] = {"hh-rlhf", hh_read, hh_write},
    [FORMAT_ARENA] = {"arena", arena_read, arena_write},
};

const char *format_name(enum format format)
{
    return formats[format].name;
}

int format_by_name(struct str name, enum format *ret, struct err *err)
{
    for (int i = 0; i < FORMAT_COUNT; i++)
        if (str_is(name, formats[i].name)) {
            *ret = (enum format)i;
            return 0;
        }
    return err_set(err, ERR_INVALID_VALUE,
                   "there is no format `%.*s`; there are jsonl, trl, trl-implicit, hh-rlhf and arena",
                   (int)(name.len < 40 ? name.len : 40), name.ptr ? name.ptr : "");
}

/* The annotator that the caller's path names; ptr NULL when there is no path. The line stays as it is. */
static int pick_annotator(const char *line, size_t length, const struct format_options *options, struct str *ret,
                          struct arena *arena, struct err *err)
{
    *ret = (struct str){0};
    if (!options->annotator_field)
        return 0;
    char *copy = arena_strndup(arena, line, length);
    if (!copy)
        return err_memory(err);
    return json_pick(copy, length, options->annotator_field, &options->limits, ret, err);
}

int format_read_line(enum format format, char *line, size_t length, const struct format_options *options,
                     struct record *ret, struct arena *arena, struct err *err)
{
    struct str annotator;
    if (pick_annotator(line, length, options, &annotator, arena, err) ||
        formats[format].read(line, length, &options->limits, ret, arena, err))
        return -1;
    if (annotator.ptr)
        record_set_annotator(ret, annotator);
    if (!json_has(&ret->seen, RECORD_ANNOTATOR) && options->anonymous)
        record_set_annotator(ret, STR_LITERAL("anonymous"));
    if (!json_has(&ret->seen, RECORD_ANNOTATOR))
        return err_at(
            err, ERR_MISSING_MEMBER, "/annotator",
            "the line names no annotator: say which member does (annotator_field), or let all lines be of one "
            "anonymous annotator, and then no groups can be found");
    return foreign_check(ret, &options->limits, err);
}

bool format_write_line(enum format format, const struct record *r, struct buf *out)
{
    size_t before = out->length;
    if (!formats[format].write(r, out)) {
        out->length = before;
        if (out->data)
            out->data[before] = '\0';
        return false;
    }
    buf_char(out, '\n');
    return true;
}
