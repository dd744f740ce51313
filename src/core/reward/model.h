/* model: the heads of a fit with all that is needed to score new responses, and its form as bytes.
 *
 * Bytes: magic and version, then little-endian numbers, then a checksum of all before; what does not check is refused.
 * A struct model read with model_read is owned by the caller; one built by hand only points. Any thread. */
#ifndef EGALIGN_CORE_MODEL_H
#define EGALIGN_CORE_MODEL_H

#include "base/buf.h"
#include "base/err.h"
#include "core/reward/dataset_parts.h"

struct model {
    enum encoder encoder;
    int buckets, dimension, groups;
    uint8_t digest[32];  /* of the language-model encoder; zeros: none, or not told */
    double tie_parameter;
    const float *scale;  /* [dimension] */
    const float *heads;  /* [groups x dimension], for scaled features */
    const float *pooled; /* [dimension] */
    float *block;        /* the memory behind the three, when read from bytes */
};

/* Appends the bytes; `out->failed` tells of missing memory. */
void model_write(const struct model *m, struct buf *out);

/* ERR_BAD_FILE when the bytes are damaged or of an unknown version, ERR_NO_MEMORY. */
int model_read(const void *bytes, size_t length, struct model *ret, struct err *err);
void model_free(struct model *m);

#endif
