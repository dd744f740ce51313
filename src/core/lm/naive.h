/* naive: every operator of the transformer written plainly in double, as its definition reads.
 *
 * The twins of kernels.h and attention.h: the tests compare the fast forms with these, and the backward forms with
 * finite differences of these. Nothing else calls them. Single-threaded, no state, no allocation. */
#ifndef EGALIGN_CORE_LM_NAIVE_H
#define EGALIGN_CORE_LM_NAIVE_H

#include <stddef.h>

/* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): "gelu_new". */
double naive_gelu(double x);

/* gate / (1 + exp(-gate)) * up. */
double naive_swiglu(double gate, double up);

/* (x - mean) / sqrt(var + eps) * w + b over n columns, the biased variance. */
void naive_layernorm(size_t n, double eps, const double *x, const double *w, const double *b, double *y);

/* x / sqrt(mean(x^2) + eps) * w. */
void naive_rmsnorm(size_t n, double eps, const double *x, const double *w, double *y);

/* softmax(scale x) in place; returns log sum exp(scale x). */
double naive_softmax(size_t n, double scale, double *x);

/* Log-probability of `target` under softmax(logits / temperature), and that distribution's entropy. */
void naive_choose(size_t n, double temperature, const double *logits, int target, double *ret_logp,
                  double *ret_entropy);

/* Rotate-half RoPE of `heads` heads of `width` columns at position `position`: the angle of pair i is
 * position * theta^(-2i/width). In place. */
void naive_rotate(size_t heads, size_t width, double theta, int position, double *x);

/* Causal attention of one sequence of T tokens. qkv: [T][(heads + 2 kv_heads) width], query heads first, then keys,
 * then values; query head h reads key head h / (heads / kv_heads). out: [T][heads width]. `row` is scratch of T
 * numbers. */
void naive_attention(int T, int heads, int kv_heads, int width, const double *qkv, double *out, double *row);

#endif
