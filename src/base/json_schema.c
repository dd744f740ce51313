/* The two things that follow from a shape without reading: the document of a struct, and the schema of the document. */
#include "base/json.h"
#include "base/json_text.h"

#include "base/check.h"

/* ---- documents ---- */

static void write_list(struct buf *out, const struct json_field *f, const struct json_list *list)
{
    json_open(out, '[');
    for (size_t i = 0; i < list->count; i++)
        json_write_value(out, f->item, (const char *)list->items + i * f->item_size);
    json_close(out, ']');
}

void json_write_value(struct buf *out, const struct json_field *f, const void *base)
{
    const void *at = (const char *)base + f->offset;
    switch (f->kind) {
    case JSON_KIND_STR: json_put_str(out, *(const struct str *)at); return;
    case JSON_KIND_INT: json_put_int(out, *(const int64_t *)at); return;
    case JSON_KIND_REAL: json_put_real(out, *(const double *)at); return;
    case JSON_KIND_BOOL: json_put_bool(out, *(const bool *)at); return;
    case JSON_KIND_ENUM: json_put_text(out, f->names[*(const int *)at]); return;
    case JSON_KIND_UUID: json_put_uuid(out, at); return;
    case JSON_KIND_TIME: json_put_time(out, *(const int64_t *)at); return;
    case JSON_KIND_OBJECT: json_write(out, f->shape, at); return;
    case JSON_KIND_LIST: write_list(out, f, at); return;
    case JSON_KIND_RAW: json_put_raw(out, *(const struct str *)at); return;
    case JSON_KIND_ONE_OF: {
        int form = *(const int *)at;
        CHECK(form >= 1 && (size_t)form <= f->form_count);
        json_write_value(out, &f->forms[form - 1], base);
        return;
    }
    }
}

void json_write(struct buf *out, const struct json_shape *shape, const void *value)
{
    const struct json_seen *seen = value;
    json_open(out, '{');
    for (size_t i = 0; i < shape->count; i++) {
        if (!json_given(seen, (int)i))
            continue;
        json_key(out, shape->fields[i].name);
        if (json_has(seen, (int)i))
            json_write_value(out, &shape->fields[i], value);
        else
            json_put_null(out);
    }
    json_close(out, '}');
}

/* ---- schemas ---- */

static const char *const type_names[] = {
    [JSON_KIND_STR] = "string",   [JSON_KIND_INT] = "integer",   [JSON_KIND_REAL] = "number",
    [JSON_KIND_BOOL] = "boolean", [JSON_KIND_ENUM] = "string",   [JSON_KIND_UUID] = "string",
    [JSON_KIND_TIME] = "string",  [JSON_KIND_OBJECT] = "object", [JSON_KIND_LIST] = "array",
};

static void schema_value(struct buf *out, const struct json_field *f, const struct json_limits *limits);

static void put_text(struct buf *out, const char *key, const char *text)
{
    if (!text)
        return;
    json_key(out, key);
    json_put_text(out, text);
}

static void put_type(struct buf *out, const char *type, bool nullable)
{
    json_key(out, "type");
    if (nullable)
        json_open(out, '[');
    json_put_text(out, type);
    if (!nullable)
        return;
    json_put_text(out, "null");
    json_close(out, ']');
}

/* Lengths in the table count bytes and maxLength counts characters: of two bounds on the same text the second is then
 * the looser one, and a document that keeps the first keeps both. */
static void schema_str(struct buf *out, const struct json_field *f, const struct json_limits *limits)
{
    int64_t most = f->flags & JSON_LONG_TEXT ? (int64_t)limits->text_bytes : f->most;
    if (f->least)
        json_member_int(out, "minLength", 1);
    if (most)
        json_member_int(out, "maxLength", most);
}

static void schema_enum(struct buf *out, const struct json_field *f)
{
    json_key(out, "enum");
    json_open(out, '[');
    for (int i = 0; f->names[i]; i++)
        json_put_text(out, f->names[i]);
    if (f->flags & JSON_NULLABLE)
        json_put_null(out);
    json_close(out, ']');
}

static void schema_range(struct buf *out, const struct json_field *f)
{
    if (f->kind == JSON_KIND_INT && (f->least || f->most)) {
        json_member_int(out, "minimum", f->least);
        json_member_int(out, "maximum", f->most);
    } else if (f->kind == JSON_KIND_REAL && (f->low != 0 || f->high != 0)) {
        json_member_real(out, "minimum", f->low);
        json_member_real(out, "maximum", f->high);
    }
}

static void schema_list(struct buf *out, const struct json_field *f, const struct json_limits *limits)
{
    if (f->least)
        json_member_int(out, "minItems", f->least);
    if (f->most)
        json_member_int(out, "maxItems", f->most);
    if (f->flags & JSON_DISTINCT) {
        json_member_bool(out, "uniqueItems", true);
    }
    json_key(out, "items");
    schema_value(out, f->item, limits);
}

/* The forms that `word` (oneOf, anyOf) speaks of. */
static void schema_forms(struct buf *out, const char *word, const struct json_field *f,
                         const struct json_limits *limits)
{
    json_key(out, word);
    json_open(out, '[');
    for (size_t i = 0; i < f->form_count; i++)
        schema_value(out, &f->forms[i], limits);
    if (f->flags & JSON_NULLABLE) {
        json_open(out, '{');
        put_text(out, "type", "null");
        json_close(out, '}');
    }
    json_close(out, ']');
}

/* The keywords of an object's members, into a schema that is open. */
static void schema_members(struct buf *out, const struct json_shape *shape, const struct json_limits *limits)
{
    bool required = false;
    json_key(out, "properties");
    json_open(out, '{');
    for (size_t i = 0; i < shape->count; i++) {
        json_key(out, shape->fields[i].name);
        schema_value(out, &shape->fields[i], limits);
        required |= (shape->fields[i].flags & JSON_REQUIRED) != 0;
    }
    json_close(out, '}');
    if (required) {
        json_key(out, "required");
        json_open(out, '[');
        for (size_t i = 0; i < shape->count; i++)
            if (shape->fields[i].flags & JSON_REQUIRED)
                json_put_text(out, shape->fields[i].name);
        json_close(out, ']');
    }
    json_member_bool(out, "additionalProperties", shape->open);
}

static void schema_of_kind(struct buf *out, const struct json_field *f, const struct json_limits *limits)
{
    switch (f->kind) {
    case JSON_KIND_STR: schema_str(out, f, limits); return;
    case JSON_KIND_INT:
    case JSON_KIND_REAL: schema_range(out, f); return;
    case JSON_KIND_ENUM: schema_enum(out, f); return;
    case JSON_KIND_UUID: put_text(out, "format", "uuid"); return;
    case JSON_KIND_TIME: put_text(out, "format", "date-time"); return;
    case JSON_KIND_OBJECT: schema_members(out, f->shape, limits); return;
    case JSON_KIND_LIST: schema_list(out, f, limits); return;
    case JSON_KIND_ONE_OF: schema_forms(out, "oneOf", f, limits); return;
    case JSON_KIND_RAW:
        if (f->form_count)
            schema_forms(out, "anyOf", f, limits);
        return;
    case JSON_KIND_BOOL: return;
    }
}

static void schema_value(struct buf *out, const struct json_field *f, const struct json_limits *limits)
{
    bool nullable = f->flags & JSON_NULLABLE;
    json_open(out, '{');
    if (f->kind == JSON_KIND_RAW && (f->flags & JSON_RAW_OBJECT))
        put_type(out, "object", nullable);
    else if (f->kind != JSON_KIND_RAW && f->kind != JSON_KIND_ONE_OF)
        put_type(out, type_names[f->kind], nullable);
    put_text(out, "description", f->about ? f->about : f->shape ? f->shape->about : NULL);
    schema_of_kind(out, f, limits);
    if (f->example) {
        json_key(out, "examples");
        json_open(out, '[');
        json_put_raw(out, str_of(f->example));
        json_close(out, ']');
    }
    json_close(out, '}');
}

void json_schema(struct buf *out, const struct json_shape *shape, const struct json_limits *limits)
{
    json_open(out, '{');
    put_text(out, "title", shape->name);
    put_type(out, "object", false);
    put_text(out, "description", shape->about);
    schema_members(out, shape, limits);
    json_close(out, '}');
}
