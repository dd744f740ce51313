/* param: the parameters of a statement, arrays among them.
 *
 * A list is filled in the order $1, $2, ...; a zeroed struct is an empty list. Running out of memory is remembered and
 * reported by the call that uses the list, so a chain of additions needs no checks.
 *
 * One thread at a time. */
#ifndef EGALIGN_STORE_PARAM_H
#define EGALIGN_STORE_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/uuid.h"

enum { PG_PARAMS_MAX = 32 };

struct pg_params {
    int count;
    bool failed; /* out of memory, or a text with a NUL: reported by the call that uses the list */
    bool has_nul;
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    int formats[PG_PARAMS_MAX];
    struct arena arena; /* copies of what was given, arrays excepted */
};

void pg_param_null(struct pg_params *p);
void pg_param_text(struct pg_params *p,
                   struct str text); /* in text form: fits a parameter of any type; NULL ptr is null */
void pg_param_cstr(struct pg_params *p, const char *text); /* as pg_param_text; NULL is null */
void pg_param_int(struct pg_params *p, int64_t value);     /* any integer type */
void pg_param_double(struct pg_params *p, double value);
void pg_param_bool(struct pg_params *p, bool value);
void pg_param_uuid(struct pg_params *p, const struct uuid *u);              /* NULL is null */
void pg_param_bytes(struct pg_params *p, const void *bytes, size_t length); /* bytea */
void pg_param_time(struct pg_params *p, int64_t wall_us);                   /* timestamptz, us since 1970 */
void pg_params_free(struct pg_params *p);                                   /* empty again, usable */

/* Array parameters, for unnest: several may be filled side by side, row by row, and used again. */
enum pg_type { /* the OIDs of pg_type; the statement must expect exactly this element type */
               PG_BOOL = 16,
               PG_BYTEA = 17,
               PG_INT8 = 20,
               PG_INT2 = 21,
               PG_INT4 = 23,
               PG_TEXT = 25,
               PG_FLOAT8 = 701,
               PG_TIMESTAMPTZ = 1184,
               PG_UUID = 2950,
};

struct pg_array {
    enum pg_type type;
    int count;
    struct buf bytes; /* header, then elements, in the binary format of PostgreSQL; buf_free when done for good */
};

void pg_array_start(struct pg_array *a, enum pg_type type); /* empties it; memory is kept */
void pg_array_null(struct pg_array *a);
void pg_array_int(struct pg_array *a, int64_t value); /* PG_INT2, _INT4, _INT8; asserts that it fits */
void pg_array_double(struct pg_array *a, double value);
void pg_array_bool(struct pg_array *a, bool value);
void pg_array_text(struct pg_array *a, struct str text); /* NULL ptr is null */
void pg_array_bytes(struct pg_array *a, const void *bytes, size_t length);
void pg_array_uuid(struct pg_array *a, const struct uuid *u); /* NULL is null */
void pg_array_time(struct pg_array *a, int64_t wall_us);
/* The array is not copied: it must stay as it is until the statement has run. */
void pg_param_array(struct pg_params *p, struct pg_array *a);

#endif
