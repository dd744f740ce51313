#include "core/align/ppo_losses.h"

#include <math.h>

static double within(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x; /* a NaN stays one */
}

struct ppo_loss ppo_policy_loss(double logp, double old, double advantage, double clip)
{
    double difference = logp - old, kept = within(difference, -PPO_MOST_LOG_RATIO, PPO_MOST_LOG_RATIO);
    double ratio = exp(kept), plain = -advantage * ratio, other = -advantage * within(ratio, 1 - clip, 1 + clip);
    struct ppo_loss l = {.loss = plain, .ratio = ratio, .gradient = kept == difference ? plain : 0};
    if (isnan(difference))
        l.gradient = difference;
    if (other > plain)
        l = (struct ppo_loss){.loss = other, .ratio = ratio, .clipped = true};
    return l;
}

struct ppo_loss ppo_value_loss(double value, double old, double target, double clip)
{
    double kept = within(value, old - clip, old + clip), plain = value - target, other = kept - target;
    if (other * other > plain * plain)
        return (struct ppo_loss){.loss = 0.5 * other * other, .gradient = kept == value ? other : 0, .clipped = true};
    return (struct ppo_loss){.loss = 0.5 * plain * plain, .gradient = plain};
}
