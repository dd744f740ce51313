/* From scores and log-probabilities to rewards, advantages and returns. */
#include <math.h>

#include "core/align/ppo_parts.h"

/* The mean over episodes of an array. */
static double mean_of(int n, const double *x)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    return sum / n;
}

static int measure_divergence(struct ppo *p, double *ret_mean, struct err *err)
{
    struct ppo_rollout *r = &p->rollout;
    int n = p->options.episodes;
    for (int i = 0; i < n; i++) {
        r->kl[i] = 0;
        for (int t = r->first[i]; t < r->first[i + 1]; t++)
            r->kl[i] += (double)r->logp[t] - r->reference[t];
    }
    *ret_mean = mean_of(n, r->kl);
    if (!isfinite(*ret_mean))
        return err_set(err, ERR_NUMERICAL, "the KL to the reference in update %lld is not finite",
                       (long long)p->state.updates + 1);
    if (p->options.kl_limit > 0 && *ret_mean > p->options.kl_limit)
        return err_set(err, ERR_NUMERICAL, "the KL to the reference in update %lld is %.1f nats a response; the limit "
                       "is %g: a smaller learning rate or a larger beta holds it",
                       (long long)p->state.updates + 1, *ret_mean, p->options.kl_limit);
    return 0;
}

/* Divides scores by what the options say; a deviation of 0 leaves them. */
static void scale_scores(struct ppo *p)
{
    struct ppo_state *s = &p->state;
    double *score = p->rollout.score, centre = 0, deviation = 0;
    int n = p->options.episodes;
    ppo_running_add(&s->running, n, score);
    if (s->updates == 0)
        s->first_deviation = ppo_running_deviation(&s->running);
    if (p->options.scaling == PPO_SCALE_FIRST)
        deviation = s->first_deviation;
    else if (p->options.scaling != PPO_UNSCALED)
        deviation = ppo_running_deviation(&s->running);
    if (p->options.scaling == PPO_NORMALISE_RUNNING)
        centre = s->running.mean;
    for (int i = 0; i < n; i++)
        score[i] = (score[i] - centre) / (deviation > 0 ? deviation : 1);
}

/* Scaling, then clipping, then the penalty for a response without end: it is neither scaled nor clipped. */
static void adjust_scores(struct ppo *p)
{
    const struct ppo_options *o = &p->options;
    double *score = p->rollout.score;
    scale_scores(p);
    for (int i = 0; i < o->episodes; i++) {
        if (o->score_clip > 0)
            score[i] = fmax(-o->score_clip, fmin(o->score_clip, score[i]));
        if (p->rollout.episodes[i].truncated)
            score[i] = o->penalty_replaces ? -o->end_penalty : score[i] - o->end_penalty;
    }
}

static void make_advantages(struct ppo *p)
{
    struct ppo_rollout *r = &p->rollout;
    const struct ppo_options *o = &p->options;
    size_t tokens = (size_t)r->first[o->episodes];
    for (int i = 0; i < o->episodes; i++) {
        int at = r->first[i], n = r->first[i + 1] - at;
        ppo_token_rewards(n, r->logp + at, r->reference + at, p->state.beta, r->score[i], r->rewards + at);
        r->episodes[i].score = r->score[i];
        r->episodes[i].kl = r->kl[i];
    }
    if (o->whiten_rewards)
        ppo_whiten(tokens, r->rewards, true);
    for (int i = 0; i < o->episodes; i++) {
        int at = r->first[i], n = r->first[i + 1] - at;
        ppo_advantages(n, o->gamma, o->lambda, r->rewards + at, r->values + at, r->advantages + at, r->returns + at);
    }
}

static void report_values(const struct ppo_rollout *r, size_t tokens, struct ppo_metrics *m)
{
    struct ppo_moments values = ppo_moments_of(tokens, r->values), returns = ppo_moments_of(tokens, r->returns);
    struct ppo_moments advantages = ppo_moments_of(tokens, r->advantages); /* returns - values */
    m->values_mean = values.mean;
    m->values_variance = values.variance;
    m->returns_mean = returns.mean;
    m->returns_variance = returns.variance;
    m->advantages_mean = advantages.mean;
    m->advantages_variance = advantages.variance;
    m->explained = returns.variance > 0 ? 1 - advantages.variance / returns.variance : 0;
}

static void report_episodes(const struct ppo *p, double kl, struct ppo_metrics *m)
{
    const struct ppo_rollout *r = &p->rollout;
    int n = p->options.episodes, columns = p->inputs.groups + 1;
    double entropy = 0;
    for (int t = 0; t < r->first[n]; t++)
        entropy -= r->logp[t];
    for (int i = 0; i < n; i++) {
        m->ended += r->ended[i];
        m->truncated += r->episodes[i].truncated / (double)n;
        for (int g = 0; g < columns; g++)
            m->group_scores[g] += r->scores[(size_t)i * columns + g] / n;
    }
    m->response_tokens = r->first[n];
    m->sampled_tokens = r->input[n] + n;
    m->length = r->first[n] / (double)n;
    m->kl = kl;
    m->kl_coef = p->state.beta;
    m->entropy = entropy / n;
    m->scores = mean_of(n, r->score);
    m->non_score_reward = -p->state.beta * kl;
    m->rlhf_reward = m->scores + m->non_score_reward;
    m->groups = p->inputs.groups;
    for (int g = 0; g < m->groups; g++)
        m->group_weights[g] = p->state.objective.weight[g];
}

int ppo_reward(struct ppo *p, struct ppo_metrics *m, struct err *err)
{
    struct ppo_rollout *r = &p->rollout;
    struct ppo_state *s = &p->state;
    int n = p->options.episodes;
    double kl;
    if (measure_divergence(p, &kl, err) < 0 ||
        objective_update(&p->objective, &s->objective, n, r->scores, r->kl, s->beta, err) < 0)
        return -1;
    objective_rewards(&p->objective, &s->objective, n, r->scores, r->score);
    adjust_scores(p);
    make_advantages(p);
    report_episodes(p, kl, m);
    report_values(r, (size_t)r->first[n], m);
    ppo_whiten((size_t)r->first[n], r->advantages, false);
    return 0;
}
