/* What can not be trained, and why. */
#include <stdio.h>
#include <string.h>

#include "core/align/ppo_parts.h"

/* A number with its range; `name` is that of the option in JSON, and the pointer of the error. */
struct bounded {
    const char *name;
    double value, low, high;
};

static int check_all(size_t n, const struct bounded *b, struct err *err)
{
    char at[64];
    for (size_t i = 0; i < n; i++) {
        if (b[i].value >= b[i].low && b[i].value <= b[i].high)
            continue;
        snprintf(at, sizeof at, "/%s", b[i].name);
        return err_at(err, ERR_INVALID_VALUE, at, "%s is %g, not %g .. %g", b[i].name, b[i].value, b[i].low, b[i].high);
    }
    return 0;
}

static int check_rollout(const struct ppo_options *o, struct err *err)
{
    const struct bounded all[] = {
        {"updates", (double)o->updates, 1, 1e9},
        {"episodes", o->episodes, 1, 1 << 20},
        {"samples_per_prompt", o->samples, 1, o->episodes},
        {"response_tokens", o->response_tokens, 1, 1 << 20},
        {"temperature", o->temperature, 1e-3, 100},
        {"cut_from", o->cut_from, 0, o->response_tokens},
        {"end_penalty", o->end_penalty, 0, 1e6},
        {"slots", o->slots, 1, 1 << 16},
    };
    if (check_all(sizeof all / sizeof all[0], all, err) < 0)
        return -1;
    if (o->episodes % o->samples != 0)
        return err_at(err, ERR_INVALID_VALUE, "/samples_per_prompt", "%d samples a prompt do not divide %d episodes",
                      o->samples, o->episodes);
    return 0;
}

static int check_rewards(const struct ppo_options *o, struct err *err)
{
    double least = o->adaptive_beta ? 1e-9 : 0;
    const struct bounded all[] = {
        {"score_clip", o->score_clip, 0, 1e9},
        {"gamma", o->gamma, 0, 1},
        {"lambda", o->lambda, 0, 1},
        {"beta", o->beta, least, 1e6},
        {"kl_target", o->kl_target, least, 1e6},
        {"kl_horizon", o->kl_horizon, least, 1e12},
        {"kl_limit", o->kl_limit, 0, 1e9},
    };
    return check_all(sizeof all / sizeof all[0], all, err);
}

static int check_learning(const struct ppo_options *o, struct err *err)
{
    const struct bounded all[] = {
        {"epochs", o->epochs, 1, 1000},
        {"minibatches", o->minibatches, 1, o->episodes},
        {"pack_tokens", o->pack_tokens, 0, 1 << 24},
        {"ratio_clip", o->ratio_clip, 1e-6, 1},
        {"value_clip", o->value_clip, 1e-6, 1e9},
        {"value_coefficient", o->value_coefficient, 0, 1e6},
        {"entropy_coefficient", o->entropy_coefficient, 0, 1e6},
        {"early_stop_kl", o->early_stop_kl, 0, 1e6},
        {"learning_rate", o->rate, 1e-12, 1},
        {"adam_beta1", o->beta1, 0, 0.99999},
        {"adam_beta2", o->beta2, 0, 0.9999999},
        {"adam_epsilon", o->epsilon, 1e-12, 1},
        {"weight_decay", o->weight_decay, 0, 1},
        {"gradient_clip", o->gradient_clip, 0, 1e9},
        {"lora_rank", o->lora.rank, 0, LORA_MAX_RANK},
        {"lora_alpha", o->lora.alpha, 0, 1e6},
    };
    return check_all(sizeof all / sizeof all[0], all, err);
}

static int check_prompts(const struct ppo_inputs *in, const struct ppo_options *o, struct err *err)
{
    int most = in->policy->shape.context - o->response_tokens;
    if (in->prompt_count < 1)
        return err_set(err, ERR_INSUFFICIENT_DATA, "there is no prompt to train on");
    for (int i = 0; i < in->prompt_count; i++) {
        int length = in->prompts[i].length;
        if (length < 1 || length > most)
            return err_set(err, ERR_INVALID_VALUE, "prompt %d has %d tokens; beside responses of %d tokens 1 .. %d fit "
                           "into the model's context", i, length, o->response_tokens, most);
        if (o->pack_tokens > 0 && length + o->response_tokens - 1 > o->pack_tokens)
            return err_set(err, ERR_INVALID_VALUE, "prompt %d with its response does not fit into a pass of %d tokens",
                           i, o->pack_tokens);
    }
    return 0;
}

/* The reference differs from the policy in its trained vector only. */
static int check_reference(const struct ppo_inputs *in, const struct ppo_options *o, struct err *err)
{
    const struct lm_model *policy = in->policy, *reference = in->reference;
    if (!reference)
        return 0;
    if (o->lora.rank && reference != policy)
        return err_set(err, ERR_INVALID_VALUE, "with adapters the reference is the policy as it starts, and no other");
    if (reference == policy)
        return 0;
    struct lm_shape shape = reference->shape;
    shape.scalars = policy->shape.scalars;
    if (memcmp(&shape, &policy->shape, sizeof shape) != 0 || !reference->weights)
        return err_set(err, ERR_INVALID_VALUE, "the reference is not a model of the policy's shape");
    size_t start = lm_layout_start(&policy->layout, &policy->shape, o->frozen);
    if (memcmp(reference->weights, policy->weights, start * sizeof *policy->weights) != 0)
        return err_set(err, ERR_INVALID_VALUE, "with %d frozen blocks the reference must share them with the policy",
                       o->frozen);
    return 0;
}

int ppo_check(const struct ppo_inputs *in, const struct ppo_options *o, struct err *err)
{
    if (!in->policy->weights && !o->lora.rank)
        return err_set(err, ERR_INVALID_VALUE, "a policy whose weights stay in files can be trained by adapters only");
    if (check_rollout(o, err) < 0 || check_rewards(o, err) < 0 || check_learning(o, err) < 0)
        return -1;
    int layers = in->policy->shape.layers;
    if (o->frozen < 0 || o->frozen > layers - (o->lora.rank > 0))
        return err_at(err, ERR_INVALID_VALUE, "/frozen_blocks", "%d frozen blocks of %d%s", o->frozen, layers,
                      o->lora.rank ? ", and adapters need one" : "");
    if (in->groups < 1 || in->groups > PPO_GROUPS_MAX || in->objective->groups != in->groups)
        return err_set(err, ERR_INVALID_VALUE, "%d groups, and an objective over %d", in->groups,
                       in->objective->groups);
    if (objective_check(in->objective, err) < 0 || check_prompts(in, o, err) < 0)
        return -1;
    return check_reference(in, o, err);
}
