/* What an update computes of its episodes before it learns, and the epochs. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "core/align/ppo_losses.h"
#include "core/align/ppo_parts.h"

void ppo_order_episodes(struct ppo *p, int epoch)
{
    struct rng rng;
    uint64_t stream = (uint64_t)PPO_STREAM_EPOCH << 32 | (uint64_t)p->state.updates << 16 | (uint64_t)epoch;
    for (int i = 0; i < p->options.episodes; i++)
        p->rollout.order[i] = (uint32_t)i;
    rng_init(&rng, p->options.seed, stream);
    rng_shuffle(&rng, p->rollout.order, (size_t)p->options.episodes);
}

/* Log-probabilities (and entropies) of the pack's response tokens into the flat arrays. */
static void measure(struct ppo *p, float *logp, float *entropy)
{
    struct ppo_pack *k = &p->pack;
    lm_head(p->run, &(struct lm_head_request){.count = k->predictions,
                                              .rows = k->rows,
                                              .targets = k->targets,
                                              .temperature = (float)p->options.temperature,
                                              .logp = k->out,
                                              .entropy = k->more});
    for (int i = 0; i < k->predictions; i++) {
        logp[k->at[i]] = k->out[i];
        if (entropy)
            entropy[k->at[i]] = k->more[i];
    }
}

static int measure_policy(struct ppo *p, struct err *err)
{
    struct ppo_pack *k = &p->pack;
    if (ppo_pack_trunk(p, err) < 0 || ppo_pack_forward(p, err) < 0)
        return -1;
    measure(p, p->rollout.logp, p->rollout.entropy);
    lm_scalars(p->run, k->predictions, k->rows, k->values);
    for (int i = 0; i < k->predictions; i++)
        p->rollout.values[k->at[i]] = k->values[i];
    return 0;
}

static int measure_reference(struct ppo *p, struct err *err)
{
    if (ppo_pack_forward(p, err) < 0)
        return -1;
    measure(p, p->rollout.reference, NULL);
    return 0;
}

/* One measurement over all episodes, in the packs of epoch 0. */
static int over_packs(struct ppo *p, int (*work)(struct ppo *p, struct err *err), struct err *err)
{
    for (int m = 0; m < p->options.minibatches; m++) {
        int to = ppo_minibatch_start(p, m + 1);
        for (int from = ppo_minibatch_start(p, m); from < to;) {
            if (ppo_stopped(p, err))
                return -1;
            from = ppo_pack_fill(p, from, to);
            if (work(p, err) < 0)
                return -1;
        }
    }
    return 0;
}

/* The reference is the model with another trained vector; afterwards each is where it was. */
static void swap_reference(struct ppo *p)
{
    enum { STRIP = 4096 };
    float strip[STRIP];
    struct lm_trained t = lm_trained(p->run);
    for (size_t i = 0; i < t.count; i += STRIP) {
        size_t bytes = (t.count - i < STRIP ? t.count - i : STRIP) * sizeof *strip;
        memcpy(strip, t.weights + i, bytes);
        memcpy(t.weights + i, p->reference + i, bytes);
        memcpy(p->reference + i, strip, bytes);
    }
}

int ppo_prepare(struct ppo *p, struct err *err)
{
    ppo_tell(p, PPO_PREPARE);
    ppo_order_episodes(p, 0);
    if (over_packs(p, measure_policy, err) < 0)
        return -1;
    swap_reference(p);
    int result = over_packs(p, measure_reference, err);
    swap_reference(p);
    return result;
}

/* Sums over the tokens of a minibatch, in order. */
struct sums {
    double policy, value, divergence, ratio, entropy;
    long clipped, value_clipped, tokens;
};

struct learning {
    struct ppo *p;
    struct sums sums;
    double tokens; /* of the whole minibatch: what losses are divided by */
};

/* Called by the head for some rows of the pack: the policy's loss. */
static void weigh(void *context, int first, int count, const float *logp, const float *entropy, float *dlogp,
                  float *dentropy)
{
    struct learning *l = context;
    const struct ppo_rollout *r = &l->p->rollout;
    const struct ppo_options *o = &l->p->options;
    for (int i = 0; i < count; i++) {
        int at = l->p->pack.at[first + i];
        double difference = (double)logp[i] - r->logp[at];
        struct ppo_loss loss = ppo_policy_loss(logp[i], r->logp[at], r->advantages[at], o->ratio_clip);
        dlogp[i] = (float)(loss.gradient / l->tokens);
        dentropy[i] = (float)(-o->entropy_coefficient / l->tokens);
        l->sums.policy += loss.loss;
        l->sums.ratio += loss.ratio;
        l->sums.clipped += loss.clipped;
        l->sums.divergence += 0.5 * difference * difference;
        l->sums.entropy += entropy[i];
    }
    l->sums.tokens += count;
}

static void learn_values(struct learning *l)
{
    struct ppo *p = l->p;
    struct ppo_pack *k = &p->pack;
    lm_scalars(p->run, k->predictions, k->rows, k->values);
    for (int i = 0; i < k->predictions; i++) {
        int at = k->at[i];
        struct ppo_loss loss =
            ppo_value_loss(k->values[i], p->rollout.values[at], p->rollout.returns[at], p->options.value_clip);
        k->dvalues[i] = (float)(p->options.value_coefficient * loss.gradient / l->tokens);
        l->sums.value += loss.loss;
        l->sums.value_clipped += loss.clipped;
    }
    lm_scalars_backward(p->run, k->predictions, k->rows, k->dvalues);
}

/* Adds the gradient of a pack. */
static int learn_pack(struct learning *l, struct err *err)
{
    struct ppo *p = l->p;
    if (ppo_stopped(p, err) || ppo_pack_forward(p, err) < 0)
        return -1;
    learn_values(l);
    lm_head(p->run, &(struct lm_head_request){.count = p->pack.predictions,
                                              .rows = p->pack.rows,
                                              .targets = p->pack.targets,
                                              .temperature = (float)p->options.temperature,
                                              .logp = p->pack.out,
                                              .weigh = weigh,
                                              .context = l});
    lm_backward(p->run);
    return 0;
}

static double tokens_between(const struct ppo *p, int from, int to)
{
    long tokens = 0;
    for (int i = from; i < to; i++)
        tokens += p->rollout.episodes[p->rollout.order[i]].count;
    return (double)tokens;
}

/* The gradient of one minibatch, in as many packs as it takes; the same whatever their number but for rounding. */
static int learn_minibatch(struct learning *l, int minibatch, struct err *err)
{
    struct ppo *p = l->p;
    int from = ppo_minibatch_start(p, minibatch), to = ppo_minibatch_start(p, minibatch + 1);
    l->sums = (struct sums){0};
    l->tokens = tokens_between(p, from, to);
    lm_zero_gradients(p->run);
    while (from < to) {
        from = ppo_pack_fill(p, from, to);
        if (learn_pack(l, err) < 0)
            return -1;
    }
    double loss = l->sums.policy + l->sums.value;
    return isfinite(loss) ? 0 : err_set(err, ERR_NUMERICAL, "the loss of update %lld is not finite",
                                        (long long)p->state.updates + 1);
}

/* What all minibatches of an update add up to. */
struct totals {
    struct sums all;
    double norm, ratio, ratio_squares;
    int minibatches, steps;
};

static void total(struct totals *t, const struct sums *s)
{
    double ratio = s->ratio / (double)s->tokens;
    t->all.policy += s->policy;
    t->all.value += s->value;
    t->all.divergence += s->divergence;
    t->all.ratio += s->ratio;
    t->all.entropy += s->entropy;
    t->all.clipped += s->clipped;
    t->all.value_clipped += s->value_clipped;
    t->all.tokens += s->tokens;
    t->ratio += ratio;
    t->ratio_squares += (ratio - 1) * (ratio - 1); /* about 1: no cancellation */
    t->minibatches++;
}

static void report(const struct totals *t, struct ppo_metrics *m)
{
    double tokens = (double)t->all.tokens, n = t->minibatches, mean = t->ratio / n - 1;
    m->policy_loss = t->all.policy / tokens;
    m->value_loss = t->all.value / tokens;
    m->policy_approxkl = t->all.divergence / tokens;
    m->policy_clipfrac = (double)t->all.clipped / tokens;
    m->value_clipfrac = (double)t->all.value_clipped / tokens;
    m->policy_entropy = t->all.entropy / tokens;
    m->ratio = t->all.ratio / tokens;
    m->ratio_variance = fmax(0, t->ratio_squares / n - mean * mean);
    m->gradient_norm = t->steps ? t->norm / t->steps : 0;
    m->steps = t->steps;
}

int ppo_learn(struct ppo *p, struct ppo_metrics *m, struct err *err)
{
    struct learning l = {.p = p};
    struct totals t = {0};
    const struct ppo_options *o = &p->options;
    bool early = false;
    ppo_tell(p, PPO_TRAIN);
    for (int epoch = 0; epoch < o->epochs && !early; epoch++) {
        ppo_order_episodes(p, epoch);
        for (int i = 0; i < o->minibatches && !early; i++) {
            double norm;
            if (learn_minibatch(&l, i, err) < 0)
                return -1;
            total(&t, &l.sums);
            early = o->early_stop_kl > 0 && l.sums.divergence / (double)l.sums.tokens > o->early_stop_kl;
            if (!early && adamw_step(p->adam, (float)m->rate, &norm, err) < 0)
                return -1;
            t.norm += early ? 0 : norm;
            t.steps += !early;
        }
    }
    report(&t, m);
    return 0;
}
