/* kernels: the element-wise operators of the transformer, on one thread.
 *
 * The same source (kernels_body.h) is compiled twice: kernels_avx2 for CPUs with AVX2 and FMA, kernels_portable for
 * all others. They use their own exp (about 2 ulp) so that loops vectorise, and no -ffast-math: a NaN that goes in
 * comes out. Plain twins that sum in double are in naive.h. Callers cut work into fixed blocks; nothing here knows of
 * threads.
 *
 * Shapes: n elements or D columns of one token, unless a shape is given. Buffers do not overlap unless said. */
#ifndef EGALIGN_CORE_LM_KERNELS_H
#define EGALIGN_CORE_LM_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* What a row of logits says of one target token at a temperature. */
struct kernel_choice {
    float log_probability; /* log softmax(logits / temperature)[target] */
    float entropy;         /* of the whole distribution, in nats */
};

/* One AdamW step's numbers (Loshchilov & Hutter, arXiv 1711.05101), with the bias corrections worked out by adamw.c. */
struct kernel_adam {
    float beta1, beta2;
    float decay;          /* 1 - lr * weight_decay */
    float step;           /* factor of m / (root_scale * sqrt(v) + epsilon) */
    float root_scale;     /* 1 / sqrt(1 - beta2^t), or 1 when epsilon is outside the corrected root */
    float epsilon;
    float gradient_scale; /* from clipping */
};

struct kernels {
    const char *name;

    /* y = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3): the tanh form of GELU ("gelu_new"). y may be x. */
    void (*gelu)(size_t n, const float *x, float *y);
    /* dx = dy gelu'(x). dx may be dy. */
    void (*gelu_backward)(size_t n, const float *x, const float *dy, float *dx);

    /* y = gate sigmoid(gate) up (SwiGLU, arXiv 2002.05202). */
    void (*swiglu)(size_t n, const float *gate, const float *up, float *y);
    void (*swiglu_backward)(size_t n, const float *gate, const float *up, const float *dy, float *dgate, float *dup);

    /* y = (x - mean) rstd w + b over one token; mean and rstd are kept for the way back. */
    void (*layernorm)(size_t n, float eps, const float *x, const float *w, const float *b, float *y, float *ret_mean,
                      float *ret_rstd);
    /* dx += gradient of layernorm at x. */
    void (*layernorm_backward)(size_t n, const float *x, const float *w, const float *dy, float mean, float rstd,
                               float *dx);
    /* y = x rstd w, rstd = 1 / sqrt(mean(x^2) + eps) (arXiv 1910.07467). */
    void (*rmsnorm)(size_t n, float eps, const float *x, const float *w, float *y, float *ret_rstd);
    void (*rmsnorm_backward)(size_t n, const float *x, const float *w, const float *dy, float rstd, float *dx);
    /* dw += dy (x - mean) rstd over one token; db += dy unless db is NULL. */
    void (*norm_weights)(size_t n, const float *x, const float *dy, float mean, float rstd, float *dw, float *db);

    /* x = softmax(scale x); returns log sum exp(scale x). n > 0. */
    float (*softmax)(size_t n, float scale, float *x);
    /* x = exp(scale x - lse): the probabilities again from the kept log-sum-exp. */
    void (*softmax_again)(size_t n, float scale, float lse, float *x);
    /* ds = scale p (dp - delta), in the place of dp. */
    void (*softmax_backward)(size_t n, float scale, float delta, const float *p, float *dp);

    /* Turns a row of n logits into probabilities at a temperature, in place, and says what it gives `target`. */
    struct kernel_choice (*choose)(size_t n, float temperature, float *logits, int target);
    /* Gradient with respect to the logits, in the place of the probabilities p that `choose` left:
     * (dlogp (1[j = target] - p_j) - dentropy p_j (log p_j + entropy)) / temperature. */
    void (*choose_backward)(size_t n, float temperature, float dlogp, float dentropy, float entropy, int target,
                            float *p);

    float (*dot)(size_t n, const float *a, const float *b);
    void (*add)(size_t n, const float *x, float *y);            /* y += x */
    /* y += each of the rows, one after another */
    void (*add_rows)(size_t count, size_t n, const float *rows, size_t stride, float *y);
    void (*axpy)(size_t n, float a, const float *x, float *y);  /* y += a x */
    /* ret[t] = q . rows[t], and out = sum of p[t] rows[t], over `count` rows of n that lie `stride` apart. */
    void (*dots)(size_t count, size_t n, const float *q, const float *rows, size_t stride, float *ret);
    void (*mix)(size_t count, size_t n, const float *p, const float *rows, size_t stride, float *out);
    double (*sum_squares)(size_t n, const float *x);            /* in double */

    /* Rotates the two halves of each head of one token (Hugging Face's rotate-half RoPE, arXiv 2104.09864):
     * (a, b) -> (a cos - b sin, b cos + a sin), `half` angles per head; sign -1 rotates back. */
    void (*rotate)(size_t heads, size_t half, const float *cosines, const float *sines, float sign, float *x);

    /* One optimiser step over n parameters. */
    void (*adamw)(size_t n, const struct kernel_adam *how, const float *g, float *p, float *m, float *v);

    void (*from_bf16)(size_t n, const uint16_t *x, float *y);
    /* The nearest bf16, ties to even; a NaN stays one. */
    void (*to_bf16)(size_t n, const float *x, uint16_t *y);
    /* high = the nearest bf16 of x, low = that of x - high. */
    void (*split_bf16)(size_t n, const float *x, uint16_t *high, uint16_t *low);
};

/* The fastest set that this CPU runs. */
const struct kernels *kernels_best(void);

extern const struct kernels kernels_portable;
#if defined(__x86_64__)
extern const struct kernels kernels_avx2; /* only where the CPU has AVX2 and FMA */
#endif

#endif
