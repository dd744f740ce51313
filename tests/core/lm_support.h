/* What the tests of the language-model engine share: random arrays, comparisons in relative error, finite differences.
 * Errors are relative to the largest number of the array compared, so that a value near 0 does not decide. */
#ifndef EGALIGN_TEST_LM_SUPPORT_H
#define EGALIGN_TEST_LM_SUPPORT_H

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/rng.h"

__attribute__((unused)) static float *random_floats(struct rng *r, size_t n, double scale)
{
    float *x = mem_aligned(n, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * rng_normal(r));
    return x;
}

__attribute__((unused)) static double *doubles_of(size_t n, const float *x)
{
    double *y = mem_array(n, sizeof *y);
    assert_non_null(y);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i];
    return y;
}

/* max |got - want| / max |want|; NaN anywhere gives NaN. */
__attribute__((unused)) static double relative_error(size_t n, const float *got, const double *want)
{
    double worst = 0, largest = 1e-30;
    for (size_t i = 0; i < n; i++) {
        double difference = fabs(got[i] - want[i]);
        if (!(difference <= worst))
            worst = difference;
        largest = fmax(largest, fabs(want[i]));
    }
    return worst / largest;
}

__attribute__((unused)) static double relative_error_f(size_t n, const float *got, const float *want)
{
    double *wide = doubles_of(n, want);
    double error = relative_error(n, got, wide);
    mem_free(wide);
    return error;
}

#define assert_close(n, got, want, limit)                                                                             \
    do {                                                                                                               \
        double error_ = relative_error(n, got, want);                                                                  \
        if (!(error_ <= (limit)))                                                                                      \
            fail_msg("%s differs from %s by %.3g, limit %.3g", #got, #want, error_, (double)(limit));                  \
    } while (0)

#define assert_close_f(n, got, want, limit)                                                                           \
    do {                                                                                                               \
        double error_ = relative_error_f(n, got, want);                                                                \
        if (!(error_ <= (limit)))                                                                                      \
            fail_msg("%s differs from %s by %.3g, limit %.3g", #got, #want, error_, (double)(limit));                  \
    } while (0)

/* Gradient of `objective` at x by central differences, into ret[n]. */
__attribute__((unused)) static void finite_differences(double (*objective)(void *context, const double *x),
                                                       void *context, size_t n, double *x, double *ret)
{
    for (size_t i = 0; i < n; i++) {
        double here = x[i], h = 1e-5 * fmax(1, fabs(here));
        x[i] = here + h;
        double above = objective(context, x);
        x[i] = here - h;
        ret[i] = (above - objective(context, x)) / (2 * h);
        x[i] = here;
    }
}

#endif
