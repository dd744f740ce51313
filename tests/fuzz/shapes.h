/* A shape with a member of every kind, and a document of it: for the unit test and the fuzz target of base/json. */
#ifndef EGALIGN_FUZZ_SHAPES_H
#define EGALIGN_FUZZ_SHAPES_H

#include "base/json.h"

struct point {
    struct json_seen seen;
    double x;
    double y;
};

struct everything {
    struct json_seen seen;
    struct str name;
    int64_t count;
    double share;
    bool open;
    int colour;
    struct uuid id;
    int64_t at;
    struct point point;
    struct json_list words;
    struct json_list path;
    struct str meta;
    int target; /* which of the two below */
    struct str target_name;
    struct point target_point;
    struct str note;
};

enum { NAME, COUNT, SHARE, OPEN, COLOUR, ID, AT, POINT, WORDS, PATH, META, TARGET, NOTE };

static const struct json_field point_fields[] = {
    JSON_FIELD(REAL, struct point, x, "x", .flags = JSON_REQUIRED, .low = -10, .high = 10),
    JSON_FIELD(REAL, struct point, y, "y", .flags = JSON_REQUIRED | JSON_NULLABLE),
};
static const struct json_shape point_shape = JSON_SHAPE(struct point, point_fields, "Point", "A place.");

static const char *const colours[] = {"red", "green", "blue", NULL};
static const struct json_field word = JSON_ITEM(STR, .least = 1, .most = 5);
static const struct json_field step = JSON_ITEM(OBJECT, .shape = &point_shape);
static const struct json_field target_forms[] = {
    JSON_FIELD(STR, struct everything, target_name, "target", .most = 10),
    JSON_FIELD_OBJECT(struct everything, target_point, "target", &point_shape),
};

static const struct json_field fields[] = {
    [NAME] = JSON_FIELD(STR, struct everything, name, "name", .flags = JSON_REQUIRED, .least = 1, .most = 12,
                        .about = "A \"name\".", .example = "\"Ann\""),
    [COUNT] = JSON_FIELD(INT, struct everything, count, "count", .least = -5, .most = 100),
    [SHARE] = JSON_FIELD(REAL, struct everything, share, "share"),
    [OPEN] = JSON_FIELD(BOOL, struct everything, open, "open"),
    [COLOUR] = JSON_FIELD(ENUM, struct everything, colour, "colour", .names = colours),
    [ID] = JSON_FIELD(UUID, struct everything, id, "id"),
    [AT] = JSON_FIELD(TIME, struct everything, at, "at"),
    [POINT] = JSON_FIELD_OBJECT(struct everything, point, "point", &point_shape, .flags = JSON_NULLABLE),
    [WORDS] =
        JSON_FIELD(LIST, struct everything, words, "words", .item = &word, .item_size = sizeof(struct str), .most = 6),
    [PATH] =
        JSON_FIELD(LIST, struct everything, path, "path", .item = &step, .item_size = sizeof(struct point), .least = 1),
    [META] = JSON_FIELD(RAW, struct everything, meta, "meta", .flags = JSON_RAW_OBJECT, .most = 100000),
    [TARGET] = JSON_FIELD(ONE_OF, struct everything, target, "target", .forms = target_forms, .form_count = 2),
    [NOTE] = JSON_FIELD(STR, struct everything, note, "note", .flags = JSON_NULLABLE | JSON_LONG_TEXT),
};
static const struct json_shape shape = JSON_SHAPE(struct everything, fields, "Everything", "A member of every kind.");
static const struct json_limits limits = {.depth = 8, .text_bytes = 40};

static const char full[] =
    "{\"name\":\"J\\u00f6rg \\ud83d\\ude00\",\"count\":42,\"share\":0.1,\"open\":true,\"colour\":\"blue\","
    "\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"at\":\"2026-03-01T00:30:00.25+01:00\",\"point\":{\"x\":1,\"y\":-"
    "2.5e0},"
    "\"words\":[\"a\",\"b\\n\",\"c\",\"d\",\"e\",\"f\"],\"path\":[{\"y\":0,\"x\":0},{\"x\":3,\"y\":null}],"
    "\"meta\":{\"k\":[1,{\"k\":\"\\u00e9\"}],\"z\":null},\"target\":\"t\",\"note\":null}";

#endif
