#include "core/align/candidates.h"

#include <math.h>
#include <stddef.h>

#include "core/reward/choice.h"

static double reference_of(const struct candidates *c, int prompt, int y)
{
    return c->reference ? c->reference[y] : 1.0 / (c->start[prompt + 1] - c->start[prompt]);
}

static double *reward_of(const struct candidates *c, int y, int u)
{
    return &c->reward[(size_t)y * (size_t)(c->groups + 1) + (size_t)u];
}

/* Takes the means under the reference away; returns the mean variance. */
static double centre(struct candidates *c, int u)
{
    double variance = 0;
    for (int i = 0; i < c->prompts; i++) {
        double mean = 0;
        for (int y = c->start[i]; y < c->start[i + 1]; y++)
            mean += reference_of(c, i, y) * *reward_of(c, y, u);
        for (int y = c->start[i]; y < c->start[i + 1]; y++) {
            double *r = reward_of(c, y, u);
            *r -= mean;
            variance += reference_of(c, i, y) * *r * *r / c->prompts;
        }
    }
    return variance;
}

void candidates_anchor_centred(struct candidates *c)
{
    for (int u = 0; u <= c->groups; u++) {
        double deviation = sqrt(centre(c, u));
        for (int y = 0; y < c->start[c->prompts]; y++)
            *reward_of(c, y, u) = deviation > 1e-12 ? *reward_of(c, y, u) / deviation : 0;
    }
}

void candidates_anchor_win(struct candidates *c, double *scratch)
{
    for (int u = 0; u <= c->groups; u++) {
        for (int i = 0; i < c->prompts; i++) {
            int from = c->start[i], to = c->start[i + 1];
            for (int y = from; y < to; y++)
                scratch[y - from] = *reward_of(c, y, u);
            for (int y = from; y < to; y++) {
                double p = 0;
                for (int z = from; z < to; z++)
                    p += reference_of(c, i, z) * choice_probability(scratch[y - from] - scratch[z - from]);
                *reward_of(c, y, u) = p;
            }
        }
    }
}

double candidates_tilt(const struct candidates *c, const double *scalar, double beta, double *policy)
{
    double value = 0;
    for (int i = 0; i < c->prompts; i++) {
        double most = -INFINITY, z = 0;
        for (int y = c->start[i]; y < c->start[i + 1]; y++)
            most = fmax(most, scalar[y]);
        for (int y = c->start[i]; y < c->start[i + 1]; y++) {
            policy[y] = reference_of(c, i, y) * exp((scalar[y] - most) / beta);
            z += policy[y];
        }
        for (int y = c->start[i]; y < c->start[i + 1]; y++)
            policy[y] /= z;
        value += (most + beta * log(z)) / c->prompts;
    }
    return value;
}

void candidates_expect(const struct candidates *c, const double *policy, double *ret, double *ret_kl)
{
    double kl = 0;
    for (int u = 0; u <= c->groups; u++)
        ret[u] = 0;
    for (int i = 0; i < c->prompts; i++) {
        for (int y = c->start[i]; y < c->start[i + 1]; y++) {
            for (int u = 0; u <= c->groups; u++)
                ret[u] += policy[y] * *reward_of(c, y, u) / c->prompts;
            if (policy[y] > 0)
                kl += policy[y] * log(policy[y] / reference_of(c, i, y)) / c->prompts;
        }
    }
    if (ret_kl)
        *ret_kl = kl;
}

double candidates_win_rate(const struct candidates *c, int u, const double *policy)
{
    double rate = 0;
    for (int i = 0; i < c->prompts; i++) {
        for (int y = c->start[i]; y < c->start[i + 1]; y++) {
            double won = 0, r = *reward_of(c, y, u);
            for (int z = c->start[i]; z < c->start[i + 1]; z++) {
                double other = *reward_of(c, z, u);
                won += reference_of(c, i, z) * (r > other ? 1 : r == other ? 0.5 : 0);
            }
            rate += policy[y] * won / c->prompts;
        }
    }
    return rate;
}
