#include "core/lm/mapped.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "core/lm/kernels.h"

enum { BLOCK = 1 << 16, EXPONENT = 0x7f80 };

void mapped_free(struct lm_mapped *m)
{
    if (!m)
        return;
    safetensors_free(m->files);
    mem_free(m->matrices);
    mem_free(m->vectors);
    mem_free(m->block);
    mem_free(m);
}

/* True when every BF16 number is finite. */
static bool all_finite(const uint16_t *x, size_t n)
{
    size_t bad = 0;
    for (size_t i = 0; i < n; i++)
        bad += (x[i] & EXPONENT) == EXPONENT;
    return bad == 0;
}

static int point_at(struct lm_mapped *m, int i, const struct safetensor *t, struct err *err)
{
    if (t->dtype != DTYPE_BF16)
        return err_set(err, ERR_BAD_FILE, "tensor \"%.80s\" is not BF16: load this checkpoint, it cannot be mapped",
                       t->name);
    if ((uintptr_t)t->data % sizeof(uint16_t) != 0)
        return err_set(err, ERR_BAD_FILE, "tensor \"%.80s\" lies at an odd address: it cannot be mapped", t->name);
    m->matrices[i] = t->data;
    if (!all_finite(m->matrices[i], t->count))
        return err_set(err, ERR_NUMERICAL, "tensor \"%.80s\" holds a NaN or an infinity", t->name);
    return 0;
}

static int fill(struct lm_mapped *m, const struct lm_layout *l, const struct safetensor *const *found, struct err *err)
{
    size_t used = 0, floats = 0;
    for (int i = 0; i < l->tensor_count; i++)
        floats += l->tensors[i].columns ? 0 : lm_tensor_count(&l->tensors[i]);
    m->matrices = mem_zeroed((size_t)l->tensor_count, sizeof *m->matrices);
    m->vectors = mem_zeroed((size_t)l->tensor_count, sizeof *m->vectors);
    m->block = mem_aligned(floats, sizeof *m->block);
    if (!m->matrices || !m->vectors || !m->block)
        return err_memory(err);
    for (int i = 0; i < l->tensor_count; i++) {
        int result = 0;
        if (l->tensors[i].columns)
            result = point_at(m, i, found[i], err);
        else {
            m->vectors[i] = m->block + used;
            used += lm_tensor_count(&l->tensors[i]);
            result = found[i] ? safetensors_read(found[i], m->vectors[i], err) : 0; /* score.bias may be left out */
        }
        if (result < 0)
            return -1;
    }
    return 0;
}

struct lm_mapped *mapped_take(struct safetensors *files, const struct lm_layout *layout,
                              const struct safetensor *const *found, struct err *err)
{
    struct lm_mapped *m = mem_zeroed(1, sizeof *m);
    if (!m) {
        safetensors_free(files);
        err_memory(err);
        return NULL;
    }
    m->files = files;
    if (fill(m, layout, found, err) < 0) {
        mapped_free(m);
        return NULL;
    }
    return m;
}

const float *mapped_vector(const struct lm_mapped *m, const struct lm_layout *layout, size_t offset)
{
    int i = lm_layout_find(layout, offset);
    CHECK(i < layout->tensor_count && layout->tensors[i].offset == offset && m->vectors[i]);
    return m->vectors[i];
}

void mapped_read(const struct lm_mapped *m, int tensor, size_t from, size_t count, float *out)
{
    if (m->matrices[tensor])
        kernels_best()->from_bf16(count, m->matrices[tensor] + from, out);
    else
        memcpy(out, m->vectors[tensor] + from, count * sizeof *out);
}

struct widening {
    const struct lm_mapped *m;
    const struct lm_layout *layout;
    const struct kernels *kernels;
    size_t offset, count;
    float *out;
};

static void widen_block(void *context, int block, int thread)
{
    (void)thread;
    const struct widening *w = context;
    size_t from = w->offset + (size_t)block * BLOCK, end = w->offset + w->count;
    end = end - from < BLOCK ? end : from + BLOCK;
    for (int i = lm_layout_find(w->layout, from); from < end; i++) {
        const struct lm_tensor *t = &w->layout->tensors[i];
        CHECK(i < w->layout->tensor_count && t->offset <= from && w->m->matrices[i]);
        size_t here = t->offset + lm_tensor_count(t);
        here = here < end ? here : end;
        w->kernels->from_bf16(here - from, w->m->matrices[i] + (from - t->offset), w->out + (from - w->offset));
        from = here;
    }
}

void mapped_widen(const struct lm_mapped *m, const struct lm_layout *layout, const struct lm_engine *engine,
                  size_t offset, size_t count, float *out)
{
    struct widening w = {m, layout, engine->kernels, offset, count, out};
    threads_run(engine->gemm.threads, (int)((count + BLOCK - 1) / BLOCK), widen_block, &w);
}
