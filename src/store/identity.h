/* identity: ids that follow from content, UUIDv8 over SHA-256 (ARCHITECTURE.md, "Ids").
 *
 * The same content has the same id whoever posts it first, so ingest asks nothing before it inserts. Every part that
 * can vary in length and is not the last is prefixed by its length or ended by a NUL, which text cannot contain: two
 * different contents are never the same bytes. It refuses to touch the database. No shared state. */
#ifndef EGALIGN_STORE_IDENTITY_H
#define EGALIGN_STORE_IDENTITY_H

#include <stdbool.h>

#include "base/str.h"
#include "base/uuid.h"

/* derive('A', project, name) */
struct uuid identity_annotator(const struct uuid *project, struct str name);

/* derive('I', project, 'T' or 'M', prompt): 'M' when `prompt` is the JSON text of chat messages. */
struct uuid identity_item(const struct uuid *project, struct str prompt, bool is_messages);

/* derive('R', item, policy or empty, NUL, text) */
struct uuid identity_response(const struct uuid *item, struct str policy, struct str text);

/* derive('K', project, key): the comparison id that an Idempotency-Key stands for. */
struct uuid identity_key(const struct uuid *project, struct str key);

#endif
