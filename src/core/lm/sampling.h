/* sampling: one token from a row of logits, by a random number that depends on what is sampled and nothing else.
 *
 * The uniform number of (seed, prompt, sample, step) is Philox4x32-10 with the seed as key and the other three as
 * counter: a sample is the same whatever the batch, the other prompts, the threads, or a resume. With top_k or top_p
 * the choice is among the most likely tokens only; the log-probability told is always that of the whole softmax at the
 * temperature, which is what PPO's ratios need. (PPO samples with top_k 0 and top_p 1: anything else makes the
 * behaviour differ from the logged policy.) No state, no allocation. */
#ifndef EGALIGN_CORE_LM_SAMPLING_H
#define EGALIGN_CORE_LM_SAMPLING_H

#include <stdint.h>

#include "core/lm/kernels.h"

struct sampling {
    uint64_t seed;
    float temperature; /* > 0; 0 takes the most likely token (and tells its log-probability at temperature 1) */
    int top_k;         /* 0: all */
    float top_p;       /* the most likely tokens that together reach this probability; 1: all */
};

/* In [0, 1), 32 bits. */
double sampling_uniform(uint64_t seed, uint64_t prompt, uint32_t sample, uint32_t step);

/* Draws a token from logits[n] with the uniform number `u`; turns the row into probabilities at the temperature.
 * `order` is scratch of n numbers, touched only with top_k or top_p. Returns the token, its log-probability in
 * *ret_logp. */
int sampling_draw(const struct kernels *kernels, const struct sampling *how, int n, float *logits, double u, int *order,
                  float *ret_logp);

#endif
