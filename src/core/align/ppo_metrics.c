#include "core/align/ppo_metrics.h"

#include <stdio.h>
#include <string.h>

#include "base/json_text.h"

#define METRIC(kind_name, metric, member, prose)                                                                       \
    {                                                                                                                  \
        .name = metric, .kind = PPO_METRIC_##kind_name, .offset = offsetof(struct ppo_metrics, member), .about = prose \
    }

const struct ppo_metric ppo_metrics_table[] = {
    METRIC(INT64, "update", update, "updates done"),
    METRIC(INT64, "episode", episode, "episodes done"),
    METRIC(REAL, "objective/kl", kl, "KL to the reference, summed over a response, mean over episodes; nats"),
    METRIC(REAL, "objective/kl_coef", kl_coef, "beta, the factor of the KL, in this update"),
    METRIC(REAL, "objective/entropy", entropy, "-log pi of what was sampled, summed over it, mean over episodes"),
    METRIC(REAL, "objective/non_score_reward", non_score_reward, "-beta KL, mean over episodes"),
    METRIC(REAL, "objective/rlhf_reward", rlhf_reward, "score - beta KL, mean over episodes"),
    METRIC(REAL, "objective/scores", scores, "score that the objective and the options made, mean over episodes"),
    METRIC(REAL, "policy/approxkl_avg", policy_approxkl, "half the mean squared log-ratio of new to old policy"),
    METRIC(REAL, "policy/clipfrac_avg", policy_clipfrac, "share of tokens whose clipped loss counted"),
    METRIC(REAL, "policy/entropy_avg", policy_entropy, "entropy of the policy at a token, nats"),
    METRIC(REAL, "loss/policy_avg", policy_loss, "clipped policy loss"),
    METRIC(REAL, "loss/value_avg", value_loss, "clipped value loss"),
    METRIC(REAL, "val/clipfrac_avg", value_clipfrac, "share of tokens whose clipped value loss counted"),
    METRIC(REAL, "val/ratio", ratio, "ratio of new to old policy, mean over tokens"),
    METRIC(REAL, "val/ratio_var", ratio_variance, "variance of the minibatches' mean ratios"),
    METRIC(REAL, "val/num_eos_tokens", ended, "responses that ended with the end token"),
    METRIC(REAL, "val/var_explained", explained, "1 - var(return - value) / var(return), before the update"),
    METRIC(REAL, "val/mean", values_mean, "value, mean over tokens"),
    METRIC(REAL, "val/var", values_variance, "its variance"),
    METRIC(REAL, "returns/mean", returns_mean, "return, mean over tokens"),
    METRIC(REAL, "returns/var", returns_variance, "its variance"),
    METRIC(REAL, "advantages/mean", advantages_mean, "advantage before whitening, mean over tokens"),
    METRIC(REAL, "advantages/var", advantages_variance, "its variance"),
    METRIC(REAL, "lr", rate, "learning rate"),
    METRIC(REAL, "grad_norm", gradient_norm, "norm of the gradient before clipping, mean over steps"),
    METRIC(INT, "steps", steps, "optimiser steps of this update; fewer after an early stop"),
    METRIC(INT64, "tokens/response", response_tokens, "response tokens of this update"),
    METRIC(INT64, "tokens/all", sampled_tokens, "tokens of its prompts and responses"),
    METRIC(REAL, "response/length", length, "tokens of a response, mean"),
    METRIC(REAL, "response/truncated", truncated, "share of responses without end (or cut) token"),
};

const int ppo_metrics_count = (int)(sizeof ppo_metrics_table / sizeof ppo_metrics_table[0]);

double ppo_metric_value(const struct ppo_metrics *m, int i)
{
    const struct ppo_metric *row = &ppo_metrics_table[i];
    const char *at = (const char *)m + row->offset;
    int64_t whole;
    double real;
    int small;
    switch (row->kind) {
    case PPO_METRIC_INT:
        memcpy(&small, at, sizeof small);
        return small;
    case PPO_METRIC_INT64:
        memcpy(&whole, at, sizeof whole);
        return (double)whole;
    default:
        memcpy(&real, at, sizeof real);
        return real;
    }
}

void ppo_metrics_write(struct buf *out, const struct ppo_metrics *m)
{
    char name[32];
    json_open(out, '{');
    for (int i = 0; i < ppo_metrics_count; i++) {
        json_key(out, ppo_metrics_table[i].name);
        json_put_real(out, ppo_metric_value(m, i));
    }
    for (int g = 0; g <= m->groups; g++) {
        snprintf(name, sizeof name, "scores/g%d", g);
        json_key(out, g < m->groups ? name : "scores/pooled");
        json_put_real(out, m->group_scores[g]);
    }
    for (int g = 0; g < m->groups; g++) {
        snprintf(name, sizeof name, "weight/g%d", g);
        json_key(out, name);
        json_put_real(out, m->group_weights[g]);
    }
    json_close(out, '}');
}
