/* vocab.json and merges.txt, with a NUL between them: what is accepted returns any text that it can express. */
#include <stdlib.h>
#include <string.h>

#include "core/lm/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    size_t length = end ? (size_t)(end - data) : size;
    struct str vocabulary = {(const char *)data, length};
    struct str merges = {end ? (const char *)end + 1 : "", end ? size - length - 1 : 0};
    struct tokenizer *t = tokenizer_parse_pair(vocabulary, merges, &err);
    if (!t) {
        if (err.code != ERR_BAD_FILE || !err.message[0])
            abort();
        return 0;
    }
    struct token_list ids = {0};
    struct buf out = {0};
    if (tokenizer_encode(t, vocabulary, 0, &ids, &err) == 0) {
        if (tokenizer_decode(t, ids.ids, ids.count, 0, &out, &err) < 0 || out.length != length ||
            memcmp(out.data, data, length) != 0)
            abort();
    } else if (err.code != ERR_INVALID_VALUE) {
        abort();
    }
    buf_free(&out);
    token_list_free(&ids);
    tokenizer_free(t);
    return 0;
}
