#include "core/reward/dataset.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "core/reward/dataset_parts.h"
#include "core/reward/features.h"

static struct dataset *dataset_new(enum encoder encoder, int buckets, int dimension, struct err *err)
{
    struct dataset *ds = mem_zeroed(1, sizeof *ds);
    if (!ds) {
        err_memory(err);
        return NULL;
    }
    ds->encoder = encoder;
    ds->buckets = buckets;
    ds->dimension = dimension;
    return ds;
}

struct dataset *dataset_new_hashed(int buckets, struct err *err)
{
    CHECK(buckets == 0 || (buckets >= 16 && buckets <= 65536));
    buckets = buckets ? buckets : FEATURES_BUCKETS_DEFAULT;
    return dataset_new(ENCODER_HASHED, buckets, FEATURES_TEXT + buckets, err);
}

struct dataset *dataset_new_dense(int dimension, struct err *err)
{
    CHECK(dimension >= 1 && dimension <= 65536);
    return dataset_new(ENCODER_DENSE, 0, dimension, err);
}

void dataset_name_encoder(struct dataset *ds, const uint8_t digest[32])
{
    memcpy(ds->digest, digest, sizeof ds->digest);
}

void dataset_free(struct dataset *ds)
{
    if (!ds)
        return;
    arena_free(&ds->texts);
    mem_free(ds->prompts);
    mem_free(ds->item_of);
    mem_free(ds->features);
    mem_free(ds->comparison);
    mem_free(ds);
}

int dataset_add_item(struct dataset *ds, struct str prompt, struct err *err)
{
    if (mem_grow(&ds->prompts, ds->items, &ds->item_room, sizeof *ds->prompts, err) < 0)
        return -1;
    char *copy = arena_strndup(&ds->texts, prompt.ptr ? prompt.ptr : "", prompt.len);
    if (!copy)
        return err_memory(err);
    ds->prompts[ds->items] = (struct str){copy, prompt.len};
    return ds->items++;
}

/* Room for one more response to `item`: its row of features is ret_row. */
static int new_row(struct dataset *ds, int item, float **ret_row, struct err *err)
{
    if (item < 0 || item >= ds->items)
        return err_set(err, ERR_UNKNOWN_REFERENCE, "there is no item %d", item);
    int room = ds->response_room;
    if (mem_grow(&ds->item_of, ds->responses, &room, sizeof *ds->item_of, err) < 0)
        return -1;
    room = ds->response_room;
    if (mem_grow(&ds->features, ds->responses, &room, (size_t)ds->dimension * sizeof *ds->features, err) < 0)
        return -1;
    ds->response_room = room;
    ds->item_of[ds->responses] = item;
    *ret_row = ds->features + (size_t)ds->responses * (size_t)ds->dimension;
    return 0;
}

int dataset_add_response(struct dataset *ds, int item, struct str text, struct err *err)
{
    float *row;
    if (ds->encoder != ENCODER_HASHED)
        return err_set(err, ERR_INVALID_VALUE, "this data set takes features, not texts");
    if (new_row(ds, item, &row, err) < 0)
        return -1;
    features_of(ds->prompts[item], text, ds->buckets, row);
    return ds->responses++;
}

int dataset_add_features(struct dataset *ds, int item, const float *features, struct err *err)
{
    float *row;
    if (ds->encoder != ENCODER_DENSE)
        return err_set(err, ERR_INVALID_VALUE, "this data set takes texts, not features");
    for (int i = 0; i < ds->dimension; i++)
        if (!isfinite(features[i]))
            return err_set(err, ERR_INVALID_VALUE, "feature %d of response %d is not finite", i, ds->responses);
    if (new_row(ds, item, &row, err) < 0)
        return -1;
    memcpy(row, features, (size_t)ds->dimension * sizeof *row);
    return ds->responses++;
}

int dataset_add_annotator(struct dataset *ds, struct err *err)
{
    if (ds->annotators == INT32_MAX)
        return err_set(err, ERR_INVALID_VALUE, "too many annotators");
    return ds->annotators++;
}

int dataset_add_comparison(struct dataset *ds, const struct comparison *c, struct err *err)
{
    if (c->annotator < 0 || c->annotator >= ds->annotators)
        return err_set(err, ERR_UNKNOWN_REFERENCE, "there is no annotator %d", c->annotator);
    if (c->a < 0 || c->b < 0 || c->a >= ds->responses || c->b >= ds->responses)
        return err_set(err, ERR_UNKNOWN_REFERENCE, "there is no response %d",
                       c->a < 0 || c->a >= ds->responses ? c->a : c->b);
    if (c->a == c->b || ds->item_of[c->a] != ds->item_of[c->b])
        return err_set(err, ERR_INVALID_VALUE, "a comparison needs two different responses of one item");
    if ((int)c->outcome < CHOICE_A || c->outcome > CHOICE_BOTH_BAD || c->strength < 0 || c->strength > 3)
        return err_set(err, ERR_INVALID_VALUE, "outcome %d or strength %d is out of range", (int)c->outcome,
                       c->strength);
    if (mem_grow(&ds->comparison, ds->comparisons, &ds->comparison_room, sizeof *ds->comparison, err) < 0)
        return -1;
    ds->comparison[ds->comparisons] = *c;
    return ds->comparisons++;
}

int dataset_items(const struct dataset *ds)
{
    return ds->items;
}

int dataset_responses(const struct dataset *ds)
{
    return ds->responses;
}

int dataset_annotators(const struct dataset *ds)
{
    return ds->annotators;
}

int dataset_comparisons(const struct dataset *ds)
{
    return ds->comparisons;
}

const float *dataset_features(const struct dataset *ds, int response)
{
    return ds->features + (size_t)response * (size_t)ds->dimension;
}

int dataset_dimension(const struct dataset *ds)
{
    return ds->dimension;
}
