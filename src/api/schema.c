#include "api/schema.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json_text.h"
#include "base/str.h"

static void render_type(struct buf *out, struct str type);

static void put(struct buf *out, const char *key, const char *value)
{
    json_key(out, key);
    json_put_text(out, value);
}

/* Takes what stands before the next `separator` off *text, at bracket depth 0. */
static struct str take(struct str *text, char separator)
{
    size_t n = 0;
    for (int depth = 0; n < text->len && (depth > 0 || text->ptr[n] != separator); n++)
        depth += (text->ptr[n] == '[') - (text->ptr[n] == ']');
    struct str part = {text->ptr, n};
    size_t used = n < text->len ? n + 1 : n;
    *text = (struct str){text->ptr + used, text->len - used};
    return part;
}

static bool has(struct str text, char c)
{
    return memchr(text.ptr, c, text.len) != NULL;
}

static void render_enum(struct buf *out, struct str type)
{
    json_key(out, "enum");
    json_open(out, '[');
    while (type.len > 0)
        json_put_str(out, take(&type, '|'));
    json_close(out, ']');
}

static void render_union(struct buf *out, struct str type)
{
    json_key(out, "anyOf");
    json_open(out, '[');
    while (type.len > 0)
        render_type(out, take(&type, '/'));
    json_close(out, ']');
}

static void render_name(struct buf *out, struct str type)
{
    static const char *const plain[] = {"string", "integer", "number", "boolean", "object", "null"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (str_is(type, plain[i])) {
            put(out, "type", plain[i]);
            return;
        }
    if (str_is(type, "uuid") || str_is(type, "time")) {
        put(out, "type", "string");
        put(out, "format", str_is(type, "uuid") ? "uuid" : "date-time");
        return;
    }
    if (str_is(type, "any"))
        return;
    CHECK(type.len > 0 && type.ptr[0] >= 'A' && type.ptr[0] <= 'Z');
    char reference[96];
    snprintf(reference, sizeof reference, "#/components/schemas/%.*s", (int)type.len, type.ptr);
    put(out, "$ref", reference);
}

static void render_type(struct buf *out, struct str type)
{
    char nullable[160];
    if (type.ptr[type.len - 1] == '?') {
        snprintf(nullable, sizeof nullable, "%.*s/null", (int)type.len - 1, type.ptr);
        type = str_of(nullable);
    }
    json_open(out, '{');
    struct str rest = type;
    if (take(&rest, '/').len < type.len) {
        render_union(out, type);
    } else if (type.ptr[0] == '[') {
        put(out, "type", "array");
        json_key(out, "items");
        render_type(out, (struct str){type.ptr + 1, type.len - 2});
    } else if (has(type, '|')) {
        render_enum(out, type);
    } else {
        render_name(out, type);
    }
    json_close(out, '}');
}

/* Cuts "name? type" off *text; *ret_required says whether the name lacks its '?'. False at the end. */
static bool next_member(struct str *text, struct str *ret_name, struct str *ret_type, bool *ret_required)
{
    struct str member = take(text, ';');
    while (member.len > 0 && *member.ptr == ' ')
        member = (struct str){member.ptr + 1, member.len - 1};
    if (member.len == 0)
        return false;
    *ret_name = take(&member, ' ');
    *ret_type = member;
    *ret_required = ret_name->ptr[ret_name->len - 1] != '?';
    ret_name->len -= !*ret_required;
    CHECK(ret_name->len > 0 && ret_type->len > 0);
    return true;
}

static void key(struct buf *out, struct str name)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)name.len, name.ptr);
    json_key(out, text);
}

void schema_render(struct buf *out, const struct schema *schema)
{
    struct str name, type, text = str_of(schema->members);
    bool required;
    json_open(out, '{');
    put(out, "type", "object");
    put(out, "description", schema->about);
    json_key(out, "properties");
    json_open(out, '{');
    while (next_member(&text, &name, &type, &required)) {
        key(out, name);
        render_type(out, type);
    }
    json_close(out, '}');
    json_key(out, "required");
    json_open(out, '[');
    for (text = str_of(schema->members); next_member(&text, &name, &type, &required);)
        if (required)
            json_put_str(out, name);
    json_close(out, ']');
    json_close(out, '}');
}
