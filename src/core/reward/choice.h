/* choice: log-probabilities of judgements given margins, and their slopes; the innermost loop of a fit.
 *
 * m = r(winner) - r(loser); for a tie the sign means nothing. Without a tie parameter a tie is half a win and half a
 * loss; with Davidson's nu > 0 (Davidson 1970) P(win) = e^{m/2} / Z, P(tie) = nu / Z, Z = e^{m/2} + e^{-m/2} + nu.
 * Never a raw exp of a margin: everything goes through e^{-|m|}. Pure; any thread. */
#ifndef EGALIGN_CORE_CHOICE_H
#define EGALIGN_CORE_CHOICE_H

#include <stdint.h>

/* For i < n: log_p[i] = log P(judgement i), slope[i] = d log_p[i] / d margin[i]. tie[i] is 0 or 1. Relative error of
 * log_p and slope below 1e-6; margins must be finite. */
void choice_half(int n, const float *margin, const uint8_t *tie, float *log_p, float *slope);

/* As choice_half under Davidson's model with nu > 0; returns sum_i weight[i] d log_p[i] / d log nu. */
double choice_davidson(int n, const float *margin, const uint8_t *tie, const float *weight, float nu, float *log_p,
                       float *slope);

/* P(a preferred to b) between the two, ties left aside: sigma(m). */
double choice_probability(double margin);

#endif
