/* The header of a safetensors file: whatever it says, tensors that are accepted lie within the file and tile its data.
 * The first byte of the input is the size of the data behind the header. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "core/lm/safetensors.h"

static void check_tensors(const struct safetensors *s, const char *data, size_t size)
{
    size_t total = 0;
    for (size_t i = 0; i < safetensors_count(s); i++) {
        const struct safetensor *t = safetensors_at(s, i);
        const char *at = t->data;
        if (at < data || t->bytes > size || at > data + size - t->bytes || safetensors_find(s, t->name) != t)
            abort();
        total += t->bytes;
        float values[256];
        if (t->count <= 256 && safetensors_read(t, values, NULL) == 0 && t->dtype == DTYPE_OTHER)
            abort();
    }
    if (total != size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size < 2)
        return 0;
    struct buf file = {0};
    struct err err;
    uint64_t length = size - 1;
    buf_add(&file, &length, sizeof length);
    buf_add(&file, input + 1, length);
    for (int i = 0; i < input[0]; i++)
        buf_char(&file, (char)i);
    struct safetensors *s = safetensors_parse(file.data, file.length, &err);
    if (s)
        check_tensors(s, file.data + 8 + length, input[0]);
    safetensors_free(s);
    buf_free(&file);
    return 0;
}
