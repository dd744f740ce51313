#include "store/result.h"

#include <libpq-fe.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* OIDs of pg_type. */
enum {
    BOOL = 16,
    INT8 = 20,
    INT2 = 21,
    INT4 = 23,
    FLOAT4 = 700,
    FLOAT8 = 701,
    TIMESTAMPTZ = 1184,
    UUID = 2950,
    JSONB = 3802
};

static const int64_t EPOCH_2000_US = INT64_C(946684800) * 1000000;

void pg_result_free(struct pg_result *r)
{
    PQclear(r);
}

int pg_rows(const struct pg_result *r)
{
    return PQntuples(r);
}

int64_t pg_affected(const struct pg_result *r)
{
    return strtoll(PQcmdTuples((PGresult *)r), NULL, 10);
}

bool pg_null(const struct pg_result *r, int row, int column)
{
    CHECK(row >= 0 && row < PQntuples(r) && column >= 0 && column < PQnfields(r));
    return PQgetisnull(r, row, column);
}

/* A big-endian number of `width` bytes, not sign-extended. */
static uint64_t unsigned_of(const struct pg_result *r, int row, int column, int width)
{
    const unsigned char *bytes = (const unsigned char *)PQgetvalue(r, row, column);
    CHECK(PQgetlength(r, row, column) == width);
    uint64_t value = 0;
    for (int i = 0; i < width; i++)
        value = value << 8 | bytes[i];
    return value;
}

struct str pg_text(const struct pg_result *r, int row, int column)
{
    if (pg_null(r, row, column))
        return (struct str){NULL, 0};
    struct str text = {PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column)};
    Oid type = PQftype(r, column);
    CHECK(type != INT8 && type != INT4 && type != INT2 && type != UUID && type != TIMESTAMPTZ && type != FLOAT8);
    if (type == JSONB) { /* a version byte comes first */
        CHECK(text.len > 0 && text.ptr[0] == 1);
        text.ptr++;
        text.len--;
    }
    return text;
}

int64_t pg_int(const struct pg_result *r, int row, int column)
{
    if (pg_null(r, row, column))
        return 0;
    switch (PQftype(r, column)) {
    case INT2:
        return (int16_t)unsigned_of(r, row, column, 2);
    case INT4:
        return (int32_t)unsigned_of(r, row, column, 4);
    default:
        CHECK(PQftype(r, column) == INT8);
        return (int64_t)unsigned_of(r, row, column, 8);
    }
}

double pg_double(const struct pg_result *r, int row, int column)
{
    if (pg_null(r, row, column))
        return NAN;
    if (PQftype(r, column) == FLOAT4) {
        uint32_t bits = (uint32_t)unsigned_of(r, row, column, 4);
        float value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    CHECK(PQftype(r, column) == FLOAT8);
    uint64_t bits = unsigned_of(r, row, column, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

bool pg_bool(const struct pg_result *r, int row, int column)
{
    if (pg_null(r, row, column))
        return false;
    CHECK(PQftype(r, column) == BOOL);
    return unsigned_of(r, row, column, 1) != 0;
}

struct uuid pg_uuid(const struct pg_result *r, int row, int column)
{
    struct uuid u = {{0}};
    if (pg_null(r, row, column))
        return u;
    CHECK(PQftype(r, column) == UUID && PQgetlength(r, row, column) == sizeof u.bytes);
    memcpy(u.bytes, PQgetvalue(r, row, column), sizeof u.bytes);
    return u;
}

int64_t pg_time(const struct pg_result *r, int row, int column)
{
    if (pg_null(r, row, column))
        return 0;
    CHECK(PQftype(r, column) == TIMESTAMPTZ);
    return (int64_t)unsigned_of(r, row, column, 8) + EPOCH_2000_US;
}
