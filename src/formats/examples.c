#include "formats/examples.h"

#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "formats/lines.h"

enum { LINE_MAX_BYTES = 64 << 20 };

struct record {
    struct json_seen seen;
    struct str prompt, response, text;
};

enum { RECORD_PROMPT, RECORD_RESPONSE, RECORD_TEXT };

static const struct json_field record_fields[] = {
    [RECORD_PROMPT] = JSON_FIELD(STR, struct record, prompt, "prompt"),
    [RECORD_RESPONSE] = JSON_FIELD(STR, struct record, response, "response"),
    [RECORD_TEXT] = JSON_FIELD(STR, struct record, text, "text"),
};

static const struct json_shape record_shape = {
    .name = "Example", .size = sizeof(struct record), .fields = record_fields, .count = 3, .open = true};

static int read_one(struct ndjson_line *line, struct arena *arena, struct example *ret, struct err *err)
{
    static const struct json_limits limits = {.depth = 32, .text_bytes = LINE_MAX_BYTES};
    struct record r;
    if (json_read(line->text, line->length, &record_shape, &limits, &r, arena, err) < 0)
        return -1;
    bool prompt = json_given(&r.seen, RECORD_PROMPT), response = json_given(&r.seen, RECORD_RESPONSE);
    bool text = json_given(&r.seen, RECORD_TEXT);
    if (prompt != response || prompt == text)
        return err_set(err, ERR_INVALID_VALUE, "neither \"prompt\" with \"response\" nor \"text\" alone");
    *ret = (struct example){prompt ? r.prompt : (struct str){NULL, 0}, prompt ? r.response : r.text, line->number};
    return 0;
}

int examples_read(const char *path, int (*take)(void *context, const struct example *e, struct err *err), void *context,
                  struct err *err)
{
    struct ndjson_line line;
    struct lines *lines = lines_open(path, LINE_MAX_BYTES, err);
    int more = lines ? 1 : -1;
    long count = 0;
    while (more > 0) {
        struct arena arena = {0};
        struct example example;
        more = lines_next(lines, &line, err);
        if (more > 0 && line.length > 0) {
            count++;
            if (read_one(&line, &arena, &example, err) < 0 || take(context, &example, err) < 0)
                more = err_wrap(err, "line %ld", line.number);
        }
        arena_free(&arena);
    }
    lines_close(lines);
    if (more == 0 && count == 0)
        more = err_set(err, ERR_INSUFFICIENT_DATA, "there is nothing in it");
    return more < 0 ? err_wrap(err, "%s", path) : 0;
}
