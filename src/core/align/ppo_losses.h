/* ppo_losses: the two clipped losses of PPO at one token, with their gradients (Schulman et al., arXiv 1707.06347; the
 * value's clipping as in Ziegler et al., arXiv 1909.08593). Pure functions; any thread. */
#ifndef EGALIGN_CORE_ALIGN_PPO_LOSSES_H
#define EGALIGN_CORE_ALIGN_PPO_LOSSES_H

#include <stdbool.h>

#define PPO_MOST_LOG_RATIO 20.0

struct ppo_loss {
    double loss;
    double gradient; /* with respect to the new log-probability, or the new value */
    double ratio;    /* pi / pi_old; policy only */
    bool clipped;    /* the clipped form counted, being the greater */
};

/* max(-A rho, -A clip(rho, 1 - clip, 1 + clip)), rho = exp(logp - old) with the difference kept within +-20 (there, as
 * wherever a clip acts, the gradient is 0). */
struct ppo_loss ppo_policy_loss(double logp, double old, double advantage, double clip);

/* 0.5 max((V - R)^2, (clip(V, V_old +- clip) - R)^2). */
struct ppo_loss ppo_value_loss(double value, double old, double target, double clip);

#endif
