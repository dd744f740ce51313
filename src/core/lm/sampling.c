#include "core/lm/sampling.h"

#include <math.h>

#include "base/rng.h"

enum { STRIP = 256 }; /* tokens summed together on the first pass through the distribution */

double sampling_uniform(uint64_t seed, uint64_t prompt, uint32_t sample, uint32_t step)
{
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, out[4];
    uint32_t counter[4] = {step, sample, (uint32_t)prompt, (uint32_t)(prompt >> 32)};
    rng_philox(counter, key, out);
    return out[0] * 0x1p-32;
}

static int most_likely(int n, const float *x)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* The token at which the running sum of p passes u. Rounding may leave the sum short of u: then the last likely one. */
static int invert(int n, const float *p, double u)
{
    double below = 0;
    int from = 0, last = 0;
    for (; from < n; from += STRIP) {
        double strip = 0;
        for (int i = from; i < n && i < from + STRIP; i++)
            strip += p[i];
        if (below + strip > u)
            break;
        below += strip;
    }
    if (from >= n)
        from = n > STRIP ? (n - 1) / STRIP * STRIP : 0;
    for (int i = from; i < n; i++) {
        below += p[i];
        if (p[i] > 0)
            last = i;
        if (below > u)
            return i;
    }
    return last;
}

/* Restores the heap below `root`: order[0] is the likeliest of order[0 .. n - 1]; of equals, the lower token. */
static void sift(const float *p, int *order, int root, int n)
{
    for (;;) {
        int best = root;
        for (int child = 2 * root + 1; child <= 2 * root + 2 && child < n; child++)
            if (p[order[child]] > p[order[best]] || (p[order[child]] == p[order[best]] && order[child] < order[best]))
                best = child;
        if (best == root)
            return;
        int swapped = order[root];
        order[root] = order[best];
        order[best] = swapped;
        root = best;
    }
}

/* Draws among the likeliest tokens: at most k of them, and no more than are needed to reach probability top_p. They
 * come off a heap one by one, so the cost grows with how many are wanted. */
static int draw_among(const struct sampling *how, int n, const float *p, double u, int *order)
{
    for (int i = 0; i < n; i++)
        order[i] = i;
    for (int i = n / 2 - 1; i >= 0; i--)
        sift(p, order, i, n);
    int most = how->top_k > 0 && how->top_k < n ? how->top_k : n, taken = 0;
    double sum = 0;
    while (taken < most && (taken == 0 || sum < how->top_p)) {
        int last = n - ++taken, best = order[0]; /* the taken ones gather at the end */
        order[0] = order[last];
        order[last] = best;
        sum += p[best];
        sift(p, order, 0, last);
    }
    double below = 0;
    for (int i = 1; i < taken; i++) {
        below += p[order[n - i]];
        if (below > u * sum)
            return order[n - i];
    }
    return order[n - taken];
}

int sampling_draw(const struct kernels *kernels, const struct sampling *how, int n, float *logits, double u, int *order,
                  float *ret_logp)
{
    float temperature = how->temperature > 0 ? how->temperature : 1;
    int token = 0;
    kernels->choose((size_t)n, temperature, logits, 0);
    if (how->temperature <= 0)
        token = most_likely(n, logits);
    else if (how->top_k > 0 || how->top_p < 1)
        token = draw_among(how, n, logits, u, order);
    else
        token = invert(n, logits, u);
    *ret_logp = logf(logits[token]);
    return token;
}
