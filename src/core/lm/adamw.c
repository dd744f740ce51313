#include "core/lm/adamw.h"

#include <math.h>

#include "base/mem.h"

enum { BLOCK = 1 << 16 }; /* parameters */

static int blocks_of(size_t count)
{
    return (int)((count + BLOCK - 1) / BLOCK);
}

size_t adamw_bytes(size_t count)
{
    return 2 * count * sizeof(float) + (size_t)blocks_of(count) * sizeof(double);
}

struct adamw *adamw_new(const struct lm_model *model, const struct lm_run *run, const struct adamw_options *options,
                        struct err *err)
{
    struct adamw *a = mem_zeroed(1, sizeof *a);
    if (!a) {
        err_memory(err);
        return NULL;
    }
    a->options = *options;
    a->engine = lm_run_engine(run);
    a->trained = lm_trained(run);
    double gigabytes = (double)adamw_bytes(a->trained.count) / 1e9;
    bool whole = model->weights && a->trained.weights == model->weights + a->trained.start;
    a->layout = whole ? &model->layout : NULL;
    a->m = mem_aligned(a->trained.count, sizeof *a->m);
    a->v = mem_aligned(a->trained.count, sizeof *a->v);
    a->partial = mem_array((size_t)blocks_of(a->trained.count), sizeof *a->partial);
    if (!a->m || !a->v || !a->partial) {
        adamw_free(a);
        err_set(err, ERR_NO_MEMORY, "no memory for an optimiser of %.2f GB", gigabytes);
        return NULL;
    }
    return a;
}

void adamw_free(struct adamw *a)
{
    if (!a)
        return;
    mem_free(a->m);
    mem_free(a->v);
    mem_free(a->partial);
    mem_free(a);
}

/* One step's numbers, for the blocks. */
struct update {
    struct adamw *a;
    const struct kernels *kernels;
    struct kernel_adam plain, decayed;
};

static size_t block_size(const struct adamw *a, int block)
{
    size_t from = (size_t)block * BLOCK, left = a->trained.count - from;
    return left < BLOCK ? left : BLOCK;
}

static void sum_block(void *context, int block, int thread)
{
    (void)thread;
    const struct update *u = context;
    u->a->partial[block] =
        u->kernels->sum_squares(block_size(u->a, block), u->a->trained.gradients + (size_t)block * BLOCK);
}

static double gradient_norm(struct update *u)
{
    int blocks = blocks_of(u->a->trained.count);
    double sum = 0;
    threads_run(u->a->engine->gemm.threads, blocks, sum_block, u);
    for (int i = 0; i < blocks; i++)
        sum += u->a->partial[i];
    return sqrt(sum);
}

/* Parameters from .. from + n - 1 of the trained vector, which decay alike. */
static void update_span(const struct update *u, size_t from, size_t n, bool decays)
{
    struct adamw *a = u->a;
    u->kernels->adamw(n, decays ? &u->decayed : &u->plain, a->trained.gradients + from, a->trained.weights + from,
                      a->m + from, a->v + from);
}

/* A block may hold parts of several tensors; the gaps between them are skipped. */
static void update_block(void *context, int block, int thread)
{
    (void)thread;
    const struct update *u = context;
    const struct lm_layout *l = u->a->layout;
    size_t from = (size_t)block * BLOCK, size = block_size(u->a, block), start = u->a->trained.start;
    if (!l) {
        size_t matrices = u->a->trained.matrices;
        size_t decayed = from + size <= matrices ? size : from < matrices ? matrices - from : 0;
        update_span(u, from, decayed, true);
        update_span(u, from + decayed, size - decayed, false);
        return;
    }
    size_t end = start + from + size;
    for (int i = lm_layout_find(l, start + from); i < l->tensor_count && l->tensors[i].offset < end; i++) {
        const struct lm_tensor *t = &l->tensors[i];
        size_t first = t->offset > start + from ? t->offset : start + from;
        size_t last = t->offset + lm_tensor_count(t) < end ? t->offset + lm_tensor_count(t) : end;
        update_span(u, first - start, last - first, t->decays);
    }
}

static void prepare(struct update *u, float lr, double norm)
{
    const struct adamw_options *o = &u->a->options;
    double t = (double)++u->a->step, c1 = 1 - pow(o->beta1, t), c2 = 1 - pow(o->beta2, t);
    bool inside = o->form == ADAM_PYTORCH;
    u->plain = (struct kernel_adam){.beta1 = o->beta1, .beta2 = o->beta2, .decay = 1, .epsilon = o->epsilon,
                                    .gradient_scale = o->clip > 0 && norm > o->clip ? (float)(o->clip / norm) : 1,
                                    .step = (float)(inside ? lr / c1 : lr * sqrt(c2) / c1),
                                    .root_scale = (float)(inside ? 1 / sqrt(c2) : 1)};
    u->decayed = u->plain;
    u->decayed.decay = 1 - lr * o->weight_decay;
}

int adamw_step(struct adamw *a, float lr, double *ret_norm, struct err *err)
{
    struct update u = {.a = a, .kernels = a->engine->kernels};
    *ret_norm = gradient_norm(&u);
    if (!isfinite(*ret_norm))
        return err_set(err, ERR_NUMERICAL, "the gradient of step %lld is not finite", (long long)a->step + 1);
    prepare(&u, lr, *ret_norm);
    threads_run(a->engine->gemm.threads, blocks_of(a->trained.count), update_block, &u);
    return 0;
}
