/* migrate: brings a database to the schema of this program, forward only.
 *
 * The files of migrations/ (NNNN_name.sql) are part of the program. Each is applied once, in order, in a transaction of
 * its own together with its row in schema_migration, under an advisory lock: any number of programs may start at once.
 * A migration that was changed after it was applied, and a schema newer than the program, are refused:
 * ERR_SCHEMA_MISMATCH. So is a server before PostgreSQL 13: ERR_CONFIG.
 *
 * Thread rule: that of the connection. */
#ifndef EGALIGN_STORE_MIGRATE_H
#define EGALIGN_STORE_MIGRATE_H

#include "base/err.h"
#include "store/pg.h"

enum { MIGRATE_OLDEST_SERVER = 130000 };

/* One migration; the checksum is the SHA-256 of the file. */
struct migration {
    int version;
    const char *name;
    const char *sql;
    size_t length;
};

/* Applies what is missing of the program's own migrations; *ret_applied says how many. The connection should have no
 * statement_timeout, and a deadline that leaves room for the wait for other migrators. */
int migrate(struct pg *pg, int *ret_applied, struct err *err);

/* The same with a list of one's own, ascending by version from 1 without gaps. */
int migrate_with(struct pg *pg, const struct migration *list, int count, int *ret_applied, struct err *err);

/* Changes nothing; ERR_SCHEMA_MISMATCH unless the schema is exactly that of this program. */
int migrate_check(struct pg *pg, struct err *err);

/* The program's migrations. */
const struct migration *migrate_list(int *ret_count);

#endif
