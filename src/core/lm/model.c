#include "core/lm/model.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

struct lm_model *lm_model_new(const struct lm_shape *shape, struct err *err)
{
    if (lm_shape_check(shape, err) < 0)
        return NULL;
    struct lm_model *m = mem_zeroed(1, sizeof *m);
    if (!m) {
        err_memory(err);
        return NULL;
    }
    m->shape = *shape;
    if (lm_layout_make(shape, &m->layout, err) < 0) {
        mem_free(m);
        return NULL;
    }
    m->weights = mem_aligned(m->layout.count, sizeof *m->weights);
    if (!m->weights) {
        err_set(err, ERR_NO_MEMORY, "no memory for %zu parameters", m->layout.count);
        lm_model_free(m);
        return NULL;
    }
    return m;
}

void lm_model_free(struct lm_model *m)
{
    if (!m)
        return;
    mem_free(m->weights);
    mapped_free(m->mapped);
    lm_layout_free(&m->layout);
    mem_free(m);
}

void lm_model_read(const struct lm_model *m, int tensor, size_t from, size_t n, float *out)
{
    if (m->mapped)
        mapped_read(m->mapped, tensor, from, n, out);
    else
        memcpy(out, m->weights + m->layout.tensors[tensor].offset + from, n * sizeof *out);
}

struct lm_model *lm_model_copy(const struct lm_model *m, int scalars, struct err *err)
{
    struct lm_shape shape = m->shape;
    shape.scalars = scalars;
    struct lm_model *copy = lm_model_new(&shape, err);
    if (copy)
        memcpy(copy->weights, m->weights,
               (m->shape.scalars == scalars ? m->layout.count : lm_model_below_scalars(m)) * sizeof *m->weights);
    return copy;
}

static int ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), e = strlen(end);
    return n >= e && strcmp(name + n - e, end) == 0;
}

void lm_model_randomize(struct lm_model *m, uint64_t seed)
{
    for (int i = 0; i < m->layout.tensor_count; i++) {
        const struct lm_tensor *t = &m->layout.tensors[i];
        float *w = m->weights + t->offset;
        int into_residual = ends_with(t->name, "c_proj.weight") || ends_with(t->name, "o_proj.weight") ||
                            ends_with(t->name, "down_proj.weight");
        double scale = into_residual ? 0.02 / sqrt(2.0 * m->shape.layers) : 0.02;
        struct rng rng;
        rng_init(&rng, seed, (uint64_t)i);
        for (size_t j = 0; j < lm_tensor_count(t); j++) {
            if (strncmp(t->name, "score.", 6) == 0)
                w[j] = 0;
            else if (t->columns > 0)
                w[j] = (float)(scale * rng_normal(&rng));
            else
                w[j] = ends_with(t->name, ".bias") ? 0 : 1;
        }
    }
}
