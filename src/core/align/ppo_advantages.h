/* ppo_advantages: the numbers between scores and losses: rewards of tokens, advantages, whitening, beta.
 *
 * Everything is over real response tokens: an episode's tokens are contiguous, episodes follow each other, and there is
 * no mask because there is no padding. Sums are made in order and in double, so that nothing depends on threads or on
 * how episodes are packed. Pure functions; any thread. */
#ifndef EGALIGN_CORE_ALIGN_PPO_ADVANTAGES_H
#define EGALIGN_CORE_ALIGN_PPO_ADVANTAGES_H

#include <stdbool.h>
#include <stddef.h>

/* Mean and (biased) variance; both 0 of nothing. */
struct ppo_moments {
    double mean, variance;
};
struct ppo_moments ppo_moments_of(size_t n, const float *x);

/* x = (x - mean) / sqrt(variance + 1e-8), and the mean put back with `keep_mean`. The batch is the whole of x. */
void ppo_whiten(size_t n, float *x, bool keep_mean);

/* Rewards of one episode's n >= 1 tokens: r_t = -beta (logp_t - reference_t), and the score on the last (k1; Ziegler et
 * al., arXiv 1909.08593). Returns the summed log-ratio, the episode's KL in nats. */
double ppo_token_rewards(int n, const float *logp, const float *reference, double beta, double score, float *rewards);

/* Generalised advantages of one episode's n >= 1 tokens (Schulman et al., arXiv 1506.02438), the value behind the last
 * token being 0: A_t = delta_t + gamma lambda A_(t+1), delta_t = r_t + gamma V_(t+1) - V_t; returns = A + V. */
void ppo_advantages(int n, double gamma, double lambda, const float *rewards, const float *values, float *advantages,
                    float *returns);

/* The next beta: beta (1 + clip(kl / target - 1, +-0.2) episodes / horizon), kl the mean over episodes of their summed
 * log-ratios (Ziegler et al.). Never below 0. */
double ppo_adapt_beta(double beta, double kl, double target, double horizon, int episodes);

/* Mean and sum of squared deviations of all scores so far (Chan et al. 1979), for running scaling; zeroed first. */
struct ppo_running {
    double count, mean, squares;
};
void ppo_running_add(struct ppo_running *r, int n, const double *scores);

/* The standard deviation, 0 of nothing. */
double ppo_running_deviation(const struct ppo_running *r);

#endif
