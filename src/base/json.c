#include "base/json.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json_distinct.h"
#include "base/json_scan.h"

static int read_value(struct json_scan *r, const struct json_field *f, void *base);

static int read_raw(struct json_scan *r, const struct json_field *f, void *target)
{
    struct str *text = target;
    if ((f->flags & JSON_RAW_OBJECT) && *r->p != '{')
        return scan_unfit(r, "must be an object");
    if (scan_raw(r, text))
        return -1;
    if (f->most && text->len > (uint64_t)f->most)
        return scan_unfit(r, "has %zu bytes, %lld are allowed", text->len, (long long)f->most);
    return 0;
}

static int read_str(struct json_scan *r, const struct json_field *f, void *target)
{
    struct str *text = target;
    if (scan_string(r, text))
        return -1;
    size_t most = f->flags & JSON_LONG_TEXT ? r->limits.text_bytes : (size_t)f->most;
    if (most && text->len > most)
        return scan_unfit(r, "has %zu bytes, %zu are allowed", text->len, most);
    if (text->len < (size_t)f->least)
        return text->len == 0 ? scan_unfit(r, "must not be empty")
                              : scan_unfit(r, "needs at least %lld bytes", (long long)f->least);
    return 0;
}

static int read_int(struct json_scan *r, const struct json_field *f, void *target)
{
    struct str text;
    bool integer;
    int64_t *value = target;
    if (scan_number(r, &text, &integer))
        return -1;
    if (!integer)
        return scan_unfit(r, "must be an integer, without fraction or exponent");
    if (!str_to_int64(text, value))
        return scan_unfit(r, "the integer does not fit 64 bits");
    if ((f->least || f->most) && (*value < f->least || *value > f->most))
        return scan_unfit(r, "must be within %lld and %lld", (long long)f->least, (long long)f->most);
    return 0;
}

static int read_real(struct json_scan *r, const struct json_field *f, void *target)
{
    struct str text;
    bool integer;
    double *value = target;
    if (scan_number(r, &text, &integer) || scan_finite(r, text, value))
        return -1;
    if ((f->low != 0 || f->high != 0) && (*value < f->low || *value > f->high))
        return scan_unfit(r, "must be within %g and %g", f->low, f->high);
    return 0;
}

static int read_bool(struct json_scan *r, const struct json_field *f, void *target)
{
    (void)f;
    bool value = *r->p == 't';
    *(bool *)target = value;
    return scan_literal(r, value ? "true" : "false");
}

static int read_enum(struct json_scan *r, const struct json_field *f, void *target)
{
    struct str text;
    char list[200];
    size_t n = 0;
    if (scan_string(r, &text))
        return -1;
    for (int i = 0; f->names[i]; i++)
        if (str_is(text, f->names[i])) {
            *(int *)target = i;
            return 0;
        }
    list[0] = '\0';
    for (int i = 0; f->names[i] && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", f->names[i]);
    return scan_unfit(r, "must be one of: %s", list);
}

static int read_uuid(struct json_scan *r, const struct json_field *f, void *target)
{
    (void)f;
    struct str text;
    if (scan_string(r, &text))
        return -1;
    return uuid_parse(text, target) ? 0 : scan_unfit(r, "must be a UUID of 36 characters");
}

static int read_time(struct json_scan *r, const struct json_field *f, void *target)
{
    (void)f;
    struct str text;
    if (scan_string(r, &text))
        return -1;
    if (!clock_parse_rfc3339(text, target))
        return scan_unfit(r, "must be an RFC 3339 timestamp with a zone, such as 2026-01-31T12:00:00Z");
    return 0;
}

/* The zeroed place for element list->count. The room is 4, 8, 16, ...: it is doubled, and what the list had is copied,
 * whenever the count reaches one of these. NULL with the error set when there is no memory. */
static void *list_slot(struct json_scan *r, struct json_list *list, size_t item_size)
{
    size_t n = list->count;
    bool full = n == 0 || (n >= 4 && (n & (n - 1)) == 0);
    if (full) {
        void *items = arena_zeroed(r->arena, n ? n * 2 : 4, item_size);
        if (!items) {
            err_memory(r->err);
            return NULL;
        }
        if (n)
            memcpy(items, list->items, n * item_size);
        list->items = items;
    }
    return (char *)list->items + n * item_size;
}

static int read_element(struct json_scan *r, const struct json_field *f, struct json_list *list)
{
    struct json_place here = {.up = r->at, .index = list->count};
    void *slot = list_slot(r, list, f->item_size);
    if (!slot)
        return -1;
    r->at = &here;
    if (read_value(r, f->item, slot))
        return -1;
    r->at = here.up;
    list->count++;
    return 0;
}

/* An element that is there already is the fault of the later one, so the pointer leads to that. */
static int check_distinct(struct json_scan *r, const struct json_field *f, const struct json_list *list)
{
    struct json_place here = {.up = r->at};
    size_t first = 0;
    int repeated = json_repeated(f, list, r->arena, &here.index, &first, r->err);
    if (repeated <= 0)
        return repeated;
    r->at = &here;
    return scan_unfit(r, "is element %zu again: no element may come twice", first);
}

static int read_list(struct json_scan *r, const struct json_field *f, void *target)
{
    struct json_list *list = target;
    char *begin = r->p;
    int more = 1;
    if (scan_enter(r))
        return -1;
    if (scan_empty(r, ']'))
        more = 0;
    while (more > 0) {
        if (f->most && list->count == (size_t)f->most) {
            r->value = begin;
            return scan_unfit(r, "has more than %lld elements", (long long)f->most);
        }
        if (read_element(r, f, list))
            return -1;
        more = scan_another(r, ']');
    }
    r->value = begin;
    if (more == 0 && list->count < (size_t)f->least)
        return scan_unfit(r, "needs at least %lld elements", (long long)f->least);
    if (more == 0 && (f->flags & JSON_DISTINCT))
        return check_distinct(r, f, list);
    return more;
}

/* The position of the member `key` in `shape`; members mostly come in the order of the table, so `expected` is tried
 * first. -1 when there is none. */
static int member_of(const struct json_shape *shape, struct str key, size_t expected)
{
    for (size_t n = 0, i = expected; n < shape->count; n++, i++) {
        if (i >= shape->count)
            i = 0;
        const struct json_field *f = &shape->fields[i];
        if (f->name_length == key.len && memcmp(f->name, key.ptr, key.len) == 0)
            return (int)i;
    }
    return -1;
}

/* A member that the shape does not know: refused, dropped or kept. */
static int read_other(struct json_scan *r, const struct json_shape *shape, char *base, struct str name)
{
    struct str text;
    if (!shape->open)
        return scan_fail(r, ERR_UNKNOWN_MEMBER, name.ptr - 1, "there is no such member");
    if (scan_colon(r) || scan_raw(r, &text))
        return -1;
    if (!shape->others)
        return 0;
    struct json_list *list = (struct json_list *)(base + shape->others);
    const struct json_other *kept = list->items;
    for (size_t i = 0; i < list->count; i++)
        if (str_equal(kept[i].name, name))
            return scan_fail(r, ERR_INVALID_JSON, name.ptr - 1, "duplicate key in an object");
    if (list->count == JSON_RAW_MEMBERS)
        return scan_fail(r, ERR_INVALID_VALUE, name.ptr - 1, "there are more than %d unknown members",
                         JSON_RAW_MEMBERS);
    struct json_other *slot = list_slot(r, list, sizeof *slot);
    if (!slot)
        return -1;
    *slot = (struct json_other){name, text};
    list->count++;
    return 0;
}

/* One member, p at its name. *expected becomes the place after its field. */
static int read_member(struct json_scan *r, const struct json_shape *shape, void *base, size_t *expected)
{
    struct json_seen *seen = base;
    struct json_place here = {.up = r->at};
    if (*r->p != '"')
        return scan_syntax(r, "expected a member name in quotes");
    if (scan_string(r, &here.name))
        return -1;
    r->at = &here;
    int i = member_of(shape, here.name, *expected);
    if (i < 0) {
        int done = read_other(r, shape, base, here.name);
        r->at = done ? r->at : here.up;
        return done;
    }
    uint64_t bit = (uint64_t)1 << i;
    if (seen->given & bit)
        return scan_fail(r, ERR_INVALID_JSON, here.name.ptr - 1, "duplicate key in an object");
    seen->given |= bit;
    if (scan_colon(r))
        return -1;
    const struct json_field *f = &shape->fields[i];
    if (*r->p == 'n' && (f->flags & JSON_NULLABLE)) {
        seen->null |= bit;
        if (scan_literal(r, "null"))
            return -1;
    } else if (read_value(r, f, base)) {
        return -1;
    }
    *expected = (size_t)i + 1;
    r->at = here.up;
    return 0;
}

static int missing(struct json_scan *r, const struct json_shape *shape, const struct json_seen *seen)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct json_field *f = &shape->fields[i];
        if ((f->flags & JSON_REQUIRED) && !(seen->given >> i & 1)) {
            struct json_place here = {.up = r->at, .name = {f->name, f->name_length}};
            r->at = &here;
            return scan_fail(r, ERR_MISSING_MEMBER, r->p - 1, "the member is required");
        }
    }
    return 0;
}

static int read_shape(struct json_scan *r, const struct json_shape *shape, void *base)
{
    size_t expected = 0;
    int more = 1;
    if (scan_enter(r))
        return -1;
    if (scan_empty(r, '}'))
        more = 0;
    while (more > 0) {
        if (read_member(r, shape, base, &expected))
            return -1;
        more = scan_another(r, '}');
    }
    return more < 0 ? -1 : missing(r, shape, base);
}

static int read_object(struct json_scan *r, const struct json_field *f, void *target)
{
    return read_shape(r, f->shape, target);
}

static const struct kind {
    int (*read)(struct json_scan *r, const struct json_field *f, void *target);
    const char *begins; /* the first bytes that its values may have */
    const char *must_be;
} kinds[] = {
    [JSON_KIND_STR] = {read_str, "\"", "a string"},
    [JSON_KIND_INT] = {read_int, "-0123456789", "an integer"},
    [JSON_KIND_REAL] = {read_real, "-0123456789", "a number"},
    [JSON_KIND_BOOL] = {read_bool, "tf", "true or false"},
    [JSON_KIND_ENUM] = {read_enum, "\"", "a string"},
    [JSON_KIND_UUID] = {read_uuid, "\"", "a UUID in quotes"},
    [JSON_KIND_TIME] = {read_time, "\"", "a timestamp in quotes"},
    [JSON_KIND_OBJECT] = {read_object, "{", "an object"},
    [JSON_KIND_LIST] = {read_list, "[", "an array"},
    [JSON_KIND_RAW] = {read_raw, "{[\"-0123456789tfn", "a value"},
};

static bool begins(enum json_kind kind, char c)
{
    return c != '\0' && strchr(kinds[kind].begins, c);
}

/* No form of the field begins like this; what is there is either a value of another type or no JSON at all. */
static int wrong_type(struct json_scan *r, const char *must_be)
{
    struct str other;
    bool null = *r->p == 'n';
    if (!begins(JSON_KIND_RAW, *r->p))
        return scan_syntax(r, "expected a value");
    if (scan_raw(r, &other))
        return -1;
    return scan_unfit(r, "must be %s%s", must_be, null ? ", not null" : "");
}

static int read_one_of(struct json_scan *r, const struct json_field *f, void *base)
{
    char must_be[120];
    size_t n = 0;
    for (size_t i = 0; i < f->form_count; i++)
        if (begins(f->forms[i].kind, *r->p)) {
            *(int *)((char *)base + f->offset) = (int)i + 1;
            return read_value(r, &f->forms[i], base);
        }
    must_be[0] = '\0';
    for (size_t i = 0; i < f->form_count && n < sizeof must_be; i++)
        n +=
            (size_t)snprintf(must_be + n, sizeof must_be - n, "%s%s", i ? " or " : "", kinds[f->forms[i].kind].must_be);
    return wrong_type(r, must_be);
}

/* A value, p at its first byte, into the member of *base that `f` names. */
static int read_value(struct json_scan *r, const struct json_field *f, void *base)
{
    r->value = r->p;
    if (f->kind == JSON_KIND_ONE_OF)
        return read_one_of(r, f, base);
    if (!begins(f->kind, *r->p))
        return wrong_type(r, kinds[f->kind].must_be);
    return kinds[f->kind].read(r, f, (char *)base + f->offset);
}

void json_take_reals(const struct json_seen *seen, const struct json_real *reals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (json_given(seen, reals[i].field))
            *reals[i].to = reals[i].value;
}

void json_take_integers(const struct json_seen *seen, const struct json_integer *integers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (json_given(seen, integers[i].field))
            *integers[i].to = (int)integers[i].value;
}

static struct json_scan scan_of(char *text, size_t length, const struct json_limits *limits, struct arena *arena,
                                struct err *err)
{
    CHECK(text[length] == '\0');
    struct json_scan r = {
        .p = text, .start = text, .end = text + length, .limits = *limits, .arena = arena, .err = err};
    scan_space(&r);
    r.value = r.p;
    return r;
}

static int at_end(struct json_scan *r)
{
    scan_space(r);
    return r->p == r->end ? 0
                          : scan_fail(r, ERR_INVALID_JSON, r->p, "there is more text after the end of the document");
}

int json_read(char *text, size_t length, const struct json_shape *shape, const struct json_limits *limits, void *ret,
              struct arena *arena, struct err *err)
{
    CHECK(shape->count <= JSON_SHAPE_FIELDS);
    struct json_scan r = scan_of(text, length, limits, arena, err);
    memset(ret, 0, shape->size);
    if (*r.p != '{')
        return wrong_type(&r, "an object");
    return read_shape(&r, shape, ret) || at_end(&r) ? -1 : 0;
}

/* The string or number at p, or another value, which is *ret_other. */
static int pick_here(struct json_scan *r, struct str *ret, bool *ret_other)
{
    bool integer;
    double value;
    *ret_other = false;
    if (*r->p == '"')
        return scan_string(r, ret);
    if (begins(JSON_KIND_REAL, *r->p))
        return scan_number(r, ret, &integer) || scan_finite(r, *ret, &value) ? -1 : 0;
    *ret_other = true;
    return scan_raw(r, ret);
}

/* Looks through the object at p for the first name of `path`, then deeper. 1 found, 0 not there, -1. */
static int pick_member(struct json_scan *r, const char *path, struct str *ret)
{
    size_t length = strcspn(path, ".");
    int more = 1, found = 0;
    if (scan_enter(r))
        return -1;
    if (scan_empty(r, '}'))
        return 0;
    while (more > 0) {
        struct str name, skipped;
        bool other = false;
        if (*r->p != '"')
            return scan_syntax(r, "expected a member name in quotes");
        if (scan_string(r, &name) || scan_colon(r))
            return -1;
        bool here = !found && str_equal(name, (struct str){path, length});
        r->value = r->p;
        if (here && path[length] == '.' && *r->p == '{')
            found = pick_member(r, path + length + 1, ret);
        else if (here && path[length] == '\0')
            found = pick_here(r, ret, &other) ? -1 : 1;
        else if (scan_raw(r, &skipped))
            return -1;
        if (found < 0)
            return -1;
        if (other)
            return scan_unfit(r, "`%s` must be a string or a number", path);
        more = scan_another(r, '}');
    }
    return more < 0 ? -1 : found;
}

int json_pick(char *text, size_t length, const char *path, const struct json_limits *limits, struct str *ret,
              struct err *err)
{
    struct json_scan r = scan_of(text, length, limits, NULL, err);
    if (*r.p != '{')
        return wrong_type(&r, "an object");
    int found = pick_member(&r, path, ret);
    if (found < 0 || at_end(&r))
        return -1;
    return found ? 0 : scan_fail(&r, ERR_MISSING_MEMBER, r.p, "the member `%s` is not there", path);
}
