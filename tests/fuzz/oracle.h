/* oracle: what jansson and a walk over its tree say of a document, to be held against base/json. Tests only.
 *
 * It accepts what the table asks for: jansson judges syntax, UTF-8 and duplicates, the walk judges types, ranges,
 * members and depth. jansson refuses integers beyond 64 bits where base/json keeps them verbatim in free-form values;
 * such documents are read a second time with integers as doubles, and not judged when they have a JSON_KIND_INT member.
 */
#ifndef EGALIGN_FUZZ_ORACLE_H
#define EGALIGN_FUZZ_ORACLE_H

#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"

struct oracle {
    const struct json_limits *limits;
    size_t flags;
    bool unknown; /* no verdict */
};

static bool oracle_fits_shape(struct oracle *o, const json_t *node, const struct json_shape *shape, int depth);

static struct str oracle_text(const json_t *node)
{
    return (struct str){json_string_value(node), json_string_length(node)};
}

static bool oracle_fits_str(const struct oracle *o, const json_t *node, const struct json_field *f)
{
    size_t n = json_string_length(node);
    size_t most = f->flags & JSON_LONG_TEXT ? o->limits->text_bytes : (size_t)f->most;
    return json_is_string(node) && n >= (size_t)f->least && (most == 0 || n <= most);
}

static int oracle_enum(const json_t *node, const struct json_field *f)
{
    for (int i = 0; json_is_string(node) && f->names[i]; i++)
        if (str_is(oracle_text(node), f->names[i]))
            return i;
    return -1;
}

static int oracle_depth(const json_t *node)
{
    int deepest = 0;
    size_t i;
    const char *key;
    json_t *child;
    if (json_is_array(node))
        json_array_foreach ((json_t *)node, i, child)
            deepest = oracle_depth(child) > deepest ? oracle_depth(child) : deepest;
    if (json_is_object(node))
        json_object_foreach ((json_t *)node, key, child)
            deepest = oracle_depth(child) > deepest ? oracle_depth(child) : deepest;
    return json_is_array(node) || json_is_object(node) ? deepest + 1 : 0;
}

/* The most members of objects that are open at once, when the document is read from its beginning. */
static size_t oracle_open_members(const json_t *node)
{
    size_t most = 0, i, below, n = 0;
    const char *key;
    json_t *child;
    if (json_is_array(node))
        json_array_foreach ((json_t *)node, i, child) {
            below = oracle_open_members(child);
            most = below > most ? below : most;
        }
    if (json_is_object(node))
        json_object_foreach ((json_t *)node, key, child) {
            below = ++n + oracle_open_members(child);
            most = below > most ? below : most;
        }
    return most;
}

static bool oracle_fits(struct oracle *o, const json_t *node, const struct json_field *f, int depth);

static bool oracle_fits_list(struct oracle *o, const json_t *node, const struct json_field *f, int depth)
{
    size_t n = json_array_size(node);
    if (!json_is_array(node) || depth + 1 > o->limits->depth || n < (size_t)f->least ||
        (f->most && n > (size_t)f->most))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!oracle_fits(o, json_array_get(node, i), f->item, depth + 1))
            return false;
    return true;
}

static bool oracle_in_range(const json_t *node, const struct json_field *f)
{
    if (f->kind == JSON_KIND_REAL)
        return (f->low == 0 && f->high == 0) ||
               (json_number_value(node) >= f->low && json_number_value(node) <= f->high);
    return (f->least == 0 && f->most == 0) ||
           (json_integer_value(node) >= f->least && json_integer_value(node) <= f->most);
}

/* The form of a JSON_KIND_ONE_OF that a value's type selects; NULL when none does. */
static const struct json_field *oracle_form(const json_t *node, const struct json_field *f, int *ret_number)
{
    for (size_t i = 0; i < f->form_count; i++) {
        enum json_kind kind = f->forms[i].kind;
        *ret_number = (int)i + 1;
        if (json_is_object(node)  ? kind == JSON_KIND_OBJECT
            : json_is_array(node) ? kind == JSON_KIND_LIST
                                  : json_is_string(node) && (kind == JSON_KIND_STR || kind == JSON_KIND_UUID))
            return &f->forms[i];
    }
    return NULL;
}

static bool oracle_fits(struct oracle *o, const json_t *node, const struct json_field *f, int depth)
{
    struct uuid id;
    int64_t at;
    int number;
    switch (f->kind) {
    case JSON_KIND_STR: return oracle_fits_str(o, node, f);
    case JSON_KIND_INT:
        if (o->flags & JSON_DECODE_INT_AS_REAL)
            o->unknown = true;
        return json_is_integer(node) && oracle_in_range(node, f);
    case JSON_KIND_REAL: return json_is_number(node) && oracle_in_range(node, f);
    case JSON_KIND_BOOL: return json_is_boolean(node);
    case JSON_KIND_ENUM: return oracle_enum(node, f) >= 0;
    case JSON_KIND_UUID: return json_is_string(node) && uuid_parse(oracle_text(node), &id);
    case JSON_KIND_TIME: return json_is_string(node) && clock_parse_rfc3339(oracle_text(node), &at);
    case JSON_KIND_OBJECT: return json_is_object(node) && oracle_fits_shape(o, node, f->shape, depth);
    case JSON_KIND_LIST: return oracle_fits_list(o, node, f, depth);
    case JSON_KIND_RAW:
        return (json_is_object(node) || !(f->flags & JSON_RAW_OBJECT)) &&
               depth + oracle_depth(node) <= o->limits->depth && oracle_open_members(node) <= JSON_RAW_MEMBERS;
    case JSON_KIND_ONE_OF: {
        const struct json_field *form = oracle_form(node, f, &number);
        return form && oracle_fits(o, node, form, depth);
    }
    }
    return false;
}

static const struct json_field *oracle_field(const struct json_shape *shape, const char *key)
{
    for (size_t i = 0; i < shape->count; i++)
        if (strcmp(shape->fields[i].name, key) == 0)
            return &shape->fields[i];
    return NULL;
}

static bool oracle_fits_shape(struct oracle *o, const json_t *node, const struct json_shape *shape, int depth)
{
    const char *key;
    json_t *child;
    bool fits = depth + 1 <= o->limits->depth;
    json_object_foreach ((json_t *)node, key, child) {
        const struct json_field *f = oracle_field(shape, key);
        if (!f)
            fits = false;
        else if (!(json_is_null(child) && (f->flags & JSON_NULLABLE)))
            fits = oracle_fits(o, child, f, depth + 1) && fits;
    }
    for (size_t i = 0; i < shape->count; i++)
        if ((shape->fields[i].flags & JSON_REQUIRED) && !json_object_get(node, shape->fields[i].name))
            fits = false;
    return fits;
}

static bool oracle_equal_shape(const struct oracle *o, const json_t *node, const struct json_shape *shape,
                               const void *base);

static bool oracle_equal_raw(const struct oracle *o, const json_t *node, struct str text)
{
    json_t *again = json_loadb(text.ptr, text.len, o->flags | JSON_DECODE_ANY, NULL);
    bool equal = again && json_equal(node, again);
    json_decref(again);
    return equal;
}

/* The member of *base that `f` names holds what the tree holds. */
static bool oracle_equal(const struct oracle *o, const json_t *node, const struct json_field *f, const char *base)
{
    const char *at = base + f->offset;
    struct uuid id;
    int64_t time;
    int number;
    switch (f->kind) {
    case JSON_KIND_STR: return str_equal(*(const struct str *)at, oracle_text(node));
    case JSON_KIND_INT: return *(const int64_t *)at == json_integer_value(node);
    case JSON_KIND_REAL: return *(const double *)at == json_number_value(node);
    case JSON_KIND_BOOL: return *(const bool *)at == json_is_true(node);
    case JSON_KIND_ENUM: return *(const int *)at == oracle_enum(node, f);
    case JSON_KIND_UUID: return uuid_parse(oracle_text(node), &id) && memcmp(at, &id, sizeof id) == 0;
    case JSON_KIND_TIME: return clock_parse_rfc3339(oracle_text(node), &time) && *(const int64_t *)at == time;
    case JSON_KIND_OBJECT: return oracle_equal_shape(o, node, f->shape, at);
    case JSON_KIND_LIST: {
        const struct json_list *list = (const struct json_list *)at;
        bool equal = list->count == json_array_size(node);
        for (size_t i = 0; equal && i < list->count; i++)
            equal = oracle_equal(o, json_array_get(node, i), f->item, (const char *)list->items + i * f->item_size);
        return equal;
    }
    case JSON_KIND_RAW: return oracle_equal_raw(o, node, *(const struct str *)at);
    case JSON_KIND_ONE_OF: {
        const struct json_field *form = oracle_form(node, f, &number);
        return form && *(const int *)at == number && oracle_equal(o, node, form, base);
    }
    }
    return false;
}

static bool oracle_equal_shape(const struct oracle *o, const json_t *node, const struct json_shape *shape,
                               const void *base)
{
    const struct json_seen *seen = base;
    for (size_t i = 0; i < shape->count; i++) {
        const json_t *child = json_object_get(node, shape->fields[i].name);
        if (json_given(seen, (int)i) != (child != NULL) || json_has(seen, (int)i) != (child && !json_is_null(child))) {
            bool raw_null = child && json_is_null(child) && shape->fields[i].kind == JSON_KIND_RAW;
            if (!raw_null)
                return false;
        }
        if (json_has(seen, (int)i) && !oracle_equal(o, child, &shape->fields[i], base))
            return false;
    }
    return true;
}

/* NULL when base/json and jansson agree on the text, otherwise what they disagree about. *ret_accepted: both took it.
 */
static const char *oracle_disagreement(const char *text, size_t length, const struct json_shape *shape,
                                       const struct json_limits *limits, void *scratch, bool *ret_accepted)
{
    struct oracle o = {.limits = limits, .flags = JSON_REJECT_DUPLICATES};
    struct arena arena = {0};
    struct err err = {0};
    json_error_t error;
    const char *problem = NULL;
    /* jansson 2.14 takes a byte back by stepping back in a buffer where NUL means empty, and so loses a NUL that
     * follows a number or a word. No JSON text holds that byte: the oracle refuses it itself. */
    bool nul = length > 0 && memchr(text, '\0', length);
    json_t *tree = nul ? NULL : json_loadb(text, length, o.flags, &error);
    if (!tree && !nul && json_error_code(&error) == json_error_numeric_overflow) {
        o.flags |= JSON_DECODE_INT_AS_REAL;
        tree = json_loadb(text, length, o.flags, &error);
    }
    bool fits = json_is_object(tree) && oracle_fits_shape(&o, tree, shape, 0);
    char *copy = arena_strndup(&arena, text, length);
    *ret_accepted = json_read(copy, length, shape, limits, scratch, &arena, &err) == 0;
    if (*ret_accepted && !tree)
        problem = "accepted what jansson refuses";
    else if (!o.unknown && *ret_accepted != fits)
        problem = fits ? "refused what the oracle accepts" : "accepted what the oracle refuses";
    else if (!o.unknown && fits && !oracle_equal_shape(&o, tree, shape, scratch))
        problem = "read other values than jansson";
    else if (!*ret_accepted && err.code == ERR_INVALID_JSON && fits)
        problem = "called valid JSON invalid";
    json_decref(tree);
    arena_free(&arena);
    return problem;
}

#endif
