#include "core/align/ppo_advantages.h"

#include <math.h>

#define WHITEN_EPSILON 1e-8
#define MOST_BETA_ERROR 0.2

struct ppo_moments ppo_moments_of(size_t n, const float *x)
{
    struct ppo_moments m = {0, 0};
    for (size_t i = 0; i < n; i++)
        m.mean += x[i];
    m.mean /= n ? (double)n : 1;
    for (size_t i = 0; i < n; i++)
        m.variance += (x[i] - m.mean) * (x[i] - m.mean);
    m.variance /= n ? (double)n : 1;
    return m;
}

void ppo_whiten(size_t n, float *x, bool keep_mean)
{
    struct ppo_moments m = ppo_moments_of(n, x);
    double scale = 1 / sqrt(m.variance + WHITEN_EPSILON), back = keep_mean ? m.mean : 0;
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((x[i] - m.mean) * scale + back);
}

double ppo_token_rewards(int n, const float *logp, const float *reference, double beta, double score, float *rewards)
{
    double kl = 0;
    for (int t = 0; t < n; t++) {
        double ratio = (double)logp[t] - reference[t];
        kl += ratio;
        rewards[t] = (float)(-beta * ratio + (t == n - 1 ? score : 0));
    }
    return kl;
}

void ppo_advantages(int n, double gamma, double lambda, const float *rewards, const float *values, float *advantages,
                    float *returns)
{
    double advantage = 0;
    for (int t = n - 1; t >= 0; t--) {
        double next = t + 1 < n ? values[t + 1] : 0;
        advantage = rewards[t] + gamma * next - values[t] + gamma * lambda * advantage;
        advantages[t] = (float)advantage;
        returns[t] = (float)(advantage + values[t]);
    }
}

double ppo_adapt_beta(double beta, double kl, double target, double horizon, int episodes)
{
    double error = fmax(-MOST_BETA_ERROR, fmin(MOST_BETA_ERROR, kl / target - 1));
    return fmax(0, beta * (1 + error * episodes / horizon));
}

void ppo_running_add(struct ppo_running *r, int n, const double *scores)
{
    double mean = 0, squares = 0;
    for (int i = 0; i < n; i++)
        mean += scores[i] / n;
    for (int i = 0; i < n; i++)
        squares += (scores[i] - mean) * (scores[i] - mean);
    double all = r->count + n, shift = mean - r->mean;
    r->squares += squares + shift * shift * r->count * n / all;
    r->mean += shift * n / all;
    r->count = all;
}

double ppo_running_deviation(const struct ppo_running *r)
{
    return r->count > 0 ? sqrt(r->squares / r->count) : 0;
}
