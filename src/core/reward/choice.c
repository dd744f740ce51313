#include "core/reward/choice.h"

#include <math.h>
#include <string.h>

/* Vector code for newer processors beside the portable one, chosen when the program starts. A sanitizer of threads runs
 * before that choice can be made, so it gets the portable one. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
#define VECTORISED __attribute__((target_clones("avx2", "default"), optimize("O3")))
#else
#define VECTORISED
#endif

/* e^-x for x >= 0 without branches: 2^n times a polynomial on |r| <= ln(2)/2; 0 is never reached, 1e-37 is the
 * least. */
static inline __attribute__((always_inline)) float exp_minus(float x)
{
    x = x > 85.0f ? 85.0f : x;
    const float magic = 12582912.0f; /* adding it rounds to an integer */
    float n = x * -1.44269504f + magic;
    int32_t power;
    memcpy(&power, &n, sizeof power);
    n -= magic;
    float r = (-x - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.98756915e-4f;
    p = p * r + 1.39819995e-3f;
    p = p * r + 8.33345191e-3f;
    p = p * r + 4.16657962e-2f;
    p = p * r + 1.66666655e-1f;
    p = p * r + 5.00000001e-1f;
    p = p * r * r + r + 1.0f;
    power = (int32_t)((uint32_t)power << 23);
    int32_t bits;
    memcpy(&bits, &p, sizeof bits);
    bits += power;
    memcpy(&p, &bits, sizeof p);
    return p;
}

/* log(1 + e) for 0 <= e <= 1, as 2 artanh(e / (2 + e)). */
static inline __attribute__((always_inline)) float log_one_plus(float e)
{
    float t = e / (2.0f + e), s = t * t;
    float p = 1.0f / 13;
    p = p * s + 1.0f / 11;
    p = p * s + 1.0f / 9;
    p = p * s + 1.0f / 7;
    p = p * s + 1.0f / 5;
    p = p * s + 1.0f / 3;
    return 2 * t + 2 * t * s * p;
}

VECTORISED
void choice_half(int n, const float *restrict margin, const uint8_t *restrict tie, float *restrict log_p,
                 float *restrict slope)
{
    for (int i = 0; i < n; i++) {
        float m = margin[i], e = exp_minus(fabsf(m)), l = log_one_plus(e), half = (float)tie[i] * 0.5f;
        float lose = (m >= 0 ? e : 1.0f) / (1.0f + e); /* sigma(-m) */
        float low = m < 0 ? m : 0;
        log_p[i] = low - half * m - l; /* a tie: the mean of log sigma(m) and log sigma(-m) */
        slope[i] = lose - half;
    }
}

double choice_davidson(int n, const float *margin, const uint8_t *tie, const float *weight, float nu, float *log_p,
                       float *slope)
{
    float log_nu = logf(nu);
    double nu_slope = 0;
    for (int i = 0; i < n; i++) {
        float m = margin[i], size = fabsf(m), t = expf(-0.5f * size), z = 1 + t * t + nu * t, l = logf(z);
        float lean = copysignf(0.5f * (1 - t * t) / z, m); /* d log Z / d m */
        float tied = nu * t / z;                           /* P(tie) */
        log_p[i] = tie[i] ? log_nu - 0.5f * size - l : (m < 0 ? m : 0) - l;
        slope[i] = tie[i] ? -lean : 0.5f - lean;
        nu_slope += (double)weight[i] * ((tie[i] ? 1 : 0) - tied);
    }
    return nu_slope;
}

double choice_probability(double margin)
{
    double e = exp(-fabs(margin));
    return margin >= 0 ? 1 / (1 + e) : e / (1 + e);
}
