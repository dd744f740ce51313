#include "store/response_features.h"

#include <endian.h>
#include <string.h>

#include "base/mem.h"
#include "store/pg.h"

enum { ROW_MS = 60000 }; /* the deadline moves on by this with each row: it bounds a stall, not the whole */

struct reading {
    int (*take)(void *context, const struct response_features *row, struct err *err);
    void *context;
    size_t dimension;
    float *features;
};

/* Single precision between memory and four bytes, the low one first, in either direction. */
static void swap_to_little(void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, (char *)bytes + 4 * i, sizeof word);
        word = htole32(word);
        memcpy((char *)bytes + 4 * i, &word, sizeof word);
    }
}

static int read_row(const struct pg_result *r, void *context, struct err *err)
{
    const struct reading *reading = context;
    struct str bytes = pg_text(r, 0, 2);
    struct response_features row = {pg_uuid(r, 0, 0), pg_uuid(r, 0, 1), reading->features};
    if (bytes.len != 4 * reading->dimension)
        return 0;
    memcpy(reading->features, bytes.ptr, bytes.len);
    swap_to_little(reading->features, reading->dimension);
    return reading->take(reading->context, &row, err);
}

int response_features_read(struct pg *pg, const struct uuid *project, const uint8_t encoder[SHA256_SIZE], int dimension,
                           int (*take)(void *context, const struct response_features *row, struct err *err),
                           void *context, struct err *err)
{
    struct reading reading = {take, context, (size_t)dimension, mem_array((size_t)dimension, sizeof(float))};
    struct pg_params p = {0};
    if (!reading.features)
        return err_memory(err);
    pg_param_uuid(&p, project);
    pg_param_bytes(&p, encoder, SHA256_SIZE);
    int result = pg_stream(pg, QUERY_response_features_read, &p, ROW_MS, read_row, &reading, err);
    pg_params_free(&p);
    mem_free(reading.features);
    return result;
}

int response_features_store(struct pg *pg, const uint8_t encoder[SHA256_SIZE], int dimension, int count,
                            const struct response_features *rows, struct err *err)
{
    struct pg_array items = {0}, responses = {0}, features = {0};
    struct pg_params p = {0};
    size_t bytes = 4 * (size_t)dimension;
    char *little = mem_alloc(bytes);
    if (!little)
        return err_memory(err);
    pg_array_start(&items, PG_UUID);
    pg_array_start(&responses, PG_UUID);
    pg_array_start(&features, PG_BYTEA);
    for (int i = 0; i < count; i++) {
        memcpy(little, rows[i].features, bytes);
        swap_to_little(little, (size_t)dimension);
        pg_array_uuid(&items, &rows[i].item);
        pg_array_uuid(&responses, &rows[i].response);
        pg_array_bytes(&features, little, bytes);
    }
    pg_param_bytes(&p, encoder, SHA256_SIZE);
    pg_param_array(&p, &items);
    pg_param_array(&p, &responses);
    pg_param_array(&p, &features);
    int result = pg_query(pg, QUERY_response_features_store, &p, NULL, err);
    pg_params_free(&p);
    buf_free(&items.bytes);
    buf_free(&responses.bytes);
    buf_free(&features.bytes);
    mem_free(little);
    return result;
}
