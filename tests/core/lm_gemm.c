/* lm_gemm: every backend against the naive twin over shapes, transposes and strides; one thread against two. */
#include "unit/test.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/blas.h"
#include "core/lm/gemm.h"
#include "core/lm/onednn.h"
#include "core/lm/sgemm_avx2.h"
#include "core/lm_support.h"

static const int shapes[][3] = {{1, 1, 1}, {3, 5, 7}, {64, 33, 16}, {130, 515, 19}, {300, 257, 40}, {260, 600, 9},
                                {2, 700, 0}, {600, 1030, 33}, {33, 31, 1100}};

/* The nearest number with 8 significant bits, worked out by scaling; the twin of kernels.to_bf16. */
static float rounded_to_bf16(float x)
{
    int exponent;
    float fraction = frexpf(x, &exponent);
    return ldexpf(nearbyintf(ldexpf(fraction, 8)), exponent - 8);
}

/* One product of shape `s` with random operands, strides a little wider than needed; the result is the caller's. */
static float *product_of(const struct gemm *g, const int *s, bool ta, bool tb, float beta, bool rounded,
                         size_t *ret_count)
{
    struct rng rng;
    rng_init(&rng, 11, (uint64_t)s[0]);
    int m = s[0], n = s[1], k = s[2];
    struct gemm_product p = {.transpose_a = ta, .transpose_b = tb, .m = m, .n = n, .k = k, .alpha = 0.75f, .beta = beta,
                             .lda = (ta ? m : k) + 3, .ldb = (tb ? k : n) + 2, .ldc = n + 1};
    size_t size_a = (size_t)(ta ? k : m) * p.lda + 1, size_b = (size_t)(tb ? n : k) * p.ldb + 1;
    float *a = random_floats(&rng, size_a, 1);
    float *b = random_floats(&rng, size_b, 1);
    for (size_t i = 0; i < size_a && rounded; i++)
        a[i] = rounded_to_bf16(a[i]);
    for (size_t i = 0; i < size_b && rounded; i++)
        b[i] = rounded_to_bf16(b[i]);
    *ret_count = (size_t)m * p.ldc;
    p.c = random_floats(&rng, *ret_count, 1);
    p.a = a;
    p.b = b;
    gemm_run(g, &p);
    mem_free(a);
    mem_free(b);
    return p.c;
}

/* `name` against the naive twin, whose operands are rounded to bf16 first if `rounded`. */
static void check_backend(const char *name, bool rounded, double limit)
{
    struct gemm fast = {gemm_backend(name, NULL), NULL}, plain = {gemm_backend("naive", NULL), NULL};
    assert_non_null(fast.backend);
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int mode = 0; mode < 8; mode++) {
            size_t n;
            float beta = mode & 4 ? 0.5f : 0;
            float *got = product_of(&fast, shapes[s], mode & 1, mode & 2, beta, false, &n);
            float *want = product_of(&plain, shapes[s], mode & 1, mode & 2, beta, rounded, &n);
            assert_close_f(n, got, want, limit);
            mem_free(got);
            mem_free(want);
        }
}

static void openblas_matches_the_naive_twin(void **state)
{
    (void)state;
    check_backend("openblas", false, 1e-6);
}

static void avx2_matches_the_naive_twin(void **state)
{
    (void)state;
    if (!sgemm_avx2_can())
        skip();
    check_backend("avx2", false, 1e-6);
}

/* What a block starts from, at its edges and over no k too; the residual may be C itself. */
static void bias_and_residual_are_added(void **state)
{
    (void)state;
    enum { M = 45, N = 70, STRIDE = N + 3 };
    static const char *const names[] = {"openblas", "avx2"};
    struct rng rng;
    rng_init(&rng, 9, 0);
    float *a = random_floats(&rng, M * 500, 1), *b = random_floats(&rng, N * 500, 1), *bias = random_floats(&rng, N, 1);
    float *residual = random_floats(&rng, M * STRIDE, 1), *got = random_floats(&rng, M * STRIDE, 1);
    for (int i = 0; i < 2 * 4 * 3; i++) {
        struct gemm g = {gemm_backend(names[i % 2], NULL), NULL};
        int which = i / 2 % 4, k = (int[]){0, 20, 500}[i / 8];
        bool in_place = which == 3;
        if (!g.backend)
            continue;
        if (in_place)
            memcpy(got, residual, M * STRIDE * sizeof *got);
        gemm_run(&g, &(struct gemm_product){.m = M, .n = N, .k = k, .alpha = 1, .a = a, .lda = 500, .b = b, .ldb = N,
                                            .c = got, .ldc = STRIDE, .bias = which == 1 ? NULL : bias,
                                            .residual = in_place ? got : which > 0 ? residual : NULL});
        for (int r = 0; r < M; r++)
            for (int j = 0; j < N; j++) {
                double sum = (which == 1 ? 0 : bias[j]) + (which > 0 ? residual[r * STRIDE + j] : 0);
                for (int l = 0; l < k; l++)
                    sum += (double)a[r * 500 + l] * b[l * N + j];
                assert_true(fabs(sum - got[r * STRIDE + j]) < 1e-4);
            }
    }
    mem_free(a);
    mem_free(b);
    mem_free(bias);
    mem_free(residual);
    mem_free(got);
}

/* Rows 0 .. n - 1 of a product by themselves are the rows of the whole one, to the bit, and columns likewise. */
static void avx2_gives_a_row_the_same_bits_whatever_goes_with_it(void **state)
{
    (void)state;
    enum { M = 205, N = 150, K = 1000 };
    struct rng rng;
    if (!sgemm_avx2_can())
        skip();
    rng_init(&rng, 5, 0);
    float *a = random_floats(&rng, (size_t)M * K, 1), *b = random_floats(&rng, (size_t)N * K, 1);
    float *whole = random_floats(&rng, (size_t)M * N, 1), *part = random_floats(&rng, (size_t)M * N, 1);
    float *bias = random_floats(&rng, N, 1);
    for (int mode = 0; mode < 8; mode++) {
        bool ta = mode & 1, tb = mode & 2;
        struct gemm_product p = {.transpose_a = ta, .transpose_b = tb, .m = M, .n = N, .k = K, .alpha = 1.5f, .a = a,
                                 .lda = ta ? M : K, .b = b, .ldb = tb ? K : N, .c = whole, .ldc = N,
                                 .bias = mode & 4 ? bias : NULL};
        sgemm_avx2_run(NULL, &p);
        for (int cut = 1; cut < N; cut += 37) {
            struct gemm_product first = p, rest = p;
            first.c = rest.c = part;
            first.m = cut;
            rest.m -= cut;
            rest.a += ta ? cut : cut * K;
            rest.c += cut * N;
            sgemm_avx2_run(NULL, &first);
            rest.n = cut;
            sgemm_avx2_run(NULL, &rest);
            rest.n = N - cut;
            rest.b += tb ? cut * K : cut;
            rest.c += cut;
            rest.bias = p.bias ? p.bias + cut : NULL;
            sgemm_avx2_run(NULL, &rest);
            assert_memory_equal(part, whole, M * N * sizeof *whole);
        }
    }
    mem_free(a);
    mem_free(b);
    mem_free(bias);
    mem_free(whole);
    mem_free(part);
}

/* Small products, which read their operands where they lie, at every edge of a tile. */
static void avx2_gives_the_same_bits_here_as_on_the_pool(void **state)
{
    (void)state;
    enum { MOST = 40, K = 400 };
    struct rng rng;
    if (!sgemm_avx2_can())
        skip();
    rng_init(&rng, 8, 0);
    float *a = random_floats(&rng, MOST * K, 1), *b = random_floats(&rng, MOST * K, 1);
    float *pool = random_floats(&rng, MOST * MOST, 1), *here = random_floats(&rng, MOST * MOST, 1);
    for (int i = 0; i < 3 * 3 * 3 * 8; i++) {
        int m = (int[]){3, 12, MOST}[i % 3], n = (int[]){5, 32, MOST}[i / 3 % 3], k = (int[]){0, 31, K}[i / 9 % 3];
        bool ta = i / 27 & 1, tb = i / 27 & 2;
        struct gemm_product p = {.transpose_a = ta, .transpose_b = tb, .m = m, .n = n, .k = k, .alpha = 1.5f, .a = a,
                                 .lda = ta ? MOST : K, .b = b, .ldb = tb ? K : MOST, .beta = i / 27 & 4 ? 1 : 0,
                                 .c = pool, .ldc = MOST};
        memcpy(here, pool, MOST * MOST * sizeof *here);
        sgemm_avx2_run(NULL, &p);
        p.c = here;
        sgemm_avx2_here(&p);
        assert_memory_equal(here, pool, MOST * MOST * sizeof *here);
    }
    mem_free(a);
    mem_free(b);
    mem_free(pool);
    mem_free(here);
}

static void onednn_matches_the_naive_twin(void **state)
{
    (void)state;
    struct err err;
    if (!gemm_backend("onednn", &err)) {
        assert_non_null(strstr(err.message, "onednn"));
        skip();
    }
    check_backend("onednn", false, 1e-6);
}

/* To fp32's precision: the rounding is the only difference, and it is the twin's. */
static void bf16_matches_the_naive_twin_of_rounded_operands(void **state)
{
    (void)state;
    check_backend("bf16", true, 1e-6);
}

static void bf16x3_matches_the_naive_twin(void **state)
{
    (void)state;
    check_backend("bf16x3", false, 1e-5);
}

static void products_do_not_depend_on_threads(void **state)
{
    (void)state;
    struct threads *pair = threads_new(2, NULL);
    for (int i = 0; i < 4; i++) {
        struct gemm one = {gemm_backend_at(i), NULL}, two = {one.backend, pair};
        if (one.backend->run == sgemm_avx2_run && !sgemm_avx2_can())
            continue;
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
            for (int mode = 0; mode < 4; mode++) {
                size_t n;
                float *a = product_of(&one, shapes[s], mode & 1, mode & 2, 1, false, &n);
                float *b = product_of(&two, shapes[s], mode & 1, mode & 2, 1, false, &n);
                assert_memory_equal(a, b, n * sizeof *a);
                mem_free(a);
                mem_free(b);
            }
    }
    threads_free(pair);
}

static void the_automatic_choice_is_one_that_this_machine_is_fast_at(void **state)
{
    (void)state;
    const struct gemm_backend *b = gemm_backend("auto", NULL);
    assert_non_null(b);
    assert_string_equal(b->name, onednn_has_bf16() ? "bf16" : gemm_backend("fp32", NULL)->name);
    assert_non_null(strstr(gemm_bf16_engine(), "oneDNN"));
}

static void unknown_backends_are_refused_by_name(void **state)
{
    (void)state;
    struct err err;
    assert_null(gemm_backend("abacus", &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.message, "abacus"));
    assert_string_equal(gemm_backend(NULL, &err)->name, sgemm_avx2_pays() ? "avx2" : "openblas");
}

static int start_blas(void **state)
{
    (void)state;
    return blas_start(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openblas_matches_the_naive_twin),
        cmocka_unit_test(avx2_matches_the_naive_twin),
        cmocka_unit_test(avx2_gives_the_same_bits_here_as_on_the_pool),
        cmocka_unit_test(bias_and_residual_are_added),
        cmocka_unit_test(avx2_gives_a_row_the_same_bits_whatever_goes_with_it),
        cmocka_unit_test(onednn_matches_the_naive_twin),
        cmocka_unit_test(bf16_matches_the_naive_twin_of_rounded_operands),
        cmocka_unit_test(bf16x3_matches_the_naive_twin),
        cmocka_unit_test(the_automatic_choice_is_one_that_this_machine_is_fast_at),
        cmocka_unit_test(products_do_not_depend_on_threads),
        cmocka_unit_test(unknown_backends_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("lm_gemm", tests, start_blas, NULL);
}
