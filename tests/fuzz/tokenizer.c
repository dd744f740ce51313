/* tokenizer.json: what is accepted encodes any text or says why not, its ids are in range, and written out and read
 * again it is the same. The text is the tail of the input behind the first NUL. */
#include <stdlib.h>
#include <string.h>

#include "core/lm/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct tokenizer *t, struct str text, unsigned flags)
{
    struct err err;
    struct token_list ids = {0};
    struct buf out = {0};
    if (tokenizer_encode(t, text, flags, &ids, &err) == 0) {
        if (tokenizer_decode(t, ids.ids, ids.count, flags, &out, &err) < 0)
            abort();
    } else if (err.code != ERR_INVALID_VALUE && err.code != ERR_TOO_LARGE) {
        abort();
    }
    buf_free(&out);
    token_list_free(&ids);
}

static void write_and_read(const struct tokenizer *t)
{
    struct err err;
    struct buf first = {0}, second = {0};
    if (tokenizer_compose(t, &first, &err) < 0)
        abort();
    struct tokenizer *again = tokenizer_parse((struct str){first.data, first.length}, &err);
    if (!again || tokenizer_compose(again, &second, &err) < 0 || strcmp(first.data, second.data) != 0)
        abort();
    tokenizer_free(again);
    buf_free(&first);
    buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    size_t length = end ? (size_t)(end - data) : size;
    struct str text = {end ? (const char *)end + 1 : "ab a  b", end ? size - length - 1 : 7};
    struct tokenizer *t = tokenizer_parse((struct str){(const char *)data, length}, &err);
    if (!t) {
        if (err.code != ERR_BAD_FILE || !err.message[0])
            abort();
        return 0;
    }
    for (unsigned flags = 0; flags < 8; flags++)
        use(t, text, flags);
    write_and_read(t);
    tokenizer_free(t);
    return 0;
}
