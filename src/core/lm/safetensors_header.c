#include "core/lm/safetensors_header.h"

#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { MAX_NAME = 1000 };

struct header {
    const char *start, *p, *end;
    const char *data; /* where the tensors lie */
    size_t data_size;
    struct safetensor_list *list;
    struct arena *names;
    struct err *err;
};

static const struct {
    const char *name;
    enum safetensors_dtype dtype;
    size_t size;
} dtypes[] = {
    {"F32", DTYPE_F32, 4},   {"F16", DTYPE_F16, 2},   {"BF16", DTYPE_BF16, 2},   {"F64", DTYPE_OTHER, 8},
    {"I64", DTYPE_OTHER, 8}, {"I32", DTYPE_OTHER, 4}, {"I16", DTYPE_OTHER, 2},   {"I8", DTYPE_OTHER, 1},
    {"U64", DTYPE_OTHER, 8}, {"U32", DTYPE_OTHER, 4}, {"U16", DTYPE_OTHER, 2},   {"U8", DTYPE_OTHER, 1},
    {"BOOL", DTYPE_OTHER, 1}, {"F8_E4M3", DTYPE_OTHER, 1}, {"F8_E5M2", DTYPE_OTHER, 1},
};

static int fail(struct header *h, const char *what)
{
    return err_set(h->err, ERR_BAD_FILE, "safetensors header, byte %zu: %s", (size_t)(h->p - h->start), what);
}

static void skip_space(struct header *h)
{
    while (h->p < h->end && (*h->p == ' ' || *h->p == '\n' || *h->p == '\t' || *h->p == '\r'))
        h->p++;
}

/* Takes `c`, with the space around it; false, at the same place, when something else is there. */
static bool take(struct header *h, char c)
{
    skip_space(h);
    if (h->p == h->end || *h->p != c)
        return false;
    h->p++;
    skip_space(h);
    return true;
}

static int expect(struct header *h, char c)
{
    char what[] = "'?' is missing";
    what[1] = c;
    return take(h, c) ? 0 : fail(h, what);
}

/* A string; escapes are passed over, and told, for only metadata may have them. */
static int read_string(struct header *h, struct str *ret, bool *ret_escaped)
{
    if (h->p == h->end || *h->p != '"')
        return fail(h, "a text is missing");
    const char *first = ++h->p;
    *ret_escaped = false;
    while (h->p < h->end && *h->p != '"') {
        if ((unsigned char)*h->p < 0x20)
            return fail(h, "a control character in a text");
        if (*h->p == '\\') {
            *ret_escaped = true;
            h->p++;
        }
        h->p += h->p < h->end;
    }
    if (h->p == h->end)
        return fail(h, "a text does not end");
    *ret = (struct str){first, (size_t)(h->p - first)};
    h->p++;
    return str_is_utf8(*ret) ? 0 : fail(h, "a text is not UTF-8");
}

static int read_plain(struct header *h, struct str *ret)
{
    bool escaped;
    if (read_string(h, ret, &escaped) < 0)
        return -1;
    return escaped || ret->len > MAX_NAME ? fail(h, "a name is too long or has escapes") : 0;
}

/* An integer from 0 to 2^63 - 1, without sign, fraction or leading zeros. */
static int read_size(struct header *h, int64_t *ret)
{
    const char *first = h->p;
    while (h->p < h->end && *h->p >= '0' && *h->p <= '9')
        h->p++;
    struct str digits = {first, (size_t)(h->p - first)};
    if (digits.len == 0 || (digits.len > 1 && *first == '0') || !str_to_int64(digits, ret))
        return fail(h, "a size is not a whole number below 2^63");
    skip_space(h);
    return 0;
}

/* [n, ...] of at most `room` sizes. */
static int read_sizes(struct header *h, int room, int64_t *sizes, int *ret_count)
{
    *ret_count = 0;
    if (expect(h, '[') < 0)
        return -1;
    if (take(h, ']'))
        return 0;
    do {
        if (*ret_count == room)
            return fail(h, "a list of sizes is too long");
        if (read_size(h, &sizes[(*ret_count)++]) < 0)
            return -1;
    } while (take(h, ','));
    return expect(h, ']');
}

static int read_metadata(struct header *h)
{
    if (expect(h, '{') < 0)
        return -1;
    if (take(h, '}'))
        return 0;
    do {
        struct str text;
        bool escaped;
        if (read_string(h, &text, &escaped) < 0 || expect(h, ':') < 0 || read_string(h, &text, &escaped) < 0)
            return -1;
    } while (take(h, ','));
    return expect(h, '}');
}

struct described {
    struct str dtype;
    int64_t shape[SAFETENSORS_MAX_RANK], offsets[2];
    int rank, offset_count;
    unsigned seen; /* bits of members */
};

static int read_member(struct header *h, struct described *d)
{
    struct str key;
    if (read_plain(h, &key) < 0 || expect(h, ':') < 0)
        return -1;
    unsigned bit = str_is(key, "dtype") ? 1 : str_is(key, "shape") ? 2 : str_is(key, "data_offsets") ? 4 : 0;
    if (bit == 0 || d->seen & bit)
        return fail(h, "a tensor has an unknown member, or one twice");
    d->seen |= bit;
    if (bit == 1)
        return read_plain(h, &d->dtype);
    return bit == 2 ? read_sizes(h, SAFETENSORS_MAX_RANK, d->shape, &d->rank)
                    : read_sizes(h, 2, d->offsets, &d->offset_count);
}

static int read_description(struct header *h, struct described *d)
{
    if (expect(h, '{') < 0)
        return -1;
    do {
        if (read_member(h, d) < 0)
            return -1;
    } while (take(h, ','));
    if (d->seen != 7 || d->offset_count != 2)
        return fail(h, "a tensor needs dtype, shape and two data_offsets");
    return expect(h, '}');
}

/* Checks the description against the file and makes the tensor of it. */
static int fit_tensor(struct header *h, const struct described *d, struct safetensor *t)
{
    size_t element = 0;
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (str_is(d->dtype, dtypes[i].name)) {
            t->dtype = dtypes[i].dtype;
            element = dtypes[i].size;
        }
    if (element == 0)
        return fail(h, "a dtype is not known");
    t->rank = d->rank;
    t->count = 1;
    bool overflow = false;
    for (int i = 0; i < d->rank; i++) {
        t->shape[i] = d->shape[i];
        overflow |= __builtin_mul_overflow(t->count, (size_t)d->shape[i], &t->count);
    }
    overflow |= __builtin_mul_overflow(t->count, element, &t->bytes);
    if (overflow)
        return fail(h, "a shape overflows");
    if (d->offsets[0] > d->offsets[1] || (uint64_t)d->offsets[1] > h->data_size)
        return fail(h, "data_offsets lie beyond the end of the file");
    if ((size_t)(d->offsets[1] - d->offsets[0]) != t->bytes)
        return fail(h, "data_offsets do not fit dtype and shape");
    t->data = h->data + d->offsets[0];
    return 0;
}

static int append(struct header *h, const struct safetensor *t)
{
    struct safetensor_list *list = h->list;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        struct safetensor *more = mem_resize(list->items, room, sizeof *more);
        if (!more)
            return err_memory(h->err);
        list->items = more;
        list->room = room;
    }
    list->items[list->count++] = *t;
    return 0;
}

static int read_entry(struct header *h)
{
    struct str name;
    if (read_plain(h, &name) < 0 || expect(h, ':') < 0)
        return -1;
    if (str_is(name, "__metadata__"))
        return read_metadata(h);
    struct described d = {0};
    struct safetensor t = {0};
    if (read_description(h, &d) < 0 || fit_tensor(h, &d, &t) < 0)
        return -1;
    char *copy = arena_alloc(h->names, name.len + 1);
    if (!copy)
        return err_memory(h->err);
    memcpy(copy, name.ptr, name.len);
    copy[name.len] = '\0';
    t.name = copy;
    return append(h, &t);
}

static int by_offset(const void *a, const void *b)
{
    const struct safetensor *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes; /* empty ones first */
}

/* The tensors lie one behind the other from the first byte of the data to the last. */
static int check_tiling(struct header *h, size_t first)
{
    size_t count = h->list->count - first;
    const char *next = h->data;
    if (count > 0)
        qsort(h->list->items + first, count, sizeof h->list->items[0], by_offset);
    for (size_t i = first; i < h->list->count; i++) {
        const struct safetensor *t = &h->list->items[i];
        if ((const char *)t->data != next)
            return err_set(h->err, ERR_BAD_FILE, "tensor \"%.80s\" %s", t->name,
                           (const char *)t->data < next ? "overlaps another" : "leaves a gap before it");
        next += t->bytes;
    }
    if (next != h->data + h->data_size)
        return err_set(h->err, ERR_BAD_FILE, "%zu bytes at the end belong to no tensor",
                       (size_t)(h->data + h->data_size - next));
    return 0;
}

int safetensors_header(const void *bytes, size_t size, struct safetensor_list *list, struct arena *names,
                       struct err *err)
{
    uint64_t length;
    if (size < sizeof length)
        return err_set(err, ERR_BAD_FILE, "not a safetensors file: it has no header");
    memcpy(&length, bytes, sizeof length);
    length = le64toh(length);
    if (length > SAFETENSORS_MAX_HEADER || length > size - sizeof length)
        return err_set(err, ERR_BAD_FILE, "safetensors header of %llu bytes, more than %s", (unsigned long long)length,
                       length > SAFETENSORS_MAX_HEADER ? "is allowed" : "the file has");
    const char *start = (const char *)bytes + sizeof length;
    struct header h = {.start = start, .p = start, .end = start + length, .data = start + length,
                       .data_size = size - sizeof length - length, .list = list, .names = names, .err = err};
    size_t first = list->count;
    if (length == 0 || *start != '{' || expect(&h, '{') < 0)
        return fail(&h, "it must begin with '{'");
    if (!take(&h, '}')) {
        do {
            if (read_entry(&h) < 0)
                return -1;
        } while (take(&h, ','));
        if (expect(&h, '}') < 0)
            return -1;
    }
    if (h.p != h.end)
        return fail(&h, "something follows the object");
    return check_tiling(&h, first);
}
