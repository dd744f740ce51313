/* openapi: the OpenAPI 3.1 document of the API, made from the table of routes, the shapes of the bodies and the schemas
 * of the answers. Pure; no shared state. */
#ifndef EGALIGN_API_OPENAPI_H
#define EGALIGN_API_OPENAPI_H

#include "base/buf.h"
#include "base/config.h"

/* Appends the document; the limits of `config` are part of it. */
void openapi_render(struct buf *out, const struct config *config);

#endif
