/* lm_kernels: each set of kernels against its plain twin in double, and each backward form against finite differences
 * of the twin. Sizes are odd on purpose: the ends of vectorised loops must be right. */
#include "unit/test.h"

#include <stdbool.h>
#include <string.h>

#include "core/lm/kernels.h"
#include "core/lm/naive.h"
#include "core/lm_support.h"

enum { N = 77 };
static const double TIGHT = 2e-6;

struct case_of {
    struct rng rng;
    float *x, *w, *b, *dy;
    double *xd, *wd, *bd, *dyd;
    double y[N], gradient[N];
    float got[N], other[N];
    int which; /* column or mode under test */
};

static void make_case(struct case_of *c, uint64_t seed)
{
    rng_init(&c->rng, seed, 0);
    c->x = random_floats(&c->rng, N, 2);
    c->w = random_floats(&c->rng, N, 1);
    c->b = random_floats(&c->rng, N, 1);
    c->dy = random_floats(&c->rng, N, 1);
    c->xd = doubles_of(N, c->x);
    c->wd = doubles_of(N, c->w);
    c->bd = doubles_of(N, c->b);
    c->dyd = doubles_of(N, c->dy);
}

static void free_case(struct case_of *c)
{
    void *all[] = {c->x, c->w, c->b, c->dy, c->xd, c->wd, c->bd, c->dyd};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        mem_free(all[i]);
}

static double sum_of_product(size_t n, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double gelu_objective(void *context, const double *x)
{
    struct case_of *c = context;
    for (int i = 0; i < N; i++)
        c->y[i] = naive_gelu(x[i]);
    return sum_of_product(N, c->y, c->dyd);
}

static void check_gelu(const struct kernels *k)
{
    struct case_of c;
    make_case(&c, 1);
    gelu_objective(&c, c.xd);
    k->gelu(N, c.x, c.got);
    assert_close(N, c.got, c.y, TIGHT);
    finite_differences(gelu_objective, &c, N, c.xd, c.gradient);
    k->gelu_backward(N, c.x, c.dy, c.got);
    assert_close(N, c.got, c.gradient, TIGHT);
    free_case(&c);
}

/* Of the gate when which is 0, of the other factor when it is 1. */
static double swiglu_objective(void *context, const double *x)
{
    struct case_of *c = context;
    for (int i = 0; i < N; i++)
        c->y[i] = c->which == 0 ? naive_swiglu(x[i], c->wd[i]) : naive_swiglu(c->wd[i], x[i]);
    return sum_of_product(N, c->y, c->dyd);
}

static void check_swiglu(const struct kernels *k)
{
    struct case_of c;
    make_case(&c, 2);
    c.which = 0;
    swiglu_objective(&c, c.xd);
    k->swiglu(N, c.x, c.w, c.got);
    assert_close(N, c.got, c.y, TIGHT);
    finite_differences(swiglu_objective, &c, N, c.xd, c.gradient);
    k->swiglu_backward(N, c.x, c.w, c.dy, c.got, c.other);
    assert_close(N, c.got, c.gradient, TIGHT);
    c.which = 1;
    finite_differences(swiglu_objective, &c, N, c.xd, c.gradient);
    k->swiglu_backward(N, c.w, c.x, c.dy, c.other, c.got);
    assert_close(N, c.got, c.gradient, TIGHT);
    free_case(&c);
}

/* which: 0 and 1 the input and the weight of layernorm, 2 and 3 those of rmsnorm. */
static double norm_objective(void *context, const double *x)
{
    struct case_of *c = context;
    const double *in = c->which % 2 ? c->xd : x, *weight = c->which % 2 ? x : c->wd;
    if (c->which < 2)
        naive_layernorm(N, 1e-5, in, weight, c->bd, c->y);
    else
        naive_rmsnorm(N, 1e-5, in, weight, c->y);
    return sum_of_product(N, c->y, c->dyd);
}

static void check_norms(const struct kernels *k)
{
    struct case_of c;
    make_case(&c, 3);
    for (c.which = 0; c.which < 4; c.which++) {
        float mean = 0, rstd;
        norm_objective(&c, c.which % 2 ? c.wd : c.xd);
        if (c.which < 2)
            k->layernorm(N, 1e-5f, c.x, c.w, c.b, c.got, &mean, &rstd);
        else
            k->rmsnorm(N, 1e-5f, c.x, c.w, c.got, &rstd);
        assert_close(N, c.got, c.y, TIGHT);
        finite_differences(norm_objective, &c, N, c.which % 2 ? c.wd : c.xd, c.gradient);
        memset(c.got, 0, sizeof c.got);
        memset(c.other, 0, sizeof c.other);
        if (c.which % 2)
            k->norm_weights(N, c.x, c.dy, mean, rstd, c.got, c.which == 1 ? c.other : NULL);
        else if (c.which == 0)
            k->layernorm_backward(N, c.x, c.w, c.dy, mean, rstd, c.got);
        else
            k->rmsnorm_backward(N, c.x, c.w, c.dy, rstd, c.got);
        assert_close(N, c.got, c.gradient, 5 * TIGHT);
        if (c.which == 1)
            assert_close(N, c.other, c.dyd, TIGHT);
    }
    free_case(&c);
}

static double softmax_objective(void *context, const double *x)
{
    struct case_of *c = context;
    memcpy(c->y, x, sizeof c->y);
    naive_softmax(N, 0.7, c->y);
    return sum_of_product(N, c->y, c->dyd);
}

static void check_softmax(const struct kernels *k)
{
    struct case_of c;
    make_case(&c, 4);
    memcpy(c.got, c.x, sizeof c.got);
    memcpy(c.y, c.xd, sizeof c.y);
    double want = naive_softmax(N, 0.7, c.y);
    float lse = k->softmax(N, 0.7f, c.got);
    assert_true(fabs(lse - want) < 1e-5);
    assert_close(N, c.got, c.y, TIGHT);
    memcpy(c.other, c.x, sizeof c.other);
    k->softmax_again(N, 0.7f, lse, c.other);
    assert_close(N, c.other, c.y, TIGHT);
    float delta = k->dot(N, c.got, c.dy);
    memcpy(c.other, c.dy, sizeof c.other);
    k->softmax_backward(N, 0.7f, delta, c.got, c.other);
    finite_differences(softmax_objective, &c, N, c.xd, c.gradient);
    assert_close(N, c.other, c.gradient, 5 * TIGHT);
    free_case(&c);
}

/* 0.8 logp - 0.3 entropy, or logp alone when which is 0. */
static double choose_objective(void *context, const double *x)
{
    struct case_of *c = context;
    double logp, entropy;
    naive_choose(N, 1.3, x, 5, &logp, &entropy);
    return c->which ? 0.8 * logp - 0.3 * entropy : 0.8 * logp;
}

static void check_choose(const struct kernels *k)
{
    struct case_of c;
    make_case(&c, 5);
    for (c.which = 0; c.which < 2; c.which++) {
        double logp, entropy;
        naive_choose(N, 1.3, c.xd, 5, &logp, &entropy);
        memcpy(c.got, c.x, sizeof c.got);
        struct kernel_choice choice = k->choose(N, 1.3f, c.got, 5);
        assert_true(fabs(choice.log_probability - logp) < 1e-5 && fabs(choice.entropy - entropy) < 1e-5);
        k->choose_backward(N, 1.3f, 0.8f, c.which ? -0.3f : 0, choice.entropy, 5, c.got);
        finite_differences(choose_objective, &c, N, c.xd, c.gradient);
        assert_close(N, c.got, c.gradient, 5 * TIGHT);
    }
    free_case(&c);
}

static void check_rotation(const struct kernels *k)
{
    struct rng rng;
    rng_init(&rng, 6, 0);
    enum { HEADS = 3, WIDTH = 10, POSITION = 7 };
    float *x = random_floats(&rng, HEADS * WIDTH, 1), cosines[WIDTH / 2], sines[WIDTH / 2];
    double *want = doubles_of(HEADS * WIDTH, x), *before = doubles_of(HEADS * WIDTH, x);
    for (int i = 0; i < WIDTH / 2; i++) {
        double angle = POSITION * pow(10000, -2.0 * i / WIDTH);
        cosines[i] = (float)cos(angle);
        sines[i] = (float)sin(angle);
    }
    naive_rotate(HEADS, WIDTH, 10000, POSITION, want);
    k->rotate(HEADS, WIDTH / 2, cosines, sines, 1, x);
    assert_close(HEADS * WIDTH, x, want, TIGHT);
    k->rotate(HEADS, WIDTH / 2, cosines, sines, -1, x); /* orthogonal: the gradient is the rotation back */
    assert_close(HEADS * WIDTH, x, before, TIGHT);
    mem_free(x);
    mem_free(want);
    mem_free(before);
}

static void check_sums(const struct kernels *k)
{
    struct case_of c;
    make_case(&c, 7);
    assert_true(fabs(k->dot(N, c.x, c.w) - sum_of_product(N, c.xd, c.wd)) < 1e-3);
    assert_true(fabs(k->sum_squares(N, c.x) - sum_of_product(N, c.xd, c.xd)) < 1e-9);
    memcpy(c.got, c.b, sizeof c.got);
    k->axpy(N, 0.5f, c.x, c.got);
    k->add(N, c.w, c.got);
    for (int i = 0; i < N; i++)
        c.y[i] = c.bd[i] + 0.5 * c.xd[i] + c.wd[i];
    assert_close(N, c.got, c.y, TIGHT);
    uint16_t brain[3] = {0x3f80, 0xc040, 0x7fc0}; /* 1, -3, NaN */
    float wide[3];
    k->from_bf16(3, brain, wide);
    assert_true(wide[0] == 1 && wide[1] == -3 && isnan(wide[2]));
    free_case(&c);
}

/* Rows that lie apart, in fours and what is left of them. */
static void check_row_sums(const struct kernels *k)
{
    enum { COUNT = 7, WIDTH = 13, STRIDE = 17 };
    struct rng rng;
    rng_init(&rng, 12, 0);
    float *rows = random_floats(&rng, COUNT * STRIDE, 1), *got = random_floats(&rng, WIDTH, 1);
    double want[WIDTH];
    for (int i = 0; i < WIDTH; i++) {
        want[i] = got[i];
        for (int t = 0; t < COUNT; t++)
            want[i] += rows[t * STRIDE + i];
    }
    k->add_rows(COUNT, WIDTH, rows, STRIDE, got);
    assert_close(WIDTH, got, want, TIGHT);
    mem_free(rows);
    mem_free(got);
}

/* bf16 by rounding to nearest, ties to even; and the two parts of a split. */
static void check_bf16(const struct kernels *k)
{
    const float x[] = {1, 1.00390625f /* 1 + 2^-8: a tie */, 1.01171875f /* 1 + 3 2^-8 */, -1.004f, 3.4e38f, NAN,
                       -0.0f};
    const uint16_t want[] = {0x3f80, 0x3f80, 0x3f82, 0xbf81, 0x7f80, 0x7fc0, 0x8000};
    uint16_t got[N], low[N];
    float high_wide[N], low_wide[N];
    struct case_of c;
    k->to_bf16(7, x, got);
    for (int i = 0; i < 7; i++)
        assert_int_equal(got[i], want[i]);
    make_case(&c, 8);
    k->split_bf16(N, c.x, got, low);
    k->from_bf16(N, got, high_wide);
    k->from_bf16(N, low, low_wide);
    for (int i = 0; i < N; i++) {
        assert_true(fabsf(c.x[i] - high_wide[i]) <= fabsf(c.x[i]) * 0x1p-8f);
        assert_true(fabsf(c.x[i] - high_wide[i] - low_wide[i]) <= fabsf(c.x[i]) * 0x1p-16f);
    }
    free_case(&c);
}

/* Extremes stay finite, a NaN stays a NaN. */
static void check_extremes(const struct kernels *k)
{
    float x[9] = {-1e4f, 1e4f, -100, 100, 0, -87.4f, 88.8f, 1e-30f, -0.0f}, y[9];
    k->gelu(9, x, y);
    for (int i = 0; i < 9; i++)
        assert_true(fabs(y[i] - naive_gelu(x[i])) <= 1e-4 * (1 + fabs(x[i])));
    float row[9] = {1e4f, -1e4f, 0, 1, 2, 3, 4, 5, 6};
    float lse = k->softmax(9, 1, row);
    assert_true(lse == 1e4f && row[0] == 1 && row[1] == 0);
    float spoiled[9] = {0, 1, NAN, 3, 4, 5, 6, 7, 8};
    assert_true(isnan(k->softmax(9, 1, spoiled)) && isnan(spoiled[2]));
    float gate[9] = {NAN, 1, 2, 3, 4, 5, 6, 7, 8};
    k->gelu(9, gate, y);
    assert_true(isnan(y[0]) && !isnan(y[1]));
}

static void check_set(const struct kernels *k)
{
    check_gelu(k);
    check_swiglu(k);
    check_norms(k);
    check_softmax(k);
    check_choose(k);
    check_rotation(k);
    check_sums(k);
    check_row_sums(k);
    check_bf16(k);
    check_extremes(k);
}

static void portable_kernels_match_their_twins(void **state)
{
    (void)state;
    check_set(&kernels_portable);
}

static void best_kernels_match_their_twins(void **state)
{
    (void)state;
    check_set(kernels_best());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(portable_kernels_match_their_twins),
        cmocka_unit_test(best_kernels_match_their_twins),
    };
    return cmocka_run_group_tests_name("lm_kernels", tests, NULL, NULL);
}
