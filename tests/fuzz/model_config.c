/* config.json of a model: a shape that is accepted can be laid out, and its numbers are within their ranges. */
#include <stdlib.h>

#include "core/lm/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct lm_shape shape;
    if (checkpoint_config((const char *)data, size, &shape, &err) < 0) {
        if (err.code != ERR_BAD_FILE || !err.message[0])
            abort();
        return 0;
    }
    struct lm_layout layout;
    if (lm_shape_check(&shape, &err) < 0 || lm_layout_make(&shape, &layout, &err) < 0)
        abort();
    if (layout.count < (size_t)shape.vocabulary * (size_t)shape.width || layout.tensor_count < shape.layers)
        abort();
    lm_layout_free(&layout);
    return 0;
}
