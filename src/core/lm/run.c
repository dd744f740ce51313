#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "core/lm/run.h"

enum { LOGIT_FLOATS = 16 << 20, MOST_HEAD_ROWS = 1024, ALIGNMENT = 16 };

/* Hands out parts of a block; with a NULL base it only adds up their sizes. */
struct carving {
    float *base;
    size_t used; /* floats */
};

static float *carve(struct carving *c, size_t floats)
{
    float *part = c->base ? c->base + c->used : NULL;
    c->used += (floats + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return part;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Floats of the largest matrix that is multiplied at once. */
static size_t largest_matrix(const struct lm_shape *s)
{
    size_t most = larger((size_t)s->vocabulary, (size_t)lm_qkv_width(s));
    most = larger(most, (size_t)(s->heads * s->head_width));
    return larger(most, larger((size_t)lm_up_width(s), (size_t)s->scalars)) * (size_t)s->width;
}

static int sequence_limit(const struct lm_shape *s, const struct lm_options *o)
{
    return o->max_sequence ? o->max_sequence : s->context;
}

static int head_rows(const struct lm_shape *s, const struct lm_options *o)
{
    int rows = o->head_rows ? o->head_rows : LOGIT_FLOATS / s->vocabulary;
    rows = rows < 16 ? 16 : rows > MOST_HEAD_ROWS ? MOST_HEAD_ROWS : rows;
    return o->head_rows ? o->head_rows : rows;
}

static bool is_kept(const struct lm_options *o, int layer)
{
    return o->train && layer >= o->frozen;
}

static void carve_inner(struct carving *c, const struct lm_shape *s, size_t T, struct saved_block *k)
{
    k->qkv = carve(c, T * (size_t)lm_qkv_width(s));
    k->att = carve(c, T * (size_t)(s->heads * s->head_width));
    k->lse = carve(c, T * (size_t)s->heads);
    k->x1 = carve(c, T * (size_t)s->width);
    k->up = carve(c, T * (size_t)lm_up_width(s));
}

/* The blocks' buffers: own ones where they are kept, one shared set for all others. `saved` is NULL when only
 * counting. */
static void carve_blocks(struct carving *c, const struct lm_shape *s, const struct lm_options *o, size_t T,
                         struct saved_block *saved)
{
    struct saved_block shared = {.x = carve(c, T * (size_t)s->width)}, one;
    if (!o->train || o->recompute || o->frozen > 0)
        carve_inner(c, s, T, &shared);
    for (int i = 0; i < s->layers; i++) {
        one = shared;
        if (is_kept(o, i))
            one.x = carve(c, T * (size_t)s->width);
        if (is_kept(o, i) && !o->recompute)
            carve_inner(c, s, T, &one);
        if (saved)
            saved[i] = one;
    }
}

static void carve_backward(struct carving *c, const struct lm_shape *s, size_t T, struct lm_run *r)
{
    r->dhidden = carve(c, T * (size_t)s->width);
    r->dx = carve(c, T * (size_t)s->width);
    r->dn = carve(c, T * (size_t)s->width);
    r->dqkv = carve(c, T * (size_t)lm_qkv_width(s));
    r->dup = carve(c, T * larger((size_t)lm_up_width(s), (size_t)(s->heads * s->head_width)));
    r->dact = carve(c, T * (size_t)s->hidden);
}

/* Floats of trained parameters, and where they begin. */
static struct lm_trained trained_part(const struct lm_shape *s, const struct lm_layout *l, const struct lm_options *o)
{
    struct lm_trained t = {0};
    if (o->train && o->adapters) {
        t.count = o->adapters->total;
        t.matrices = o->adapters->head_bias;
    } else if (o->train) {
        t.start = lm_layout_start(l, s, o->frozen);
        t.count = l->count - t.start;
    }
    return t;
}

/* Sizes, or places, every buffer of a run. */
static void carve_run(struct carving *c, const struct lm_shape *s, const struct lm_layout *l,
                      const struct lm_options *o, struct lm_run *r)
{
    size_t T = (size_t)o->max_tokens, D = (size_t)s->width, rows = (size_t)head_rows(s, o);
    size_t half = s->family == LM_LLAMA ? (size_t)s->head_width / 2 * (size_t)sequence_limit(s, o) : 0;
    carve_blocks(c, s, o, T, r->saved);
    r->x = carve(c, T * D);
    r->hidden = carve(c, T * D);
    r->normed = carve(c, T * larger(D, (size_t)(s->heads * s->head_width)));
    r->stats = carve(c, T * 2);
    r->act = carve(c, T * (size_t)s->hidden);
    r->positions = (int *)carve(c, T);
    r->cosines = carve(c, half);
    r->sines = carve(c, half);
    r->logits = carve(c, rows * (size_t)s->vocabulary);
    r->gathered = carve(c, rows * D);
    r->weighed = carve(c, rows * 4);
    r->attention.scratch_stride = attention_scratch(sequence_limit(s, o));
    r->attention.scratch = carve(c, (size_t)threads_count(o->gemm.threads) * r->attention.scratch_stride);
    if (o->adapters) {
        r->low_rank = carve(c, T * (size_t)o->adapters->rank);
        r->low_rank_back = carve(c, T * (size_t)o->adapters->rank);
    }
    r->widened = carve(c, o->mapped ? largest_matrix(s) : 0);
    if (o->train)
        carve_backward(c, s, T, r);
    r->trained = trained_part(s, l, o);
    r->trained.gradients = carve(c, r->trained.count);
}

static size_t run_bytes(const struct lm_shape *s, const struct lm_layout *l, const struct lm_options *o)
{
    struct lm_run counted = {0};
    struct carving c = {0};
    carve_run(&c, s, l, o, &counted);
    return c.used * sizeof(float);
}

size_t lm_run_bytes(const struct lm_shape *shape, const struct lm_options *options)
{
    struct lm_layout layout;
    if (lm_layout_make(shape, &layout, NULL) < 0)
        return SIZE_MAX;
    size_t bytes = run_bytes(shape, &layout, options);
    lm_layout_free(&layout);
    return bytes;
}

static int check_options(const struct lm_shape *s, const struct lm_options *o, struct err *err)
{
    if (o->mapped && o->train && !o->adapters)
        return err_set(err, ERR_INVALID_VALUE, "a mapped model can be trained through adapters only");
    if (o->max_tokens < 1 || o->max_tokens > 1 << 24)
        return err_set(err, ERR_INVALID_VALUE, "max_tokens is %d, not 1 .. 2^24", o->max_tokens);
    if (o->max_sequence < 0 || o->max_sequence > s->context)
        return err_set(err, ERR_INVALID_VALUE, "max_sequence is %d; the model's context is %d", o->max_sequence,
                       s->context);
    if (o->frozen < 0 || o->frozen > s->layers)
        return err_set(err, ERR_INVALID_VALUE, "%d frozen blocks of %d", o->frozen, s->layers);
    if (o->head_rows < 0 || o->head_rows > 1 << 20)
        return err_set(err, ERR_INVALID_VALUE, "head_rows is %d, not 0 .. 2^20", o->head_rows);
    if (o->adapters && (o->frozen > o->adapters->frozen || memcmp(&o->adapters->shape, s, sizeof *s) != 0))
        return err_set(err, ERR_INVALID_VALUE, "adapters need a model of their shape, and none in a frozen block");
    return 0;
}

/* The angles of rotary positions, worked out in double. */
static void fill_angles(struct lm_run *r)
{
    const struct lm_shape *s = &r->model->shape;
    int half = s->family == LM_LLAMA ? s->head_width / 2 : 0;
    for (int t = 0; t < sequence_limit(s, &r->options); t++)
        for (int i = 0; i < half; i++) {
            double angle = t * pow(s->rope_theta, -2.0 * i / s->head_width);
            r->cosines[(size_t)t * half + i] = (float)cos(angle);
            r->sines[(size_t)t * half + i] = (float)sin(angle);
        }
}

static int place(struct lm_run *r, struct err *err)
{
    const struct lm_shape *s = &r->model->shape;
    r->block_floats = run_bytes(s, &r->model->layout, &r->options) / sizeof(float);
    size_t bytes = r->block_floats * sizeof(float);
    if (r->options.memory_limit && bytes > r->options.memory_limit)
        return err_set(err, ERR_NO_MEMORY, "this run needs %.2f GB of memory, and %.2f GB are allowed: fewer tokens at "
                       "once, recompute, or frozen blocks need less", (double)bytes / 1e9,
                       (double)r->options.memory_limit / 1e9);
    r->block = mem_aligned(r->block_floats, sizeof(float));
    r->saved = mem_zeroed((size_t)s->layers, sizeof *r->saved);
    if (!r->block || !r->saved)
        return err_set(err, ERR_NO_MEMORY, "no memory for a run of %.2f GB", (double)bytes / 1e9);
    struct carving c = {.base = r->block};
    carve_run(&c, s, &r->model->layout, &r->options, r);
    return 0;
}

struct lm_run *lm_run_new(const struct lm_model *model, const struct lm_options *options, struct err *err)
{
    struct lm_options seen = *options;
    seen.mapped = model->mapped != NULL;
    if (check_options(&model->shape, &seen, err) < 0)
        return NULL;
    struct lm_run *r = mem_zeroed(1, sizeof *r);
    if (!r) {
        err_memory(err);
        return NULL;
    }
    r->model = model;
    r->options = seen;
    r->engine = (struct lm_engine){options->gemm, kernels_best()};
    if (place(r, err) < 0) {
        lm_run_free(r);
        return NULL;
    }
    const struct lm_shape *s = &model->shape;
    r->attention.gemm = &r->engine.gemm;
    r->attention.kernels = r->engine.kernels;
    r->attention.heads = s->heads;
    r->attention.kv_heads = s->kv_heads;
    r->attention.head_width = s->head_width;
    r->attention.batch = &r->batch;
    if (options->adapters)
        r->trained.weights = options->adapters->weights;
    else if (model->weights)
        r->trained.weights = model->weights + r->trained.start;
    fill_angles(r);
    return r;
}

void lm_run_free(struct lm_run *run)
{
    if (!run)
        return;
    mem_free(run->saved);
    mem_free(run->block);
    mem_free(run);
}

int lm_head_rows(const struct lm_run *run)
{
    return head_rows(&run->model->shape, &run->options);
}

const struct lm_engine *lm_run_engine(const struct lm_run *run)
{
    return &run->engine;
}

struct lm_trained lm_trained(const struct lm_run *run)
{
    return run->trained;
}

void lm_zero_gradients(struct lm_run *run)
{
    memset(run->trained.gradients, 0, run->trained.count * sizeof(float));
}
