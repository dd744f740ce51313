/* What the tests of training share: a random GPT-2 with two heads, small enough to train in a moment. */
#ifndef EGALIGN_TEST_MODEL_SUPPORT_H
#define EGALIGN_TEST_MODEL_SUPPORT_H

#include "core/lm/model.h"

/* eos -1: none. */
static struct lm_model *tiny_gpt2(int vocabulary, int context, int layers, int width, int eos, uint64_t seed)
{
    struct err err = {0};
    struct lm_shape shape = {.family = LM_GPT2,
                             .vocabulary = vocabulary,
                             .context = context,
                             .layers = layers,
                             .width = width,
                             .heads = 2,
                             .kv_heads = 2,
                             .head_width = width / 2,
                             .hidden = 2 * width,
                             .norm_eps = 1e-5,
                             .tied = true,
                             .bos = -1,
                             .eos = eos};
    struct lm_model *m = lm_model_new(&shape, &err);
    assert_non_null(m);
    lm_model_randomize(m, seed);
    return m;
}

#endif
