#include "store/sqlstate.h"

#include <stddef.h>
#include <string.h>

/* The first row whose text begins the SQLSTATE decides: single states stand before their class. */
static const struct {
    const char *prefix;
    enum err_code code;
} meanings[] = {
    {"40001", ERR_DATABASE_CONFLICT}, /* serialization_failure */
    {"40P01", ERR_DATABASE_CONFLICT}, /* deadlock_detected */
    {"55P03", ERR_DATABASE_CONFLICT}, /* lock_not_available */
    {"23505", ERR_CONFLICT},          /* unique_violation */
    {"23503", ERR_UNKNOWN_REFERENCE}, /* foreign_key_violation */
    {"23", ERR_INVALID_VALUE},        /* other integrity constraint violations */
    {"22", ERR_INVALID_VALUE},        /* data exceptions: bad encoding, out of range, bad JSON */
    {"53100", ERR_STORAGE_FULL},      /* disk_full */
    {"53", ERR_DATABASE_DOWN},        /* out of memory, too many connections */
    {"57014", ERR_DATABASE_DOWN},     /* query_canceled: statement_timeout */
    {"57P", ERR_DATABASE_DOWN},       /* shutting down, crashed, starting up, idle session ended */
    {"25P03", ERR_DATABASE_DOWN},     /* idle_in_transaction_session_timeout */
    {"25006", ERR_DATABASE_DOWN},     /* read_only_sql_transaction: a standby answers */
    {"08", ERR_DATABASE_DOWN},        /* connection exceptions */
    {"58", ERR_DATABASE_DOWN},        /* I/O errors of the server */
    {"28", ERR_CONFIG},               /* invalid authorization */
    {"3D000", ERR_CONFIG},            /* no such database */
    {"42501", ERR_CONFIG},            /* insufficient_privilege */
    {"42P01", ERR_SCHEMA_MISMATCH},   /* undefined_table: not migrated */
    {"42703", ERR_SCHEMA_MISMATCH},   /* undefined_column */
};

enum err_code sqlstate_code(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (strncmp(sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)) == 0)
            return meanings[i].code;
    return ERR_INTERNAL;
}
