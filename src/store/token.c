#include "store/token.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "store/pool.h"

enum { PREFIX = 3, SECRET = 36, CHECKSUM = 6, SHOWN = 10, LENGTH = PREFIX + SECRET + CHECKSUM, SYMBOLS = 62 };

static const char symbols[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char *const role_names[ROLE_COUNT] = {"annotator", "viewer", "operator", "admin"};

const char *role_name(enum role role)
{
    return role_names[role];
}

int role_of(struct str name)
{
    for (int role = 0; role < ROLE_COUNT; role++)
        if (str_is(name, role_names[role]))
            return role;
    return -1;
}

void token_hash(struct str text, uint8_t ret[TOKEN_HASH])
{
    sha256(text.ptr, text.len, ret);
}

/* Six symbols of the hash of all that stands before them. */
static void checksum(const char *text, char ret[CHECKSUM])
{
    uint8_t digest[SHA256_SIZE];
    uint64_t number = 0;
    sha256(text, PREFIX + SECRET, digest);
    for (int i = 0; i < 8; i++)
        number = number << 8 | digest[i];
    for (int i = 0; i < CHECKSUM; i++, number /= SYMBOLS)
        ret[i] = symbols[number % SYMBOLS];
}

bool token_well_formed(struct str text)
{
    char expected[CHECKSUM];
    if (text.len != LENGTH || memcmp(text.ptr, "eg_", PREFIX) != 0)
        return false;
    for (size_t i = PREFIX; i < text.len; i++)
        if (text.ptr[i] == '\0' || !strchr(symbols, text.ptr[i]))
            return false;
    checksum(text.ptr, expected);
    return memcmp(text.ptr + PREFIX + SECRET, expected, CHECKSUM) == 0;
}

/* 36 symbols, each of the 62 equally likely: bytes that would favour some are thrown away. */
static int make_text(char text[TOKEN_TEXT_SIZE], struct err *err)
{
    enum { FAIR = 256 / SYMBOLS * SYMBOLS };
    uint8_t random[2 * SECRET];
    size_t used = sizeof random;
    memcpy(text, "eg_", PREFIX);
    for (int i = 0; i < SECRET;) {
        if (used == sizeof random && rng_secret(random, sizeof random, err) < 0)
            return -1;
        used = used == sizeof random ? 0 : used;
        uint8_t byte = random[used++];
        if (byte < FAIR)
            text[PREFIX + i++] = symbols[byte % SYMBOLS];
    }
    checksum(text, text + PREFIX + SECRET);
    text[LENGTH] = '\0';
    return 0;
}

static int document(struct pool *pool, const struct uuid *token, struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, token);
    int status = query_json(pool, QUERY_token_get, &p, out, err);
    pg_params_free(&p);
    return status;
}

int token_create(struct pool *pool, const struct uuid *project, enum role role, struct str name,
                 const int64_t *expires_at, char ret_text[TOKEN_TEXT_SIZE], struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    struct uuid id;
    uint8_t hash[TOKEN_HASH];
    if (uuid_new(&id, err) < 0 || make_text(ret_text, err) < 0)
        return -1;
    token_hash(str_of(ret_text), hash);
    pg_param_uuid(&p, &id);
    pg_param_uuid(&p, project);
    pg_param_cstr(&p, role_name(role));
    pg_param_text(&p, name.ptr ? name : STR_LITERAL(""));
    pg_param_text(&p, (struct str){ret_text, SHOWN});
    pg_param_bytes(&p, hash, sizeof hash);
    if (expires_at)
        pg_param_time(&p, *expires_at);
    else
        pg_param_null(&p);
    int status = pool_query(pool, QUERY_token_create, &p, NULL, err);
    if (status == 0)
        status = document(pool, &id, out, err);
    pg_params_free(&p);
    return status;
}

int token_list(struct pool *pool, const struct page *page, struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    int status = page_by_uuid(page, &p, err);
    if (status == 0)
        status = query_json(pool, QUERY_token_list, &p, out, err);
    pg_params_free(&p);
    return status;
}

int token_revoke(struct pool *pool, const struct uuid *token, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, token);
    int status = pool_query(pool, QUERY_token_revoke, &p, &r, err);
    if (status == 0 && pg_rows(r) == 0)
        status = err_set(err, ERR_NOT_FOUND, "there is no such token");
    pg_result_free(r);
    pg_params_free(&p);
    return status;
}

static struct token read_token(const struct pg_result *r, int row)
{
    struct token t = {.id = pg_uuid(r, row, 0),
                      .project = pg_uuid(r, row, 1),
                      .has_project = !pg_null(r, row, 1),
                      .role = (enum role)role_of(pg_text(r, row, 2)),
                      .has_expiry = !pg_null(r, row, 4),
                      .expires_at = pg_time(r, row, 4)};
    memcpy(t.hash, pg_text(r, row, 3).ptr, sizeof t.hash);
    return t;
}

int token_load(struct pool *pool, struct token **ret, size_t *ret_count, struct err *err)
{
    struct pg_result *r = NULL;
    if (pool_query(pool, QUERY_token_load, NULL, &r, err) < 0)
        return -1;
    int rows = pg_rows(r), status = 0;
    struct token *tokens = mem_array((size_t)rows + 1, sizeof *tokens);
    if (!tokens)
        status = err_memory(err);
    for (int i = 0; status == 0 && i < rows; i++)
        tokens[i] = read_token(r, i);
    if (status == 0) {
        *ret = tokens;
        *ret_count = (size_t)rows;
    }
    pg_result_free(r);
    return status;
}
