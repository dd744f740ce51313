#include "core/blas.h"

#include <stdatomic.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "base/threads.h"

enum { TEST_SIZE = 96, TEST_ROUNDS = 24 };

/* Small integers, so that every product and sum is exact in float whatever the order of summation. */
static float test_entry(int round, int i, int j)
{
    return (float)((i * 7 + j * 13 + round * 5) % 17 - 8);
}

/* One matrix product against the schoolbook one; counts the entries that differ. */
static void test_round(void *context, int round, int thread)
{
    (void)thread;
    static _Thread_local float a[TEST_SIZE * TEST_SIZE], b[TEST_SIZE * TEST_SIZE], c[TEST_SIZE * TEST_SIZE];
    atomic_int *wrong = context;
    for (int i = 0; i < TEST_SIZE; i++)
        for (int j = 0; j < TEST_SIZE; j++) {
            a[i * TEST_SIZE + j] = test_entry(round, i, j);
            b[i * TEST_SIZE + j] = test_entry(round + 1, j, i);
        }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, TEST_SIZE, TEST_SIZE, TEST_SIZE, 1, a, TEST_SIZE, b,
                TEST_SIZE, 0, c, TEST_SIZE);
    for (int i = 0; i < TEST_SIZE; i++)
        for (int j = 0; j < TEST_SIZE; j++) {
            float sum = 0;
            for (int l = 0; l < TEST_SIZE; l++)
                sum += a[i * TEST_SIZE + l] * b[l * TEST_SIZE + j];
            if (sum != c[i * TEST_SIZE + j])
                atomic_fetch_add(wrong, 1);
        }
}

int blas_start(struct err *err)
{
    openblas_set_num_threads(1);
    struct threads *pair = threads_new(2, err);
    if (!pair)
        return -1;
    atomic_int wrong = 0;
    threads_run(pair, TEST_ROUNDS, test_round, &wrong);
    threads_free(pair);
    if (atomic_load(&wrong) > 0)
        return err_set(err, ERR_NUMERICAL, "this BLAS (%s) gives wrong products when two threads use it; install the "
                       "pthread or OpenMP build of OpenBLAS", blas_config());
    return 0;
}

const char *blas_config(void)
{
    return openblas_get_config();
}

#if defined(__x86_64__)
enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040 };

unsigned blas_denormals_off(void)
{
    unsigned former = _mm_getcsr();
    _mm_setcsr(former | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
    return former;
}

void blas_denormals_restore(unsigned former)
{
    _mm_setcsr(former);
}
#else
unsigned blas_denormals_off(void)
{
    return 0;
}

void blas_denormals_restore(unsigned former)
{
    (void)former;
}
#endif
