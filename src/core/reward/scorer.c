#include "core/scorer.h"

#include <string.h>

#include "base/mem.h"
#include "core/reward/features.h"
#include "core/reward/model.h"

struct scorer {
    struct model model;
    double *weights; /* [(groups + 1) x dimension]: heads times scale, the pooled one last */
};

int scorer_open(const void *bytes, size_t length, struct scorer **ret, struct err *err)
{
    struct scorer *s = mem_zeroed(1, sizeof *s);
    if (!s)
        return err_memory(err);
    if (model_read(bytes, length, &s->model, err) < 0) {
        mem_free(s);
        return -1;
    }
    const struct model *m = &s->model;
    size_t d = (size_t)m->dimension, heads = (size_t)m->groups + 1;
    s->weights = mem_array(heads * d, sizeof *s->weights);
    if (!s->weights) {
        scorer_free(s);
        return err_memory(err);
    }
    for (size_t i = 0; i < heads * d; i++)
        s->weights[i] = (double)m->block[d + i] * m->scale[i % d]; /* heads and pooled follow the scales */
    *ret = s;
    return 0;
}

void scorer_free(struct scorer *s)
{
    if (!s)
        return;
    model_free(&s->model);
    mem_free(s->weights);
    mem_free(s);
}

int scorer_groups(const struct scorer *s)
{
    return s->model.groups;
}

int scorer_dimension(const struct scorer *s)
{
    return s->model.dimension;
}

void scorer_score_features(const struct scorer *s, const float *features, double *ret)
{
    int d = s->model.dimension;
    for (int u = 0; u <= s->model.groups; u++) {
        const double *weights = s->weights + (size_t)u * (size_t)d;
        double sum = 0;
        for (int j = 0; j < d; j++)
            sum += weights[j] * features[j];
        ret[u] = sum;
    }
}

int scorer_score(const struct scorer *s, struct str prompt, struct str response, double *ret, struct err *err)
{
    if (s->model.encoder != ENCODER_HASHED)
        return err_set(err, ERR_INVALID_VALUE, "this fit scores features of a language model, not texts");
    float *features = mem_array((size_t)s->model.dimension, sizeof *features);
    if (!features)
        return err_memory(err);
    features_of(prompt, response, s->model.buckets, features);
    scorer_score_features(s, features, ret);
    mem_free(features);
    return 0;
}
