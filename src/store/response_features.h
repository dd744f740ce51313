/* response_features: a cache of what a language model makes of responses, so that a refit encodes only what is new.
 *
 * A row is named by the encoder's digest (checkpoint, pooling, version), the item and the response, and its content
 * follows from them: whoever writes it writes the same, so writing needs no lease, and the table may be emptied at any
 * time. It refuses to know what the numbers mean.
 *
 * Thread rule: as the connection. */
#ifndef EGALIGN_STORE_RESPONSE_FEATURES_H
#define EGALIGN_STORE_RESPONSE_FEATURES_H

#include "base/err.h"
#include "base/sha256.h"
#include "base/uuid.h"

struct pg;

struct response_features {
    struct uuid item, response;
    const float *features; /* [dimension] */
};

/* Hands over what is cached of a project's responses, by item, then response; rows that do not have `dimension` numbers
 * are passed over. Views last for the call. A negative answer of `take` ends the reading and closes the connection,
 * with the callback's error. */
int response_features_read(struct pg *pg, const struct uuid *project, const uint8_t encoder[SHA256_SIZE], int dimension,
                           int (*take)(void *context, const struct response_features *row, struct err *err),
                           void *context, struct err *err);

/* Keeps `count` rows, all or none; those that are there already stay. */
int response_features_store(struct pg *pg, const uint8_t encoder[SHA256_SIZE], int dimension, int count,
                            const struct response_features *rows, struct err *err);

#endif
