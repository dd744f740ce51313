/* result: typed access to the rows that a statement returned.
 *
 * Rows come in PostgreSQL's binary format, and these getters decode it. `column` counts from 0. Asking for a row or
 * column that is not there, or with a getter of another type than the column's, is a defect and asserts.
 *
 * A result belongs to one thread at a time; views into it are valid until pg_result_free. */
#ifndef EGALIGN_STORE_RESULT_H
#define EGALIGN_STORE_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct pg_result; /* libpq's own type */

void pg_result_free(struct pg_result *r);
int pg_rows(const struct pg_result *r);
int64_t pg_affected(const struct pg_result *r); /* rows that INSERT, UPDATE or DELETE touched */
bool pg_null(const struct pg_result *r, int row, int column);
struct str pg_text(const struct pg_result *r, int row,
                   int column);                                 /* text, enum, json, jsonb, bytea; NULL ptr when null */
int64_t pg_int(const struct pg_result *r, int row, int column); /* smallint, integer, bigint; 0 when null */
double pg_double(const struct pg_result *r, int row, int column);    /* real, double precision; NaN when null */
bool pg_bool(const struct pg_result *r, int row, int column);        /* false when null */
struct uuid pg_uuid(const struct pg_result *r, int row, int column); /* zeros when null */
int64_t pg_time(const struct pg_result *r, int row, int column);     /* timestamptz, us since 1970; 0 when null */

#endif
