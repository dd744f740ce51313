/* json: one table per shape of document, and everything that follows from it: a strict reader straight into a C struct,
 * a writer from the struct, and the JSON Schema of the document.
 *
 * Reading builds no tree. Strings are unescaped in place and handed out as views, so the text must be writable, must
 * outlive the struct, and is no longer JSON afterwards (hash or keep it before, if it is needed). Elements of lists
 * come from the caller's arena. Nothing else is allocated.
 *
 * It refuses: anything but RFC 8259 in UTF-8 (no comments, trailing commas, NaN, byte order mark, bytes after the
 * document), control characters and U+0000 in strings, lone surrogates, duplicate keys, unknown members, nesting deeper
 * than the limit, numbers that do not fit (1e400 never does), an element that comes twice in a list of distinct ones,
 * free-form values with more than JSON_RAW_MEMBERS members open at once. (A shape that is `open` takes members that it
 * does not know, for documents of other people's formats.) Errors carry ERR_INVALID_JSON, ERR_UNKNOWN_MEMBER,
 * ERR_MISSING_MEMBER, ERR_INVALID_VALUE or ERR_NO_MEMORY, an RFC 6901 pointer, and the byte offset in the message.
 *
 * A shape is declared once:
 *
 *     struct note { struct json_seen seen; struct str text; int64_t stars; };
 *     enum { NOTE_TEXT, NOTE_STARS };
 *     static const struct json_field note_fields[] = {
 *         [NOTE_TEXT] = JSON_FIELD(STR, struct note, text, "text", .flags = JSON_REQUIRED, .least = 1, .most = 200,
 *                                  .about = "What was noted.", .example = "\"short\""),
 *         [NOTE_STARS] = JSON_FIELD(INT, struct note, stars, "stars", .least = 1, .most = 5),
 *     };
 *     const struct json_shape note_shape = JSON_SHAPE(struct note, note_fields, "Note", "A remark.");
 *
 * Names keep clear of jansson's: both may be included in one file.
 *
 * Thread rule: shapes are constant; everything else belongs to its caller. */
#ifndef EGALIGN_BASE_JSON_H
#define EGALIGN_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"

enum { JSON_RAW_MEMBERS = 256, JSON_SHAPE_FIELDS = 64 };

/* What a member may be, and the C type that receives it. */
enum json_kind {
    JSON_KIND_STR,    /* struct str: a view; .least and .most count bytes of UTF-8 */
    JSON_KIND_INT,    /* int64_t, written without fraction or exponent, within .least .. .most */
    JSON_KIND_REAL,   /* double, finite, within .low .. .high */
    JSON_KIND_BOOL,   /* bool */
    JSON_KIND_ENUM,   /* int: the position of the string in .names (ended by NULL) */
    JSON_KIND_UUID,   /* struct uuid */
    JSON_KIND_TIME,   /* int64_t: microseconds since 1970, from an RFC 3339 timestamp with a zone */
    JSON_KIND_OBJECT, /* a struct of .shape, embedded */
    JSON_KIND_LIST,   /* struct json_list of .item; .least and .most count elements */
    JSON_KIND_RAW,    /* struct str: the verbatim text of a value of any shape; .most counts bytes */
    JSON_KIND_ONE_OF  /* int: 1-based position in .forms of the form that was met, told by the value's first byte */
};

enum json_flag {
    JSON_REQUIRED = 1,
    JSON_NULLABLE = 2,   /* null is accepted: the value stays zero and the bit in seen.null is set */
    JSON_RAW_OBJECT = 4, /* JSON_KIND_RAW: only an object is accepted */
    JSON_LONG_TEXT = 8,  /* JSON_KIND_STR: .most is json_limits.text_bytes */
    JSON_DISTINCT = 16   /* JSON_KIND_LIST: no element may come twice */
};

/* The first member of every struct that is read: bit i speaks of field i of its shape. */
struct json_seen {
    uint64_t given; /* the member was in the object (null included) */
    uint64_t null;  /* and was null */
};

struct json_list {
    void *items; /* an array of what .item describes; NULL when empty */
    size_t count;
};

/* A member that an open shape does not know. */
struct json_other {
    struct str name; /* unescaped */
    struct str json; /* the verbatim text of its value */
};

struct json_shape;

/* One member. A range of 0 .. 0 (.least/.most, .low/.high) is no range. */
struct json_field {
    const char *name;
    size_t name_length;
    enum json_kind kind;
    unsigned flags;
    size_t offset; /* in its struct */
    int64_t least, most;
    double low, high;
    const char *const *names;       /* JSON_KIND_ENUM */
    const struct json_shape *shape; /* JSON_KIND_OBJECT */
    const struct json_field *item;  /* JSON_KIND_LIST: the element, made with JSON_ITEM */
    size_t item_size;               /* JSON_KIND_LIST: sizeof the element */
    const struct json_field *forms; /* JSON_KIND_ONE_OF: fields of the same struct, told apart by the first byte;
                                       JSON_KIND_RAW: what it may be, for the schema only */
    size_t form_count;
    const char *about;   /* description, for the schema; may be NULL */
    const char *example; /* JSON text, for the schema; may be NULL */
};

struct json_shape {
    const char *name;  /* the schema's title */
    const char *about; /* its description; may be NULL */
    size_t size;       /* sizeof the struct */
    const struct json_field *fields;
    size_t count;  /* at most JSON_SHAPE_FIELDS */
    bool open;     /* unknown members are checked as JSON and accepted ... */
    size_t others; /* ... and kept in the struct json_list of struct json_other at this offset; 0: dropped */
};

struct json_limits {
    int depth;         /* of nesting; the document itself is 1 */
    size_t text_bytes; /* of a JSON_LONG_TEXT string */
};

/* The C type of each kind, for the check that JSON_FIELD makes; OBJECT takes any. */
typedef struct str json_type_STR;
typedef int64_t json_type_INT;
typedef double json_type_REAL;
typedef bool json_type_BOOL;
typedef int json_type_ENUM;
typedef struct uuid json_type_UUID;
typedef int64_t json_type_TIME;
typedef struct json_list json_type_LIST;
typedef struct str json_type_RAW;
typedef int json_type_ONE_OF;

/* 0, or a compile error. */
#define JSON_ZERO_IF(condition) (0 * sizeof(char[(condition) ? 1 : -1]))
#define JSON_MEMBER(type, member) (((type *)0)->member)
#define JSON_SAME_TYPE(kind_name, type, member)                                                                        \
    JSON_ZERO_IF(__builtin_types_compatible_p(__typeof__(JSON_MEMBER(type, member)), json_type_##kind_name))

#define JSON_FIELD(kind_name, type, member, json_name, ...)                                                            \
    {                                                                                                                  \
        .name = json_name, .name_length = sizeof json_name - 1, .kind = JSON_KIND_##kind_name,                         \
        .offset = offsetof(type, member) + JSON_SAME_TYPE(kind_name, type, member), __VA_ARGS__                        \
    }

/* An embedded struct that `shape_ptr` describes. */
#define JSON_FIELD_OBJECT(type, member, json_name, shape_ptr, ...)                                                     \
    {                                                                                                                  \
        .name = json_name, .name_length = sizeof json_name - 1, .kind = JSON_KIND_OBJECT,                              \
        .offset = offsetof(type, member), .shape = shape_ptr, __VA_ARGS__                                              \
    }

/* The element of a list: JSON_ITEM(STR, .most = 80). */
#define JSON_ITEM(kind_name, ...)                                                                                      \
    {                                                                                                                  \
        .name = "", .kind = JSON_KIND_##kind_name, __VA_ARGS__                                                         \
    }

#define JSON_SHAPE(type, field_array, title, prose, ...)                                                               \
    {                                                                                                                  \
        .name = title, .about = prose, .size = sizeof(type) + JSON_ZERO_IF(offsetof(type, seen) == 0),                 \
        .fields = field_array, .count = sizeof(field_array) / sizeof(field_array)[0], __VA_ARGS__                      \
    }

static inline bool json_given(const struct json_seen *seen, int field)
{
    return seen->given >> field & 1;
}

/* Given, and not null. */
static inline bool json_has(const struct json_seen *seen, int field)
{
    return (seen->given & ~seen->null) >> field & 1;
}

/* Options that replace a default where they were given: the field of the shape, what was read, and where it goes. */
struct json_real {
    int field;
    double value, *to;
};
struct json_integer {
    int field;
    int64_t value; /* within the range of its field, which is within int */
    int *to;
};
void json_take_reals(const struct json_seen *seen, const struct json_real *reals, size_t count);
void json_take_integers(const struct json_seen *seen, const struct json_integer *integers, size_t count);

/* Reads one document of `shape` into *ret (shape->size bytes, zeroed first). text[length] must be '\0' (struct buf and
 * the NDJSON splitter see to it); the text is changed. On failure *ret is partly filled and not to be used. */
int json_read(char *text, size_t length, const struct json_shape *shape, const struct json_limits *limits, void *ret,
              struct arena *arena, struct err *err);

/* Finds the string or number at a dotted path ("meta.judge") of a document and gives its text, unescaped; the rest of
 * the document is checked as JSON. Like json_read it changes the text and needs its '\0'. ERR_MISSING_MEMBER when
 * nothing is there, ERR_INVALID_VALUE when it is neither string nor number. */
int json_pick(char *text, size_t length, const char *path, const struct json_limits *limits, struct str *ret,
              struct err *err);

/* Appends the document that *value holds: its given members, in the order of the table. Reading it again gives an equal
 * struct (floating-point members to the bit, timestamps in UTC). Strings in it must be UTF-8. */
void json_write(struct buf *out, const struct json_shape *shape, const void *value);

/* Appends one value, which `field` describes, of the struct at `base` (an element of a list, for its .item). */
void json_write_value(struct buf *out, const struct json_field *field, const void *base);

/* Appends the JSON Schema (2020-12, as in OpenAPI 3.1) of `shape`, nested shapes inline. */
void json_schema(struct buf *out, const struct json_shape *shape, const struct json_limits *limits);

#endif
