/* lm_gemm: every backend against the naive twin over shapes, transposes and strides; one thread against two. */
#include "unit/test.h"

#include <stdbool.h>
#include <string.h>

#include "core/blas.h"
#include "core/lm/gemm.h"
#include "core/lm_support.h"

static const int shapes[][3] = {{1, 1, 1}, {3, 5, 7}, {64, 33, 16}, {130, 515, 19}, {300, 257, 40}, {260, 600, 9},
                                {2, 700, 0}};

/* One product of shape `s` with random operands, strides a little wider than needed; the result is the caller's. */
static float *product_of(const struct gemm *g, const int *s, bool ta, bool tb, float beta, size_t *ret_count)
{
    struct rng rng;
    rng_init(&rng, 11, (uint64_t)s[0]);
    int m = s[0], n = s[1], k = s[2];
    struct gemm_product p = {.transpose_a = ta, .transpose_b = tb, .m = m, .n = n, .k = k, .alpha = 0.75f, .beta = beta,
                             .lda = (ta ? m : k) + 3, .ldb = (tb ? k : n) + 2, .ldc = n + 1};
    float *a = random_floats(&rng, (size_t)(ta ? k : m) * p.lda + 1, 1);
    float *b = random_floats(&rng, (size_t)(tb ? n : k) * p.ldb + 1, 1);
    *ret_count = (size_t)m * p.ldc;
    p.c = random_floats(&rng, *ret_count, 1);
    p.a = a;
    p.b = b;
    gemm_run(g, &p);
    mem_free(a);
    mem_free(b);
    return p.c;
}

static void openblas_matches_the_naive_twin(void **state)
{
    (void)state;
    struct gemm fast = {gemm_backend("openblas", NULL), NULL}, plain = {gemm_backend("naive", NULL), NULL};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int mode = 0; mode < 8; mode++) {
            size_t n;
            float beta = mode & 4 ? 0.5f : 0;
            float *got = product_of(&fast, shapes[s], mode & 1, mode & 2, beta, &n);
            float *want = product_of(&plain, shapes[s], mode & 1, mode & 2, beta, &n);
            assert_close_f(n, got, want, 1e-6);
            mem_free(got);
            mem_free(want);
        }
}

static void products_do_not_depend_on_threads(void **state)
{
    (void)state;
    struct gemm one = {gemm_backend(NULL, NULL), NULL}, two = {one.backend, threads_new(2, NULL)};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int mode = 0; mode < 4; mode++) {
            size_t n;
            float *a = product_of(&one, shapes[s], mode & 1, mode & 2, 1, &n);
            float *b = product_of(&two, shapes[s], mode & 1, mode & 2, 1, &n);
            assert_memory_equal(a, b, n * sizeof *a);
            mem_free(a);
            mem_free(b);
        }
    threads_free(two.threads);
}

static void unknown_backends_are_refused_by_name(void **state)
{
    (void)state;
    struct err err;
    assert_null(gemm_backend("abacus", &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.message, "abacus"));
    assert_string_equal(gemm_backend(NULL, &err)->name, "openblas");
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
        cmocka_unit_test(products_do_not_depend_on_threads),
        cmocka_unit_test(unknown_backends_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("lm_gemm", tests, start_blas, NULL);
}
