#include "core/lm/lora.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/rng.h"

enum { ALIGNMENT = 16, MAX_TARGETS = 64 };

void lora_free(struct lm_adapters *a)
{
    if (!a)
        return;
    for (int i = 0; i < a->target_count; i++)
        mem_free(a->targets[i]);
    mem_free(a->targets);
    mem_free(a->items);
    mem_free(a->weights);
    lm_layout_free(&a->layout);
    mem_free(a);
}

/* Cuts "a,b" into targets. */
static int split_targets(struct lm_adapters *a, const char *text, struct err *err)
{
    a->targets = mem_zeroed(MAX_TARGETS, sizeof *a->targets);
    if (!a->targets)
        return err_memory(err);
    while (*text) {
        size_t n = strcspn(text, ",");
        if (n == 0 || n > 60 || a->target_count == MAX_TARGETS)
            return err_set(err, ERR_INVALID_VALUE, "\"%.60s\" is no list of modules", text);
        a->targets[a->target_count] = mem_strndup(text, n);
        if (!a->targets[a->target_count++])
            return err_memory(err);
        text += n + (text[n] == ',');
    }
    return 0;
}

/* True when the module of tensor `name`, the part before ".weight", is or ends with ".TARGET". */
static bool is_target(const char *name, const char *target)
{
    size_t n = strlen(name), e = strlen(target), suffix = strlen(".weight");
    if (n < suffix + e || strcmp(name + n - suffix, ".weight") != 0)
        return false;
    const char *at = name + n - suffix - e;
    return strncmp(at, target, e) == 0 && (at == name || at[-1] == '.');
}

static void align(struct lm_adapters *a)
{
    a->total = (a->total + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Makes an adapter of tensor `t` if it is a part of `l`. */
static bool fit(struct lm_adapters *a, const struct lm_linear *l, const struct lm_tensor *t)
{
    size_t size = (size_t)l->in * (size_t)l->out;
    if (t->columns == 0 || t->offset < l->weight || t->offset >= l->weight + size)
        return false;
    struct lm_adapter *one = &a->items[a->count++];
    *one = (struct lm_adapter){.tensor = t->name, .linear = l->weight, .offset = t->offset, .in = l->in,
                               .from = l->transposed ? (int)((t->offset - l->weight) / (size_t)l->in) : 0,
                               .out = l->transposed ? t->rows : t->columns};
    one->a = a->total;
    a->total += (size_t)a->rank * (size_t)one->in;
    one->b = a->total;
    a->total += (size_t)a->rank * (size_t)one->out;
    align(a);
    return true;
}

/* An adapter of `t`; none when its block is frozen. False when it is no matrix of a block. */
static bool add_adapter(struct lm_adapters *a, const struct lm_tensor *t)
{
    if (t->columns > 0 && a->frozen > 0 && t->offset >= a->layout.blocks[0].norm1.weight &&
        t->offset < a->layout.blocks[a->frozen].norm1.weight)
        return true;
    for (int i = a->frozen; i < a->shape.layers; i++) {
        const struct lm_block *b = &a->layout.blocks[i];
        if (fit(a, &b->qkv, t) || fit(a, &b->proj, t) || fit(a, &b->up, t) || fit(a, &b->down, t))
            return true;
    }
    return false;
}

/* Adapters for every tensor that a target names. */
static int add_adapters(struct lm_adapters *a, struct err *err)
{
    a->items = mem_zeroed((size_t)a->layout.tensor_count, sizeof *a->items);
    if (!a->items)
        return err_memory(err);
    bool met[MAX_TARGETS] = {false};
    for (int i = 0; i < a->layout.tensor_count; i++) {
        bool wanted = false;
        for (int j = 0; j < a->target_count; j++)
            if (is_target(a->layout.tensors[i].name, a->targets[j]))
                wanted = met[j] = true;
        if (wanted && !add_adapter(a, &a->layout.tensors[i]))
            return err_set(err, ERR_INVALID_VALUE, "%s cannot have an adapter", a->layout.tensors[i].name);
    }
    for (int j = 0; j < a->target_count; j++)
        if (!met[j])
            return err_set(err, ERR_INVALID_VALUE, "no matrix of this model is called \"%s\"", a->targets[j]);
    return a->count > 0 ? 0 : err_set(err, ERR_INVALID_VALUE, "no module is named to adapt");
}

static void add_heads(struct lm_adapters *a)
{
    a->head_weight = a->total;
    a->total += (size_t)a->heads * (size_t)a->shape.width;
    align(a);
    a->head_bias = a->total;
    a->total += (size_t)a->heads;
    align(a);
}

const char *lora_usual_targets(enum lm_family family)
{
    return family == LM_GPT2 ? "c_attn" : "q_proj,k_proj,v_proj,o_proj";
}

struct lora_options lora_chosen(const struct lora_wanted *wanted, enum lm_family family, int frozen, int heads)
{
    return (struct lora_options){.targets = wanted->targets[0] ? wanted->targets : lora_usual_targets(family),
                                 .rank = wanted->rank,
                                 .alpha = wanted->alpha != 0 ? wanted->alpha : 2.0 * wanted->rank,
                                 .frozen = frozen,
                                 .heads = heads};
}

static int check(const struct lm_shape *shape, const struct lora_options *o, struct err *err)
{
    if (o->rank < 1 || o->rank > LORA_MAX_RANK || !(o->alpha > 0) || !isfinite(o->alpha))
        return err_set(err, ERR_INVALID_VALUE, "rank %d and alpha %g: 1 .. %d and above 0 are right", o->rank, o->alpha,
                       LORA_MAX_RANK);
    if (o->frozen < 0 || o->frozen >= shape->layers)
        return err_set(err, ERR_INVALID_VALUE, "with %d of %d blocks frozen there is none to adapt", o->frozen,
                       shape->layers);
    return 0;
}

struct lm_adapters *lora_plan(const struct lm_shape *shape, const struct lora_options *o, struct err *err)
{
    if (check(shape, o, err) < 0)
        return NULL;
    struct lm_adapters *a = mem_zeroed(1, sizeof *a);
    if (!a) {
        err_memory(err);
        return NULL;
    }
    a->shape = *shape;
    a->rank = o->rank;
    a->alpha = (float)o->alpha;
    a->frozen = o->frozen;
    a->heads = o->heads;
    if (lm_layout_make(shape, &a->layout, err) < 0 || split_targets(a, o->targets, err) < 0 ||
        add_adapters(a, err) < 0) {
        lora_free(a);
        return NULL;
    }
    add_heads(a);
    return a;
}

int lora_start(struct lm_adapters *a, uint64_t seed, struct err *err)
{
    a->weights = mem_aligned(a->total, sizeof *a->weights);
    if (!a->weights)
        return err_memory(err);
    for (int i = 0; i < a->count; i++) {
        struct rng rng;
        rng_init(&rng, seed, (uint64_t)i);
        double bound = 1 / sqrt(a->items[i].in);
        for (int j = 0; j < a->rank * a->items[i].in; j++)
            a->weights[a->items[i].a + (size_t)j] = (float)(bound * (2 * rng_uniform(&rng) - 1));
    }
    return 0;
}

struct lm_adapters *lora_new(const struct lm_shape *shape, const char *targets, int rank, float alpha, uint64_t seed,
                             struct err *err)
{
    struct lora_options options = {.targets = targets, .rank = rank, .alpha = alpha};
    struct lm_adapters *a = lora_plan(shape, &options, err);
    if (a && lora_start(a, seed, err) < 0) {
        lora_free(a);
        a = NULL;
    }
    return a;
}

/* values[j] += (alpha / r) sum over k of left[k left_stride] right[k right_stride + j step], summed in double. */
static void add_products(const struct lm_adapters *adapters, const float *left, size_t left_stride, const float *right,
                         size_t right_stride, size_t step, size_t n, float *values)
{
    enum { TOGETHER = 64 };
    double scale = (double)adapters->alpha / adapters->rank, sum[TOGETHER];
    for (size_t from = 0; from < n; from += TOGETHER) {
        size_t count = n - from < TOGETHER ? n - from : TOGETHER;
        memset(sum, 0, sizeof sum);
        for (size_t k = 0; k < (size_t)adapters->rank; k++) {
            double factor = left[k * left_stride];
            const float *row = right + k * right_stride + from * step;
            for (size_t j = 0; j < count; j++)
                sum[j] += factor * row[j * step];
        }
        for (size_t j = 0; j < count; j++)
            values[from + j] += (float)(scale * sum[j]);
    }
}

/* One row of the adapted tensor: LLaMA stores [out, in], GPT-2 [in, out]. */
static void add_to_row(const struct lm_adapters *adapters, const struct lm_adapter *one, size_t row, size_t column,
                       size_t n, float *values)
{
    size_t r = (size_t)adapters->rank, in = (size_t)one->in;
    const float *a = adapters->weights + one->a, *b = adapters->weights + one->b;
    if (adapters->shape.family == LM_LLAMA)
        add_products(adapters, b + row * r, 1, a + column, in, 1, n, values);
    else
        add_products(adapters, a + row, in, b + column * r, 1, r, n, values);
}

void lora_add(const struct lm_adapters *adapters, size_t offset, size_t from, size_t n, float *values)
{
    const struct lm_adapter *one = adapters->items, *end = one + adapters->count;
    while (one < end && one->offset != offset)
        one++;
    if (one == end)
        return;
    size_t columns = (size_t)(adapters->shape.family == LM_LLAMA ? one->in : one->out);
    for (size_t done = 0; done < n;) {
        size_t column = (from + done) % columns, here = columns - column;
        here = here < n - done ? here : n - done;
        add_to_row(adapters, one, (from + done) / columns, column, here, values + done);
        done += here;
    }
}

void lora_merge(const struct lm_adapters *adapters, struct lm_model *model)
{
    struct lm_shape shape = model->shape;
    shape.scalars = adapters->shape.scalars;
    CHECK(model->weights && memcmp(&shape, &adapters->shape, sizeof shape) == 0);
    for (int i = 0; i < adapters->count; i++) {
        const struct lm_adapter *one = &adapters->items[i];
        lora_add(adapters, one->offset, 0, (size_t)one->in * (size_t)one->out, model->weights + one->offset);
    }
}

int lora_of(const struct lm_adapters *a, size_t linear, const struct lm_adapter **ret_first)
{
    int low = 0, high = a->count, n = 0;
    while (low < high) {
        int middle = (low + high) / 2;
        if (a->items[middle].linear < linear)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_first = a->items + low;
    while (low + n < a->count && a->items[low + n].linear == linear)
        n++;
    return n;
}
