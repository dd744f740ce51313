/* sha256: the hash of derived ids, tokens, checkpoints and migration checksums (FIPS 180-4), computed by Nettle.
 *
 * It refuses to be a MAC or a password hash. A struct sha256 belongs to one thread; no shared state. */
#ifndef EGALIGN_BASE_SHA256_H
#define EGALIGN_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32, SHA256_HEX_SIZE = 65 };

struct sha256 {
    uint64_t state[16]; /* the library's */
};

/* The digest of one piece of memory. */
void sha256(const void *bytes, size_t length, uint8_t ret[SHA256_SIZE]);

/* The same in pieces: init, update any number of times, final. */
void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *bytes, size_t length);
void sha256_final(struct sha256 *s, uint8_t ret[SHA256_SIZE]);

/* Writes a digest in lower-case hexadecimal into text[SHA256_HEX_SIZE]. Returns text. */
char *sha256_hex(const uint8_t digest[SHA256_SIZE], char *text);

#endif
