/* ppo_metrics: what one PPO update tells of itself, declared once.
 *
 * The table below gives every figure its name (TRL's, so that dashboards carry over), its member and its meaning; JSON,
 * documents and terminals are made from it. All averages are over real response tokens or over episodes, never over
 * padding, for there is none. Figures by time (episodes a second) are the caller's: core has no clock; ppo.h tells
 * where each phase begins. Plain data, no shared state. */
#ifndef EGALIGN_CORE_ALIGN_PPO_METRICS_H
#define EGALIGN_CORE_ALIGN_PPO_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { PPO_GROUPS_MAX = 16 };

struct ppo_metrics {
    int64_t update, episode;    /* updates and episodes done, this one included */
    int64_t response_tokens;    /* of this update */
    int64_t sampled_tokens;     /* prompts and responses that went through the model once */
    int steps;                  /* of the optimiser; fewer than epochs x minibatches after an early stop */
    double kl, kl_coef;         /* mean over episodes of the summed k1; beta that this update used */
    double entropy;             /* mean over episodes of the summed -log pi of what was sampled */
    double non_score_reward, rlhf_reward, scores; /* means over episodes */
    double policy_approxkl, policy_clipfrac, policy_entropy, policy_loss;
    double value_loss, value_clipfrac;
    double ratio, ratio_variance; /* mean over tokens; variance of the minibatches' means */
    double explained;             /* 1 - var(return - value) / var(return), before the update */
    double returns_mean, returns_variance, values_mean, values_variance, advantages_mean, advantages_variance;
    double rate, gradient_norm;   /* learning rate; mean norm before clipping */
    double ended, truncated;      /* number of end tokens; share of the episodes that met none */
    double length;                /* mean response length in tokens */
    int groups;                   /* K */
    double group_scores[PPO_GROUPS_MAX + 1];  /* mean anchored score of each group; at K the pooled reward */
    double group_weights[PPO_GROUPS_MAX];     /* w_u that the objective gave */
};

enum ppo_metric_kind { PPO_METRIC_REAL, PPO_METRIC_INT, PPO_METRIC_INT64 };

struct ppo_metric {
    const char *name; /* "objective/kl" */
    enum ppo_metric_kind kind;
    size_t offset; /* in struct ppo_metrics */
    const char *about;
};

/* All figures that do not depend on the number of groups. */
extern const struct ppo_metric ppo_metrics_table[];
extern const int ppo_metrics_count;

/* The value of row `i` of the table, as a double. */
double ppo_metric_value(const struct ppo_metrics *m, int i);

/* Appends one JSON object: the table's figures, then "scores/g0" ..., "scores/pooled" and "weight/g0" ... A figure that
 * is not finite is written as null. */
void ppo_metrics_write(struct buf *out, const struct ppo_metrics *m);

#endif
