#include "core/scorer.h"

#include <string.h>

#include "base/mem.h"
#include "core/reward/features.h"
#include "core/reward/model.h"

struct scorer {
    struct model model;
    double *weights; /* [(groups + 1) x dimension]: heads times scale, the pooled one last */
    struct scorer_encoder encoder; /* lent; encode is NULL when none is */
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

bool scorer_needs_encoder(const struct scorer *s, const uint8_t **ret_digest)
{
    if (ret_digest)
        *ret_digest = s->model.digest;
    return s->model.encoder != ENCODER_HASHED;
}

int scorer_lend_encoder(struct scorer *s, const struct scorer_encoder *encoder, struct err *err)
{
    const struct model *m = &s->model;
    if (m->encoder == ENCODER_HASHED)
        return err_set(err, ERR_CONFLICT, "this fit has a text encoder of its own");
    if (encoder->dimension != m->dimension || memcmp(encoder->digest, m->digest, sizeof m->digest) != 0)
        return err_set(err, ERR_CONFLICT, "this fit was made with the features of another language model");
    s->encoder = *encoder;
    return 0;
}

/* features[n x dimension] by the fit's own encoder or the lent one. */
static int encode(const struct scorer *s, int n, const struct str *prompts, const struct str *responses,
                  float *features, struct err *err)
{
    const struct model *m = &s->model;
    if (s->encoder.encode)
        return s->encoder.encode(s->encoder.context, n, prompts, responses, features, err);
    if (m->encoder != ENCODER_HASHED)
        return err_set(err, ERR_INVALID_VALUE,
                       "this fit scores features of a language model; texts need that model's encoder");
    for (int i = 0; i < n; i++)
        features_of(prompts[i], responses[i], m->buckets, features + (size_t)i * (size_t)m->dimension);
    return 0;
}

int scorer_score_all(const struct scorer *s, int n, const struct str *prompts, const struct str *responses, double *ret,
                     struct err *err)
{
    size_t d = (size_t)s->model.dimension, heads = (size_t)s->model.groups + 1;
    float *features = mem_array((size_t)n * d, sizeof *features);
    if (!features)
        return err_memory(err);
    int result = encode(s, n, prompts, responses, features, err);
    for (int i = 0; result == 0 && i < n; i++)
        scorer_score_features(s, features + (size_t)i * d, ret + (size_t)i * heads);
    mem_free(features);
    return result;
}

int scorer_score(const struct scorer *s, struct str prompt, struct str response, double *ret, struct err *err)
{
    return scorer_score_all(s, 1, &prompt, &response, ret, err);
}
