#include "jobs/encoding.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/align/encode.h"
#include "core/align/language_model.h"
#include "core/lm/checkpoint.h"
#include "jobs/machine.h"
#include "jobs/policy_folder.h"
#include "store/policy.h"
#include "store/response_features.h"

enum { BATCH = 32 /* responses between two writes to the cache */ };

/* A row of the cache. */
struct known {
    struct uuid item, response;
    const float *features;
};

struct response {
    struct uuid item, id;
    int item_number;
    const float *features;   /* NULL: to be encoded */
    struct str prompt, text; /* only then */
};

struct encoding {
    struct reporter *reporter;
    struct policy policy;
    struct lm_shape shape;
    int dimension;
    uint8_t digest[SHA256_SIZE];
    struct known *known; /* by item, then response */
    int knowns, known_room;
    struct response *response;
    int responses, response_room, items, missing;
    struct uuid item;      /* added last */
    struct buf prompt;     /* its own */
    struct str kept;       /* its prompt in the arena, once a response of it is missing; ptr NULL before */
    struct language_model lm;
    struct encode *encode;
    struct arena arena;
};

static float *keep_features(struct encoding *e, const float *features, struct err *err)
{
    size_t bytes = (size_t)e->dimension * sizeof *features;
    float *copy = arena_alloc(&e->arena, bytes);
    if (copy)
        memcpy(copy, features, bytes);
    else
        err_memory(err);
    return copy;
}

static int take_known(void *context, const struct response_features *row, struct err *err)
{
    struct encoding *e = context;
    float *features = keep_features(e, row->features, err);
    if (!features || mem_grow(&e->known, e->knowns, &e->known_room, sizeof *e->known, err) < 0)
        return -1;
    e->known[e->knowns++] = (struct known){row->item, row->response, features};
    return 0;
}

static int open_policy(struct encoding *e, struct str name, struct err *err)
{
    const struct uuid *project = &e->reporter->job->lease->project;
    struct pg *pg = reporter_pg(e->reporter, 0, err);
    if (!pg || policy_read(pg, project, name, POLICY_WRITES, &e->arena, &e->policy, err) < 0 ||
        checkpoint_shape(e->policy.folder, &e->shape, err) < 0)
        return -1;
    e->dimension = encode_dimension(&e->shape);
    encode_identity(e->policy.digest, &e->shape, e->digest);
    return response_features_read(pg, project, e->digest, e->dimension, take_known, e, err);
}

int encoding_open(struct reporter *reporter, struct str policy, struct encoding **ret, struct err *err)
{
    struct encoding *e = mem_zeroed(1, sizeof *e);
    if (!e)
        return err_memory(err);
    e->reporter = reporter;
    if (open_policy(e, policy, err) < 0) {
        encoding_close(e);
        return -1;
    }
    *ret = e;
    return 0;
}

void encoding_close(struct encoding *e)
{
    if (!e)
        return;
    encode_close(e->encode);
    language_model_close(&e->lm);
    mem_free(e->known);
    mem_free(e->response);
    buf_free(&e->prompt);
    arena_free(&e->arena);
    mem_free(e);
}

const char *encoding_policy(const struct encoding *e)
{
    return e->policy.name;
}

const uint8_t *encoding_digest(const struct encoding *e)
{
    return e->digest;
}

int encoding_add_item(struct encoding *e, const struct uuid *id, struct str prompt, struct err *err)
{
    e->item = *id;
    e->items++;
    e->kept = (struct str){NULL, 0};
    buf_clear(&e->prompt);
    buf_add(&e->prompt, prompt.ptr ? prompt.ptr : "", prompt.len);
    return e->prompt.failed ? err_memory(err) : 0;
}

static int by_ids(const void *x, const void *y)
{
    const struct known *a = x, *b = y;
    int order = memcmp(&a->item, &b->item, sizeof a->item);
    return order ? order : memcmp(&a->response, &b->response, sizeof a->response);
}

int encoding_add_response(struct encoding *e, const struct uuid *id, struct str text, struct err *err)
{
    struct response r = {.item = e->item, .id = *id, .item_number = e->items - 1};
    struct known key = {.item = e->item, .response = *id};
    const struct known *found =
        e->knowns ? bsearch(&key, e->known, (size_t)e->knowns, sizeof *e->known, by_ids) : NULL;
    if (mem_grow(&e->response, e->responses, &e->response_room, sizeof *e->response, err) < 0)
        return -1;
    if (found) {
        r.features = found->features;
    } else {
        if (!e->kept.ptr)
            e->kept = (struct str){arena_strndup(&e->arena, e->prompt.data ? e->prompt.data : "", e->prompt.length),
                                   e->prompt.length};
        r.prompt = e->kept;
        r.text = (struct str){arena_strndup(&e->arena, text.ptr, text.len), text.len};
        if (!r.prompt.ptr || !r.text.ptr)
            return err_memory(err);
        e->missing++;
    }
    e->response[e->responses] = r;
    return e->responses++;
}

/* Loads the checkpoint, which must still be what was registered. */
static int open_model(struct encoding *e, struct err *err)
{
    if (policy_folder_check(&e->policy, err) < 0 ||
        language_model_open(&e->lm, e->reporter->job->threads, err) < 0 ||
        machine_load_model(&e->lm, e->policy.folder, err) < 0)
        return -1;
    struct encode_options options = {.gemm = e->lm.gemm, .memory_limit = machine_memory()};
    return encode_open(e->lm.model, &e->lm.dialogue, &options, &e->encode, err);
}

/* Encodes at most BATCH missing responses from number `from` on and caches them; returns where the next ones begin. */
static int encode_batch(struct encoding *e, int from, float *features, int *ret_encoded, struct err *err)
{
    struct str prompts[BATCH] = {{NULL, 0}}, texts[BATCH] = {{NULL, 0}};
    struct response_features rows[BATCH];
    struct response *made[BATCH] = {NULL};
    int n = 0;
    for (; from < e->responses && n < BATCH; from++) {
        struct response *r = &e->response[from];
        if (r->features)
            continue;
        prompts[n] = r->prompt;
        texts[n] = r->text;
        made[n++] = r;
    }
    if (encode_texts(e->encode, n, prompts, texts, features, err) < 0)
        return -1;
    for (int i = 0; i < n; i++) {
        made[i]->features = keep_features(e, features + (size_t)i * (size_t)e->dimension, err);
        if (!made[i]->features)
            return -1;
        rows[i] = (struct response_features){made[i]->item, made[i]->id, made[i]->features};
    }
    struct pg *pg = reporter_pg(e->reporter, 0, err);
    if (n > 0 && (!pg || response_features_store(pg, e->digest, e->dimension, n, rows, err) < 0))
        return -1;
    *ret_encoded += n;
    return from;
}

int encoding_complete(struct encoding *e, double from, double to, int *ret_encoded, struct err *err)
{
    *ret_encoded = 0;
    if (e->missing == 0)
        return 0;
    reporter_tell(e->reporter, "encoding", from, "{}", true);
    if (open_model(e, err) < 0)
        return -1;
    float *features = mem_array((size_t)BATCH * (size_t)e->dimension, sizeof *features);
    int next = features ? 0 : err_memory(err);
    while (next >= 0 && next < e->responses) {
        next = encode_batch(e, next, features, ret_encoded, err);
        reporter_tell(e->reporter, "encoding", from + (to - from) * *ret_encoded / e->missing, "{}", false);
        if (reporter_check(e->reporter, err) < 0)
            next = -1;
    }
    mem_free(features);
    return next < 0 ? -1 : 0;
}

struct dataset *encoding_dataset(const struct encoding *e, struct err *err)
{
    struct dataset *ds = dataset_new_dense(e->dimension, err);
    if (!ds)
        return NULL;
    dataset_name_encoder(ds, e->digest);
    for (int i = 0; i < e->responses; i++) {
        const struct response *r = &e->response[i];
        bool new_item = r->item_number == dataset_items(ds); /* its prompt is in the features */
        if ((new_item && dataset_add_item(ds, STR_LITERAL(""), err) < 0) ||
            dataset_add_features(ds, r->item_number, r->features, err) < 0) {
            dataset_free(ds);
            return NULL;
        }
    }
    return ds;
}
