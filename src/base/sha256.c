#include <nettle/sha2.h>
#undef sha256_init /* macros that rename; ours are functions of those names */
#undef sha256_update

#include "base/sha256.h"


/* The library's state lies in the caller's struct: a hash allocates nothing and cannot fail. */
static struct sha256_ctx *state_of(struct sha256 *s)
{
    _Static_assert(sizeof(struct sha256_ctx) <= sizeof s->state, "the state of SHA-256 fits");
    return (struct sha256_ctx *)(void *)s->state;
}

void sha256_init(struct sha256 *s)
{
    nettle_sha256_init(state_of(s));
}

void sha256_update(struct sha256 *s, const void *bytes, size_t length)
{
    if (length > 0)
        nettle_sha256_update(state_of(s), length, bytes);
}

void sha256_final(struct sha256 *s, uint8_t ret[SHA256_SIZE])
{
    nettle_sha256_digest(state_of(s), SHA256_SIZE, ret);
}

void sha256(const void *bytes, size_t length, uint8_t ret[SHA256_SIZE])
{
    struct sha256 s;
    sha256_init(&s);
    sha256_update(&s, bytes, length);
    sha256_final(&s, ret);
}

char *sha256_hex(const uint8_t digest[SHA256_SIZE], char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < SHA256_SIZE; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    text[2 * SHA256_SIZE] = '\0';
    return text;
}
