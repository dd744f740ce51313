/* lm_attention: the tiled, grouped, packed attention against the plain one, and its gradient against finite differences
 * of the plain one. Lengths lie around the tile. */
#include "unit/test.h"

#include <string.h>

#include "core/blas.h"
#include "core/lm/attention.h"
#include "core/lm/naive.h"
#include "core/lm_support.h"

enum { H = 4, G = 2, W = 6, STRIDE = (H + 2 * G) * W, OUT = H * W, LONGEST = 131 };

static struct gemm gemm;

static struct attention attention_over(const struct lm_batch *batch, float *scratch)
{
    return (struct attention){.gemm = &gemm, .kernels = kernels_best(), .heads = H, .kv_heads = G, .head_width = W,
                              .batch = batch, .scratch = scratch, .scratch_stride = attention_scratch(LONGEST)};
}

/* The plain attention of each sequence by itself. */
static void naive_all(const struct lm_batch *b, const double *qkv, double *out)
{
    double row[LONGEST];
    for (int s = 0; s < b->sequences; s++)
        naive_attention(b->starts[s + 1] - b->starts[s], H, G, W, qkv + (size_t)b->starts[s] * STRIDE,
                        out + (size_t)b->starts[s] * OUT, row);
}

static void forward_matches_the_plain_twin(void **state)
{
    (void)state;
    const int starts[] = {0, 1, 64, 129, 260, 263};
    struct lm_batch batch = {.sequences = 5, .starts = starts};
    size_t T = 263;
    struct rng rng;
    rng_init(&rng, 21, 0);
    float *qkv = random_floats(&rng, T * STRIDE, 1), *out = random_floats(&rng, T * OUT, 1);
    float *lse = random_floats(&rng, T * H, 1), *scratch = random_floats(&rng, attention_scratch(LONGEST), 1);
    double *wide = doubles_of(T * STRIDE, qkv), *want = doubles_of(T * OUT, out);
    struct attention a = attention_over(&batch, scratch);
    attention_forward(&a, qkv, out, lse, NULL, NULL);
    naive_all(&batch, wide, want);
    assert_close(T * OUT, out, want, 2e-6);
    void *all[] = {qkv, out, lse, scratch, wide, want};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        mem_free(all[i]);
}

struct weighted {
    const struct lm_batch *batch;
    const double *dout;
    double *out;
};

static double weighted_sum(void *context, const double *qkv)
{
    struct weighted *w = context;
    naive_all(w->batch, qkv, w->out);
    double sum = 0;
    for (int i = 0; i < w->batch->starts[w->batch->sequences] * OUT; i++)
        sum += w->out[i] * w->dout[i];
    return sum;
}

static void backward_matches_finite_differences(void **state)
{
    (void)state;
    const int starts[] = {0, 3, 4, 21};
    struct lm_batch batch = {.sequences = 3, .starts = starts};
    size_t T = 21;
    struct rng rng;
    rng_init(&rng, 22, 0);
    float *qkv = random_floats(&rng, T * STRIDE, 1), *out = random_floats(&rng, T * OUT, 1);
    float *dout = random_floats(&rng, T * OUT, 1), *dqkv = random_floats(&rng, T * STRIDE, 1);
    float *lse = random_floats(&rng, T * H, 1), *scratch = random_floats(&rng, attention_scratch(LONGEST), 1);
    double *wide = doubles_of(T * STRIDE, qkv), *gradient = doubles_of(T * STRIDE, qkv);
    double *wide_dout = doubles_of(T * OUT, dout), *wide_out = doubles_of(T * OUT, out);
    struct attention a = attention_over(&batch, scratch);
    attention_forward(&a, qkv, out, lse, NULL, NULL);
    attention_backward(&a, qkv, out, lse, dout, dqkv);
    struct weighted w = {&batch, wide_dout, wide_out};
    finite_differences(weighted_sum, &w, T * STRIDE, wide, gradient);
    assert_close(T * STRIDE, dqkv, gradient, 1e-5);
    void *all[] = {qkv, out, dout, dqkv, lse, scratch, wide, gradient, wide_dout, wide_out};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        mem_free(all[i]);
}

/* A sequence longer than a tile: the gradient along a direction, for all 131 tokens at once. */
static void backward_crosses_tiles(void **state)
{
    (void)state;
    const int starts[] = {0, LONGEST};
    struct lm_batch batch = {.sequences = 1, .starts = starts};
    size_t T = LONGEST;
    struct rng rng;
    rng_init(&rng, 23, 0);
    float *qkv = random_floats(&rng, T * STRIDE, 1), *out = random_floats(&rng, T * OUT, 1);
    float *dout = random_floats(&rng, T * OUT, 1), *dqkv = random_floats(&rng, T * STRIDE, 1);
    float *lse = random_floats(&rng, T * H, 1), *scratch = random_floats(&rng, attention_scratch(LONGEST), 1);
    float *way = random_floats(&rng, T * STRIDE, 1);
    double *wide = doubles_of(T * STRIDE, qkv), *wide_dout = doubles_of(T * OUT, dout);
    double *wide_out = doubles_of(T * OUT, out), h = 1e-5, along = 0, sides[2];
    struct attention a = attention_over(&batch, scratch);
    attention_forward(&a, qkv, out, lse, NULL, NULL);
    attention_backward(&a, qkv, out, lse, dout, dqkv);
    struct weighted w = {&batch, wide_dout, wide_out};
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < T * STRIDE; i++)
            wide[i] = qkv[i] + (side ? -h : h) * way[i];
        sides[side] = weighted_sum(&w, wide);
    }
    for (size_t i = 0; i < T * STRIDE; i++)
        along += (double)dqkv[i] * way[i];
    assert_true(fabs(along - (sides[0] - sides[1]) / (2 * h)) < 1e-4 * fabs(along));
    void *all[] = {qkv, out, dout, dqkv, lse, scratch, way, wide, wide_dout, wide_out};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        mem_free(all[i]);
}

static int start(void **state)
{
    (void)state;
    gemm.backend = gemm_backend(NULL, NULL);
    return blas_start(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_matches_the_plain_twin),
        cmocka_unit_test(backward_matches_finite_differences),
        cmocka_unit_test(backward_crosses_tiles),
    };
    return cmocka_run_group_tests_name("lm_attention", tests, start, NULL);
}
