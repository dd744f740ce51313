#include "store/migrate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/sha256.h"

/* The generator gives {"0001_service", text, length}; version and name are read off once. */
static const struct {
    const char *file, *sql;
    size_t length;
} files[] = {
#include "migration_texts.h"
};

enum { FILES = sizeof files / sizeof files[0] };

static struct migration own[FILES];
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

static void fill_own(void)
{
    for (int i = 0; i < FILES; i++) {
        char *end;
        long version = strtol(files[i].file, &end, 10);
        CHECK(version == i + 1 && *end == '_');
        own[i] = (struct migration){(int)version, end + 1, files[i].sql, files[i].length};
    }
}

const struct migration *migrate_list(int *ret_count)
{
    pthread_once(&own_once, fill_own);
    *ret_count = FILES;
    return own;
}

static const char table_sql[] =
    "CREATE TABLE IF NOT EXISTS schema_migration (\n"
    "    version integer PRIMARY KEY,\n"
    "    name text NOT NULL,\n"
    "    checksum bytea NOT NULL CHECK (length(checksum) = 32),\n"
    "    applied_at timestamptz NOT NULL DEFAULT now()\n"
    ");\n"
    "COMMENT ON TABLE schema_migration IS 'The migrations that made this schema; the program refuses a schema that it "
    "does not know.';\n"
    "COMMENT ON COLUMN schema_migration.version IS 'Number of the migration, from 1.';\n"
    "COMMENT ON COLUMN schema_migration.name IS 'Its name, from the file name.';\n"
    "COMMENT ON COLUMN schema_migration.checksum IS 'SHA-256 of the file that was applied.';\n"
    "COMMENT ON COLUMN schema_migration.applied_at IS 'When it was applied.';";

/* Compares one applied row with the migration that the program has for it. */
static int check_row(const struct pg_result *r, int row, const struct migration *list, int count, struct err *err)
{
    int version = (int)pg_int(r, row, 0);
    struct str name = pg_text(r, row, 1), sum = pg_text(r, row, 2);
    if (version > count)
        return err_set(
            err, ERR_SCHEMA_MISMATCH,
            "the database has migration %d (%.*s), which is newer than this program, which knows %d: install "
            "the version of egalign that was last used with this database, or a later one",
            version, (int)name.len, name.ptr, count);
    if (version != row + 1)
        return err_set(err, ERR_SCHEMA_MISMATCH,
                       "the database lacks migration %d but has migration %d: its schema was not "
                       "made by egalign alone; restore it from a backup",
                       row + 1, version);
    uint8_t digest[SHA256_SIZE];
    sha256(list[row].sql, list[row].length, digest);
    if (sum.len == sizeof digest && memcmp(sum.ptr, digest, sizeof digest) == 0)
        return 0;
    return err_set(err, ERR_SCHEMA_MISMATCH,
                   "migration %d (%.*s) was changed after it was applied to this database: this program was built from "
                   "other sources than the one that made the schema; use the matching version of egalign",
                   version, (int)name.len, name.ptr);
}

/* How many of `list` are applied, having compared each. */
static int applied_count(struct pg *pg, const struct migration *list, int count, int *ret, struct err *err)
{
    struct pg_result *r = NULL;
    if (pg_query(pg, QUERY_migration_list, NULL, &r, err) < 0)
        return -1;
    int status = 0, rows = pg_rows(r);
    for (int row = 0; row < rows && status == 0; row++)
        status = check_row(r, row, list, count, err);
    *ret = rows;
    pg_result_free(r);
    return status;
}

static int record(struct pg *pg, const struct migration *m, struct err *err)
{
    uint8_t digest[SHA256_SIZE];
    struct pg_params p = {0};
    sha256(m->sql, m->length, digest);
    pg_param_int(&p, m->version);
    pg_param_cstr(&p, m->name);
    pg_param_bytes(&p, digest, sizeof digest);
    int status = pg_query(pg, QUERY_migration_add, &p, NULL, err);
    pg_params_free(&p);
    return status;
}

/* Within a transaction: applies the first migration that is missing, if one is. */
static int apply_next(struct pg *pg, const struct migration *list, int count, bool *ret_applied, struct err *err)
{
    int done;
    *ret_applied = false;
    if (pg_query(pg, QUERY_migration_lock, NULL, NULL, err) < 0 || pg_script(pg, table_sql, err) < 0 ||
        applied_count(pg, list, count, &done, err) < 0)
        return -1;
    if (done == count)
        return 0;
    const struct migration *m = &list[done];
    if (pg_script(pg, m->sql, err) < 0 || record(pg, m, err) < 0)
        return err_wrap(err, "migration %d (%s)", m->version, m->name);
    *ret_applied = true;
    return 0;
}

static int check_server(const struct pg *pg, struct err *err)
{
    int version = pg_version(pg);
    if (version >= MIGRATE_OLDEST_SERVER)
        return 0;
    return err_set(err, ERR_CONFIG, "PostgreSQL 13 or later is needed; this server is version %d.%d", version / 10000,
                   version % 10000);
}

int migrate_with(struct pg *pg, const struct migration *list, int count, int *ret_applied, struct err *err)
{
    bool more = true;
    *ret_applied = 0;
    if (check_server(pg, err) < 0)
        return -1;
    while (more) {
        if (pg_begin(pg, err) < 0 || apply_next(pg, list, count, &more, err) < 0 || pg_commit(pg, err) < 0) {
            pg_rollback(pg);
            return -1;
        }
        *ret_applied += more;
    }
    return 0;
}

int migrate(struct pg *pg, int *ret_applied, struct err *err)
{
    int count;
    const struct migration *list = migrate_list(&count);
    return migrate_with(pg, list, count, ret_applied, err);
}

int migrate_check(struct pg *pg, struct err *err)
{
    int count, done = 0;
    const struct migration *list = migrate_list(&count);
    struct err failure;
    if (check_server(pg, err) < 0)
        return -1;
    int status = applied_count(pg, list, count, &done, &failure);
    if (status < 0 && strcmp(pg_sqlstate(pg), "42P01") != 0) {
        if (err)
            *err = failure;
        return -1;
    }
    if (done == count)
        return 0;
    return err_set(err, ERR_SCHEMA_MISMATCH,
                   "the database has %d of %d migrations: run `egalign migrate`, or start `egalign "
                   "serve`, which does it",
                   done, count);
}
