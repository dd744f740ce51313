#include "store/param.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"

enum { TEXT_FORM = 0, BINARY_FORM = 1, ARRAY_HEADER = 20 };

/* Microseconds from 1970 to 2000, where PostgreSQL counts from. */
static const int64_t EPOCH_2000_US = INT64_C(946684800) * 1000000;

static void add(struct pg_params *p, const char *value, size_t length, int format)
{
    CHECK(p->count < PG_PARAMS_MAX);
    CHECK(length <= INT32_MAX);
    p->values[p->count] = value;
    p->lengths[p->count] = (int)length;
    p->formats[p->count] = format;
    p->count++;
}

static void add_copy(struct pg_params *p, const void *bytes, size_t length, int format)
{
    char *copy = arena_strndup(&p->arena, bytes, length);
    if (!copy)
        p->failed = true;
    add(p, copy, length, format);
}

void pg_param_null(struct pg_params *p)
{
    add(p, NULL, 0, TEXT_FORM);
}

void pg_param_text(struct pg_params *p, struct str text)
{
    if (!text.ptr) {
        pg_param_null(p);
        return;
    }
    if (memchr(text.ptr, '\0', text.len))
        p->has_nul = true;
    add_copy(p, text.ptr, text.len, TEXT_FORM);
}

void pg_param_cstr(struct pg_params *p, const char *text)
{
    pg_param_text(p, str_of(text));
}

static void add_printed(struct pg_params *p, const char *text)
{
    if (!text)
        p->failed = true;
    add(p, text, text ? strlen(text) : 0, TEXT_FORM);
}

void pg_param_int(struct pg_params *p, int64_t value)
{
    add_printed(p, arena_printf(&p->arena, "%" PRId64, value));
}

void pg_param_double(struct pg_params *p, double value)
{
    add_printed(p, arena_printf(&p->arena, "%.17g", value));
}

void pg_param_bool(struct pg_params *p, bool value)
{
    add(p, value ? "t" : "f", 1, TEXT_FORM);
}

void pg_param_uuid(struct pg_params *p, const struct uuid *u)
{
    if (u)
        add_copy(p, u->bytes, sizeof u->bytes, BINARY_FORM);
    else
        pg_param_null(p);
}

void pg_param_bytes(struct pg_params *p, const void *bytes, size_t length)
{
    add_copy(p, length ? bytes : "", length, BINARY_FORM);
}

static void big_endian(uint64_t value, int width, char *ret)
{
    for (int i = 0; i < width; i++)
        ret[i] = (char)(value >> (8 * (width - 1 - i)));
}

void pg_param_time(struct pg_params *p, int64_t wall_us)
{
    char bytes[8];
    big_endian((uint64_t)(wall_us - EPOCH_2000_US), 8, bytes);
    add_copy(p, bytes, sizeof bytes, BINARY_FORM);
}

void pg_params_free(struct pg_params *p)
{
    arena_free(&p->arena);
    *p = (struct pg_params){0};
}

/* Header: dimensions, has-nulls flag, element OID, length, lower bound; the flag and the length are set when it is
 * used. */
void pg_array_start(struct pg_array *a, enum pg_type type)
{
    char header[ARRAY_HEADER] = {0};
    big_endian(1, 4, header);
    big_endian(type, 4, header + 8);
    big_endian(1, 4, header + 16);
    a->type = type;
    a->count = 0;
    buf_clear(&a->bytes);
    buf_add(&a->bytes, header, sizeof header);
}

static void add_element(struct pg_array *a, const void *bytes, size_t length)
{
    char prefix[4];
    CHECK(length <= INT32_MAX);
    big_endian(length, 4, prefix);
    buf_add(&a->bytes, prefix, sizeof prefix);
    buf_add(&a->bytes, bytes, length);
    a->count++;
}

void pg_array_null(struct pg_array *a)
{
    static const char minus_one[4] = {-1, -1, -1, -1};
    buf_add(&a->bytes, minus_one, sizeof minus_one);
    a->count++;
}

void pg_array_int(struct pg_array *a, int64_t value)
{
    CHECK(a->type == PG_INT2 || a->type == PG_INT4 || a->type == PG_INT8);
    int width = a->type == PG_INT2 ? 2 : a->type == PG_INT4 ? 4 : 8;
    CHECK(width == 8 || (value >= -(INT64_C(1) << (8 * width - 1)) && value < INT64_C(1) << (8 * width - 1)));
    char bytes[8];
    big_endian((uint64_t)value, width, bytes);
    add_element(a, bytes, (size_t)width);
}

void pg_array_double(struct pg_array *a, double value)
{
    CHECK(a->type == PG_FLOAT8);
    uint64_t bits;
    char bytes[8];
    memcpy(&bits, &value, sizeof bits);
    big_endian(bits, 8, bytes);
    add_element(a, bytes, sizeof bytes);
}

void pg_array_bool(struct pg_array *a, bool value)
{
    CHECK(a->type == PG_BOOL);
    add_element(a, value ? "\1" : "\0", 1);
}

void pg_array_text(struct pg_array *a, struct str text)
{
    CHECK(a->type == PG_TEXT);
    if (text.ptr)
        add_element(a, text.ptr, text.len);
    else
        pg_array_null(a);
}

void pg_array_bytes(struct pg_array *a, const void *bytes, size_t length)
{
    CHECK(a->type == PG_BYTEA);
    add_element(a, bytes, length);
}

void pg_array_uuid(struct pg_array *a, const struct uuid *u)
{
    CHECK(a->type == PG_UUID);
    if (u)
        add_element(a, u->bytes, sizeof u->bytes);
    else
        pg_array_null(a);
}

void pg_array_time(struct pg_array *a, int64_t wall_us)
{
    CHECK(a->type == PG_TIMESTAMPTZ);
    char bytes[8];
    big_endian((uint64_t)(wall_us - EPOCH_2000_US), 8, bytes);
    add_element(a, bytes, sizeof bytes);
}

void pg_param_array(struct pg_params *p, struct pg_array *a)
{
    if (a->bytes.failed) {
        p->failed = true;
        add(p, NULL, 0, BINARY_FORM);
        return;
    }
    CHECK(a->bytes.length >= ARRAY_HEADER);
    big_endian((uint64_t)a->count, 4, a->bytes.data + 12);
    add(p, a->bytes.data, a->bytes.length, BINARY_FORM);
}
