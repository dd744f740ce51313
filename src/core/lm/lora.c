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

/* Makes an adapter of tensor `t` if it is a part of `l`. */
static bool fit(struct lm_adapters *a, const struct lm_linear *l, const struct lm_tensor *t)
{
    size_t size = (size_t)l->in * (size_t)l->out;
    if (t->columns == 0 || t->offset < l->weight || t->offset >= l->weight + size)
        return false;
    struct lm_adapter *one = &a->items[a->count++];
    *one = (struct lm_adapter){.tensor = t->name, .linear = l->weight, .in = l->in,
                               .from = l->transposed ? (int)((t->offset - l->weight) / (size_t)l->in) : 0,
                               .out = l->transposed ? t->rows : t->columns};
    one->a = a->total;
    a->total += (size_t)a->rank * (size_t)one->in;
    one->b = a->total;
    a->total += (size_t)a->rank * (size_t)one->out;
    a->total = (a->total + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return true;
}

static void add_adapter(struct lm_adapters *a, const struct lm_tensor *t)
{
    for (int i = 0; i < a->shape.layers; i++) {
        const struct lm_block *b = &a->layout.blocks[i];
        if (fit(a, &b->qkv, t) || fit(a, &b->proj, t) || fit(a, &b->up, t) || fit(a, &b->down, t))
            return;
    }
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
        int before = a->count;
        if (wanted)
            add_adapter(a, &a->layout.tensors[i]);
        if (wanted && a->count == before)
            return err_set(err, ERR_INVALID_VALUE, "%s cannot have an adapter", a->layout.tensors[i].name);
    }
    for (int j = 0; j < a->target_count; j++)
        if (!met[j])
            return err_set(err, ERR_INVALID_VALUE, "no matrix of this model is called \"%s\"", a->targets[j]);
    return a->count > 0 ? 0 : err_set(err, ERR_INVALID_VALUE, "no module is named to adapt");
}

static void start(struct lm_adapters *a, uint64_t seed)
{
    for (int i = 0; i < a->count; i++) {
        struct rng rng;
        rng_init(&rng, seed, (uint64_t)i);
        double bound = 1 / sqrt(a->items[i].in);
        for (int j = 0; j < a->rank * a->items[i].in; j++)
            a->weights[a->items[i].a + (size_t)j] = (float)(bound * (2 * rng_uniform(&rng) - 1));
    }
}

struct lm_adapters *lora_new(const struct lm_shape *shape, const char *targets, int rank, float alpha, uint64_t seed,
                             struct err *err)
{
    if (rank < 1 || rank > LORA_MAX_RANK || !(alpha > 0) || !isfinite(alpha)) {
        err_set(err, ERR_INVALID_VALUE, "rank %d and alpha %g: 1 .. %d and above 0 are right", rank, alpha,
                LORA_MAX_RANK);
        return NULL;
    }
    struct lm_adapters *a = mem_zeroed(1, sizeof *a);
    if (!a) {
        err_memory(err);
        return NULL;
    }
    a->shape = *shape;
    a->rank = rank;
    a->alpha = alpha;
    if (lm_layout_make(shape, &a->layout, err) < 0 || split_targets(a, targets, err) < 0 || add_adapters(a, err) < 0)
        goto fail;
    a->weights = mem_aligned(a->total, sizeof *a->weights);
    if (!a->weights) {
        err_memory(err);
        goto fail;
    }
    start(a, seed);
    return a;
fail:
    lora_free(a);
    return NULL;
}

/* Element (output o, input i) of the adapted matrix: LLaMA stores [out, in], GPT-2 [in, out]. */
static float *element(const struct lm_adapters *adapters, const struct lm_adapter *a, float *weights, int o, int i)
{
    float *w = weights + a->linear;
    if (adapters->shape.family == LM_LLAMA)
        return w + (size_t)(a->from + o) * (size_t)a->in + (size_t)i;
    return w + (size_t)i * (size_t)a->out + (size_t)o;
}

static void merge_one(const struct lm_adapters *adapters, const struct lm_adapter *a, float *weights)
{
    int r = adapters->rank;
    const float *A = adapters->weights + a->a, *B = adapters->weights + a->b;
    double scale = (double)adapters->alpha / r;
    for (int o = 0; o < a->out; o++)
        for (int i = 0; i < a->in; i++) {
            double sum = 0;
            for (int k = 0; k < r; k++)
                sum += (double)B[(size_t)o * (size_t)r + (size_t)k] * A[(size_t)k * (size_t)a->in + (size_t)i];
            *element(adapters, a, weights, o, i) += (float)(scale * sum);
        }
}

void lora_merge(const struct lm_adapters *adapters, struct lm_model *model)
{
    CHECK(model->weights && model->layout.count == adapters->layout.count);
    for (int i = 0; i < adapters->count; i++)
        merge_one(adapters, &adapters->items[i], model->weights);
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
