/* schema: the documents of the answers, in a short notation from which the JSON Schemas of the OpenAPI document are
 * made.
 *
 * Members are separated by ';': "id uuid; name string; k integer?; note? string; groups [Group]". A `?` after the name
 * means that the member may be absent, after the type that it may be null. Types: string integer number boolean uuid
 * time object any, [type], one|two (an enumeration), one/two (any of the types), and the names of other schemas.
 * Constant data. */
#ifndef EGALIGN_API_SCHEMA_H
#define EGALIGN_API_SCHEMA_H

#include <stddef.h>

#include "base/buf.h"

struct schema {
    const char *name;
    const char *about;
    const char *members;
};

extern const struct schema schemas[];
extern const size_t schema_count;

/* Appends the JSON Schema. Asserts that the notation is right: it is part of the program. */
void schema_render(struct buf *out, const struct schema *schema);

#endif
