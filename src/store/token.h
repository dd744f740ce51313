/* token: bearer tokens: eg_ + 36 random characters of 62 (214 bits) + 6 characters of checksum.
 *
 * Only the SHA-256 of a token is stored; the token is shown once. Whoever checks requests keeps all live tokens in
 * memory (token_load) and loads them again on NOTIFY egalign_token, which every change sends when it commits. The
 * checksum tells a mistyped or truncated token, and lets secret scanners know one, without any look-up.
 *
 * Thread rule: as the pool. */
#ifndef EGALIGN_STORE_TOKEN_H
#define EGALIGN_STORE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "store/page.h"

struct pool;

enum { TOKEN_TEXT_SIZE = 46, TOKEN_HASH = 32 }; /* 3 + 36 + 6 characters and a NUL */

/* In rising order of power; the SQL type of the same name. */
enum role { ROLE_ANNOTATOR, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN, ROLE_COUNT };

const char *role_name(enum role role);
int role_of(struct str name); /* -1 when there is no such role */

struct token {
    struct uuid id, project; /* project counts only when has_project */
    bool has_project;        /* else the token opens all projects */
    enum role role;
    bool has_expiry;
    int64_t expires_at; /* microseconds since 1970 */
    uint8_t hash[TOKEN_HASH];
};

/* True when `text` has the form and the checksum of a token. */
bool token_well_formed(struct str text);
void token_hash(struct str text, uint8_t ret[TOKEN_HASH]);

/* Makes a token. `project` NULL opens all; `expires_at` NULL is never. Writes the token into `ret_text` and appends its
 * document (without the token) to `out`. ERR_UNKNOWN_REFERENCE when the project does not exist. */
int token_create(struct pool *pool, const struct uuid *project, enum role role, struct str name,
                 const int64_t *expires_at, char ret_text[TOKEN_TEXT_SIZE], struct buf *out, struct err *err);

/* {id, project (name or null), role, name, prefix, created_at, expires_at, revoked_at}, oldest first. */
int token_list(struct pool *pool, const struct page *page, struct buf *out, struct err *err);

/* ERR_NOT_FOUND when there is none; revoking twice is fine. */
int token_revoke(struct pool *pool, const struct uuid *token, struct err *err);

/* All tokens that are neither revoked nor expired, sorted by hash; the caller frees *ret with mem_free. */
int token_load(struct pool *pool, struct token **ret, size_t *ret_count, struct err *err);

#endif
