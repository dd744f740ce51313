/* kernels_body: the source of one set of kernels; included by one .c per instruction set, which names it KERNEL_SET.
 * The pragmas allow the compiler to reorder a sum, and nothing else. */
#include <math.h>
#include <string.h>

#include "core/lm/kernels.h"

#define EXP_LEAST  (-87.3f)
#define EXP_MOST   88.7f
#define LOG2_E     1.44269504f
#define LN2_HIGH   0.693359375f
#define LN2_LOW    (-2.12194440e-4f)
#define ROUNDING   12582912.0f /* 1.5 * 2^23: adding it rounds to an integer, which the low bits then hold */
#define GELU_SCALE 0.7978845608f
#define GELU_CUBIC 0.044715f

/* exp(x) by Cody-Waite reduction and the polynomial of Cephes' expf; 0 below -87.3, saturates at exp(88.7). */
static inline float exp_of(float x)
{
    float limited = x > EXP_MOST ? EXP_MOST : x;
    limited = limited < EXP_LEAST ? EXP_LEAST : limited;
    float shifted = limited * LOG2_E + ROUNDING;
    float k = shifted - ROUNDING;
    float r = limited - k * LN2_HIGH - k * LN2_LOW;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1;
    int32_t bits, scale;
    memcpy(&bits, &p, sizeof bits);
    memcpy(&scale, &shifted, sizeof scale);
    bits += (int32_t)((uint32_t)scale << 23);
    float y;
    memcpy(&y, &bits, sizeof y);
    y = x < EXP_LEAST ? 0 : y;
    return x != x ? x : y;
}

static inline float sigmoid_of(float x)
{
    return 1 / (1 + exp_of(-x));
}

static void gelu(size_t n, const float *x, float *y)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float v = x[i];
        y[i] = v * sigmoid_of(2 * GELU_SCALE * (v + GELU_CUBIC * v * v * v));
    }
}

static void gelu_backward(size_t n, const float *x, const float *dy, float *dx)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float v = x[i];
        float s = sigmoid_of(2 * GELU_SCALE * (v + GELU_CUBIC * v * v * v));
        float slope = 2 * GELU_SCALE * (1 + 3 * GELU_CUBIC * v * v);
        dx[i] = dy[i] * (s + v * s * (1 - s) * slope);
    }
}

static void swiglu(size_t n, const float *gate, const float *up, float *y)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = gate[i] * sigmoid_of(gate[i]) * up[i];
}

static void swiglu_backward(size_t n, const float *gate, const float *up, const float *dy, float *dgate, float *dup)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float s = sigmoid_of(gate[i]), silu = gate[i] * s;
        dgate[i] = dy[i] * up[i] * (s + silu * (1 - s));
        dup[i] = dy[i] * silu;
    }
}

static void layernorm(size_t n, float eps, const float *x, const float *w, const float *b, float *y, float *ret_mean,
                      float *ret_rstd)
{
    float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    float mean = sum / (float)n;
#pragma omp simd reduction(+ : squares)
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    float rstd = 1 / sqrtf(squares / (float)n + eps);
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * rstd * w[i] + b[i];
    *ret_mean = mean;
    *ret_rstd = rstd;
}

static void layernorm_backward(size_t n, const float *x, const float *w, const float *dy, float mean, float rstd,
                               float *dx)
{
    float sum = 0, along = 0; /* of dy w, and of dy w xhat */
#pragma omp simd reduction(+ : sum, along)
    for (size_t i = 0; i < n; i++) {
        float g = dy[i] * w[i];
        sum += g;
        along += g * (x[i] - mean) * rstd;
    }
    sum /= (float)n;
    along /= (float)n;
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        dx[i] += rstd * (dy[i] * w[i] - sum - (x[i] - mean) * rstd * along);
}

static void rmsnorm(size_t n, float eps, const float *x, const float *w, float *y, float *ret_rstd)
{
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (size_t i = 0; i < n; i++)
        squares += x[i] * x[i];
    float rstd = 1 / sqrtf(squares / (float)n + eps);
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * rstd * w[i];
    *ret_rstd = rstd;
}

static void rmsnorm_backward(size_t n, const float *x, const float *w, const float *dy, float rstd, float *dx)
{
    float along = 0;
#pragma omp simd reduction(+ : along)
    for (size_t i = 0; i < n; i++)
        along += dy[i] * w[i] * x[i] * rstd;
    along /= (float)n;
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        dx[i] += rstd * (dy[i] * w[i] - x[i] * rstd * along);
}

static void norm_weights(size_t n, const float *x, const float *dy, float mean, float rstd, float *dw, float *db)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        dw[i] += dy[i] * (x[i] - mean) * rstd;
    if (!db)
        return;
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        db[i] += dy[i];
}

static float largest(size_t n, const float *x)
{
    float most = x[0];
#pragma omp simd reduction(max : most)
    for (size_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

static float softmax(size_t n, float scale, float *x)
{
    float shift = scale * largest(n, x), sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++) {
        x[i] = exp_of(scale * x[i] - shift);
        sum += x[i];
    }
    float inverse = 1 / sum;
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        x[i] *= inverse;
    return shift + logf(sum);
}

static void softmax_again(size_t n, float scale, float lse, float *x)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        x[i] = exp_of(scale * x[i] - lse);
}

static void softmax_backward(size_t n, float scale, float delta, const float *p, float *dp)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        dp[i] = scale * p[i] * (dp[i] - delta);
}

static struct kernel_choice choose(size_t n, float temperature, float *logits, int target)
{
    float scale = 1 / temperature, shift = scale * largest(n, logits), sum = 0, weighted = 0;
    float aimed = scale * logits[target] - shift;
#pragma omp simd reduction(+ : sum, weighted)
    for (size_t i = 0; i < n; i++) {
        float z = scale * logits[i] - shift, e = exp_of(z);
        logits[i] = e;
        sum += e;
        weighted += e * z;
    }
    float inverse = 1 / sum, log_sum = logf(sum);
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        logits[i] *= inverse;
    return (struct kernel_choice){.log_probability = aimed - log_sum, .entropy = log_sum - weighted * inverse};
}

static void choose_backward(size_t n, float temperature, float dlogp, float dentropy, float entropy, int target,
                            float *p)
{
    float scale = 1 / temperature, aimed = p[target];
    float log_aimed = aimed > 0 ? logf(aimed) : 0;
    if (dentropy != 0) {
        for (size_t i = 0; i < n; i++) {
            float log_p = p[i] > 0 ? logf(p[i]) : 0;
            p[i] = -scale * p[i] * (dlogp + dentropy * (log_p + entropy));
        }
    } else {
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            p[i] = -scale * dlogp * p[i];
    }
    p[target] = scale * (dlogp * (1 - aimed) - dentropy * aimed * (log_aimed + entropy));
}

static float dot(size_t n, const float *a, const float *b)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add(size_t n, const float *x, float *y)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

/* Four rows at a time, so that y is read and written a quarter as often, and four rows come at once. */
static void add_rows(size_t count, size_t n, const float *rows, size_t stride, float *y)
{
    size_t t = 0;
    for (; t + 4 <= count; t += 4) {
        const float *a = rows + t * stride, *b = a + stride, *c = b + stride, *d = c + stride;
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] + a[i] + b[i] + c[i] + d[i];
    }
    for (; t < count; t++)
        add(n, rows + t * stride, y);
}

static void axpy(size_t n, float a, const float *x, float *y)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

/* Four rows at a time, so that q is read, and `out` below written, a quarter as often. */
static void dots(size_t count, size_t n, const float *q, const float *rows, size_t stride, float *ret)
{
    size_t t = 0;
    for (; t + 4 <= count; t += 4) {
        const float *a = rows + t * stride, *b = a + stride, *c = b + stride, *d = c + stride;
        float sum_a = 0, sum_b = 0, sum_c = 0, sum_d = 0;
#pragma omp simd reduction(+ : sum_a, sum_b, sum_c, sum_d)
        for (size_t i = 0; i < n; i++) {
            sum_a += q[i] * a[i];
            sum_b += q[i] * b[i];
            sum_c += q[i] * c[i];
            sum_d += q[i] * d[i];
        }
        ret[t] = sum_a;
        ret[t + 1] = sum_b;
        ret[t + 2] = sum_c;
        ret[t + 3] = sum_d;
    }
    for (; t < count; t++)
        ret[t] = dot(n, q, rows + t * stride);
}

static void mix(size_t count, size_t n, const float *p, const float *rows, size_t stride, float *out)
{
    size_t t = 0;
    memset(out, 0, n * sizeof *out);
    for (; t + 4 <= count; t += 4) {
        const float *a = rows + t * stride, *b = a + stride, *c = b + stride, *d = c + stride;
        float pa = p[t], pb = p[t + 1], pc = p[t + 2], pd = p[t + 3];
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            out[i] += pa * a[i] + pb * b[i] + pc * c[i] + pd * d[i];
    }
    for (; t < count; t++)
        axpy(n, p[t], rows + t * stride, out);
}

static double sum_squares(size_t n, const float *x)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sum;
}

static void rotate(size_t heads, size_t half, const float *cosines, const float *sines, float sign, float *x)
{
    for (size_t h = 0; h < heads; h++) {
        float *a = x + h * 2 * half, *b = a + half;
#pragma omp simd
        for (size_t i = 0; i < half; i++) {
            float first = a[i], second = b[i], s = sign * sines[i];
            a[i] = first * cosines[i] - second * s;
            b[i] = second * cosines[i] + first * s;
        }
    }
}

static void adamw(size_t n, const struct kernel_adam *how, const float *g, float *p, float *m, float *v)
{
    const struct kernel_adam a = *how;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float gradient = g[i] * a.gradient_scale;
        m[i] = a.beta1 * m[i] + (1 - a.beta1) * gradient;
        v[i] = a.beta2 * v[i] + (1 - a.beta2) * gradient * gradient;
        p[i] = a.decay * p[i] - a.step * m[i] / (a.root_scale * sqrtf(v[i]) + a.epsilon);
    }
}

static inline uint32_t bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
    return (x != x ? bits | 0x400000 : rounded) >> 16;
}

static void to_bf16(size_t n, const float *x, uint16_t *y)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = (uint16_t)bf16_of(x[i]);
}

static void split_bf16(size_t n, const float *x, uint16_t *high, uint16_t *low)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        uint32_t h = bf16_of(x[i]), bits = h << 16;
        float head;
        memcpy(&head, &bits, sizeof head);
        high[i] = (uint16_t)h;
        low[i] = (uint16_t)bf16_of(x[i] - head);
    }
}

static void from_bf16(size_t n, const uint16_t *x, float *y)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)x[i] << 16;
        memcpy(&y[i], &bits, sizeof bits);
    }
}

const struct kernels KERNEL_SET = {
    .name = KERNEL_SET_NAME,
    .gelu = gelu,
    .gelu_backward = gelu_backward,
    .swiglu = swiglu,
    .swiglu_backward = swiglu_backward,
    .layernorm = layernorm,
    .layernorm_backward = layernorm_backward,
    .rmsnorm = rmsnorm,
    .rmsnorm_backward = rmsnorm_backward,
    .norm_weights = norm_weights,
    .softmax = softmax,
    .softmax_again = softmax_again,
    .softmax_backward = softmax_backward,
    .choose = choose,
    .choose_backward = choose_backward,
    .dot = dot,
    .add = add,
    .add_rows = add_rows,
    .axpy = axpy,
    .dots = dots,
    .mix = mix,
    .sum_squares = sum_squares,
    .rotate = rotate,
    .adamw = adamw,
    .from_bf16 = from_bf16,
    .to_bf16 = to_bf16,
    .split_bf16 = split_bf16,
};
