#include "core/lm/naive.h"

#include <math.h>

double naive_gelu(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

double naive_swiglu(double gate, double up)
{
    return gate / (1 + exp(-gate)) * up;
}

void naive_layernorm(size_t n, double eps, const double *x, const double *w, const double *b, double *y)
{
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        variance += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) / sqrt(variance + eps) * w[i] + b[i];
}

void naive_rmsnorm(size_t n, double eps, const double *x, const double *w, double *y)
{
    double square = 0;
    for (size_t i = 0; i < n; i++)
        square += x[i] * x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] / sqrt(square + eps) * w[i];
}

double naive_softmax(size_t n, double scale, double *x)
{
    double most = x[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (size_t i = 0; i < n; i++)
        sum += exp(scale * (x[i] - most));
    for (size_t i = 0; i < n; i++)
        x[i] = exp(scale * (x[i] - most)) / sum;
    return scale * most + log(sum);
}

void naive_choose(size_t n, double temperature, const double *logits, int target, double *ret_logp,
                  double *ret_entropy)
{
    double most = logits[0], sum = 0, weighted = 0;
    for (size_t i = 1; i < n; i++)
        most = logits[i] > most ? logits[i] : most;
    for (size_t i = 0; i < n; i++)
        sum += exp((logits[i] - most) / temperature);
    for (size_t i = 0; i < n; i++) {
        double logp = (logits[i] - most) / temperature - log(sum);
        weighted -= exp(logp) * logp;
    }
    *ret_logp = (logits[target] - most) / temperature - log(sum);
    *ret_entropy = weighted;
}

void naive_rotate(size_t heads, size_t width, double theta, int position, double *x)
{
    for (size_t h = 0; h < heads; h++)
        for (size_t i = 0; i < width / 2; i++) {
            double angle = position * pow(theta, -2.0 * (double)i / (double)width);
            double *a = &x[h * width + i], *b = a + width / 2, first = *a;
            *a = first * cos(angle) - *b * sin(angle);
            *b = *b * cos(angle) + first * sin(angle);
        }
}

static double dot_product(int n, const double *a, const double *b)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

void naive_attention(int T, int heads, int kv_heads, int width, const double *qkv, double *out, double *row)
{
    int stride = (heads + 2 * kv_heads) * width;
    for (int h = 0; h < heads; h++) {
        const double *key = qkv + (heads + h / (heads / kv_heads)) * width, *value = key + kv_heads * width;
        for (int t = 0; t < T; t++) {
            for (int s = 0; s <= t; s++)
                row[s] = dot_product(width, qkv + (size_t)t * stride + h * width, key + (size_t)s * stride);
            naive_softmax((size_t)t + 1, 1 / sqrt(width), row);
            for (int i = 0; i < width; i++) {
                double sum = 0;
                for (int s = 0; s <= t; s++)
                    sum += row[s] * value[(size_t)s * stride + i];
                out[((size_t)t * heads + h) * width + i] = sum;
            }
        }
    }
}
