#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/lm/replace.h"
#include "core/lm/safetensors.h"

enum { CHUNK = 1 << 16, ALIGNMENT = 64 };

/* Round to nearest, ties to even; a NaN stays one. */
static uint16_t bf16_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static size_t stored_size(enum safetensors_dtype stored)
{
    return stored == DTYPE_BF16 ? 2 : 4;
}

/* The length and the header, padded with spaces. */
static void compose_header(struct buf *out, const struct safetensor *tensors, size_t count,
                           enum safetensors_dtype stored)
{
    size_t offset = 0;
    buf_add(out, (char[8]){0}, 8);
    buf_text(out, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < count; i++) {
        size_t bytes = tensors[i].count * stored_size(stored);
        buf_printf(out, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", tensors[i].name,
                   stored == DTYPE_BF16 ? "BF16" : "F32");
        for (int d = 0; d < tensors[i].rank; d++)
            buf_printf(out, "%s%lld", d ? "," : "", (long long)tensors[i].shape[d]);
        buf_printf(out, "],\"data_offsets\":[%zu,%zu]}", offset, offset + bytes);
        offset += bytes;
    }
    buf_char(out, '}');
    while (!out->failed && out->length % ALIGNMENT)
        buf_char(out, ' ');
    if (out->failed)
        return;
    uint64_t length = htole64(out->length - 8);
    memcpy(out->data, &length, sizeof length);
}

struct contents {
    const struct safetensor *tensors;
    size_t count;
    enum safetensors_dtype stored;
    safetensors_part *part;
    const void *context;
};

/* A part of a tensor of floats in memory; the context is the tensors. */
static void copy_part(const void *context, size_t tensor, size_t from, size_t n, float *out)
{
    const struct safetensor *tensors = context;
    memcpy(out, (const float *)tensors[tensor].data + from, n * sizeof *out);
}

/* One tensor through buffers of CHUNK elements. */
static int write_data(FILE *file, const struct contents *c, size_t tensor, float *values, void *chunk)
{
    size_t count = c->tensors[tensor].count;
    for (size_t i = 0; i < count; i += CHUNK) {
        size_t n = count - i < CHUNK ? count - i : CHUNK;
        c->part(c->context, tensor, i, n, values);
        for (size_t j = 0; j < n; j++) {
            uint32_t bits;
            memcpy(&bits, &values[j], sizeof bits);
            if (c->stored == DTYPE_BF16)
                ((uint16_t *)chunk)[j] = htole16(bf16_of(values[j]));
            else
                ((uint32_t *)chunk)[j] = htole32(bits);
        }
        if (fwrite(chunk, stored_size(c->stored), n, file) != n)
            return -1;
    }
    return 0;
}

static int write_contents(FILE *file, void *context, struct err *err)
{
    const struct contents *c = context;
    struct buf header = {0};
    int result = -1;
    float *values = mem_array(2 * CHUNK, sizeof *values);
    compose_header(&header, c->tensors, c->count, c->stored);
    if (!values || header.failed) {
        err_memory(err);
        goto out;
    }
    result = fwrite(header.data, 1, header.length, file) == header.length ? 0 : -1;
    for (size_t i = 0; i < c->count && result == 0; i++)
        result = write_data(file, c, i, values, values + CHUNK);
    if (result < 0)
        err_errno(err, "cannot write");
out:
    mem_free(values);
    buf_free(&header);
    return result;
}

int safetensors_write_parts(const char *path, const struct safetensor *tensors, size_t count,
                            enum safetensors_dtype stored, safetensors_part *part, const void *context,
                            struct err *err)
{
    struct contents c = {tensors, count, stored, part, context};
    return replace_file(path, write_contents, &c, err);
}

int safetensors_write(const char *path, const struct safetensor *tensors, size_t count, enum safetensors_dtype stored,
                      struct err *err)
{
    return safetensors_write_parts(path, tensors, count, stored, copy_part, tensors, err);
}
