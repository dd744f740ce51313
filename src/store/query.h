/* query: the named SQL statements of the program.
 *
 * Each is a file src/store/sql/NAME.sql with one statement, whose first line is a comment that says what it answers.
 * They are compiled into the program and named by an enum that is made from the file names, QUERY_NAME, so that a typo
 * is a compile error. A file may give a second statement that leaves some of its lines out (sql/generate.awk). Constant
 * data: any thread. */
#ifndef EGALIGN_STORE_QUERY_H
#define EGALIGN_STORE_QUERY_H

#include <stddef.h>

enum query {
#define X(name) QUERY_##name,
#include "query_list.h"
#undef X
    QUERY_COUNT
};

struct query_text {
    const char *name; /* also the name of the prepared statement */
    const char *sql;
    size_t length;
};

/* The statement. Asserts that `q` is one of the enum. */
const struct query_text *query_text(enum query q);

#endif
