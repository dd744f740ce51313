/* uuid: time-ordered identifiers, UUIDv7 (RFC 9562), as 16 bytes and as text.
 *
 * Time-ordered because random keys cost a B-tree 1.4-3 times as much. No shared state. */
#ifndef EGALIGN_BASE_UUID_H
#define EGALIGN_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { UUID_TEXT_SIZE = 37 };

struct uuid {
    uint8_t bytes[16];
};

/* A new UUIDv7 from the wall clock and 74 random bits. */
int uuid_new(struct uuid *ret, struct err *err);

/* Reads the 36-character form, upper or lower case, any version; false on anything else. */
bool uuid_parse(struct str text, struct uuid *ret);

/* Writes the lower-case form into text[UUID_TEXT_SIZE]. Returns text. */
char *uuid_format(const struct uuid *u, char *text);

#endif
