#include "formats/ppo_options.h"

#include <stdio.h>

const char *const ppo_settings_presets[] = {"small", "ziegler-sentiment", "tldr", "maxmin-official", NULL};
const char *const ppo_settings_scalings[] = {"none", "first", "running", "normalise", NULL};
const char *const ppo_settings_schedules[] = {"constant", "linear", "cosine", NULL};
const char *const ppo_settings_adam_forms[] = {"pytorch", "tensorflow", NULL};

#define INTEGER(member, json_name, from, to, prose)                                                                    \
    JSON_FIELD(INT, struct ppo_settings, member, json_name, .least = from, .most = to, .about = prose)
#define REAL(member, json_name, from, to, prose)                                                                       \
    JSON_FIELD(REAL, struct ppo_settings, member, json_name, .low = from, .high = to, .about = prose)
#define SWITCH(member, json_name, prose) JSON_FIELD(BOOL, struct ppo_settings, member, json_name, .about = prose)
#define CHOICE(member, json_name, all, prose)                                                                          \
    JSON_FIELD(ENUM, struct ppo_settings, member, json_name, .names = all, .about = prose)

static const struct json_field fields[] = {
    [PPO_PRESET] = CHOICE(preset, "preset", ppo_settings_presets,
                          "Where the values come from that are not given; \"small\" by default."),
    [PPO_SEED] = INTEGER(seed, "seed", 0, INT64_MAX, "Seed of every random choice."),
    [PPO_UPDATES] = INTEGER(updates, "updates", 1, 1000000, "Updates of the run; the schedule ends there."),
    [PPO_FROZEN_BLOCKS] = INTEGER(frozen_blocks, "frozen_blocks", 0, 1024,
                                  "Bottom blocks, and the embeddings, that are not trained: faster. 0: all are. "
                                  "Adapters are then in the blocks above them."),
    [PPO_RECOMPUTE] = SWITCH(recompute, "recompute", "Less memory for a third more time."),
    [PPO_EPISODES] = INTEGER(episodes, "episodes", 1, 65536, "Sampled responses of an update."),
    [PPO_SAMPLES] = INTEGER(samples, "samples_per_prompt", 1, 1024, "Responses to each prompt; divides episodes."),
    [PPO_PROMPT_TOKENS] = INTEGER(prompt_tokens, "prompt_tokens", 1, 65536, "Longer prompts are left out."),
    [PPO_RESPONSE_TOKENS] = INTEGER(response_tokens, "response_tokens", 1, 65536, "Tokens of a response at most."),
    [PPO_TEMPERATURE] = REAL(temperature, "temperature", 1e-3, 100, "Logits are divided by it, everywhere."),
    [PPO_FIXED_LENGTH] = SWITCH(fixed_length, "fixed_length", "Sample on after an end token, to response_tokens."),
    [PPO_CUT_TEXT] = JSON_FIELD(STR, struct ppo_settings, cut_text, "cut_text", .flags = JSON_NULLABLE, .least = 1,
                                .most = 64,
                                .about = "One token's text: what is scored ends with the first one from cut_from on."),
    [PPO_CUT_FROM] = INTEGER(cut_from, "cut_from", 0, 65536, "Position, from 0, from which cut_text counts."),
    [PPO_END_PENALTY] = REAL(end_penalty, "end_penalty", 0, 1000000.0,
                             "Taken from the score of a response without end token (or cut_text)."),
    [PPO_PENALTY_REPLACES] = SWITCH(penalty_replaces, "end_penalty_replaces",
                                    "The penalty, negated, takes the place of the score."),
    [PPO_SLOTS] = INTEGER(slots, "slots", 1, 65536, "Responses sampled at once."),
    [PPO_SCORE_SCALING] = CHOICE(scaling, "score_scaling", ppo_settings_scalings,
                                 "Divide scores by nothing, the s.d. of the first update, the running s.d., or that "
                                 "after taking the running mean away."),
    [PPO_SCORE_CLIP] = REAL(score_clip, "score_clip", 0, 1e9, "Scores are kept within this; 0: as they are."),
    [PPO_WHITEN_REWARDS] = SWITCH(whiten_rewards, "whiten_rewards", "Divide token rewards by their s.d."),
    [PPO_GAMMA] = REAL(gamma, "gamma", 0, 1, "Discount."),
    [PPO_LAMBDA] = REAL(lambda, "lambda", 0, 1, "Of the generalised advantage estimate."),
    [PPO_BETA] = REAL(beta, "beta", 0, 1000000.0, "Factor of the KL to the reference; the first one when adaptive."),
    [PPO_ADAPTIVE_BETA] = SWITCH(adaptive_beta, "adaptive_beta", "Steer beta so that the KL comes to kl_target."),
    [PPO_KL_TARGET] = REAL(kl_target, "kl_target", 1e-9, 1000000.0, "Nats a response."),
    [PPO_KL_HORIZON] = REAL(kl_horizon, "kl_horizon", 1e-9, 1e12, "Episodes in which beta may change by a fifth."),
    [PPO_KL_LIMIT] = REAL(kl_limit, "kl_limit", 0, 1e9, "A mean KL above it stops the job; 0: no limit."),
    [PPO_EPOCHS] = INTEGER(epochs, "epochs", 1, 1000, "Passes over the episodes of an update."),
    [PPO_MINIBATCHES] = INTEGER(minibatches, "minibatches", 1, 65536, "Optimiser steps of an epoch; <= episodes."),
    [PPO_PACK_TOKENS] = INTEGER(pack_tokens, "pack_tokens", 0, 1 << 24,
                                "Tokens that go through the model at once, at most; 0: a whole minibatch."),
    [PPO_RATIO_CLIP] = REAL(ratio_clip, "ratio_clip", 1e-6, 1, "epsilon of the clipped policy loss."),
    [PPO_VALUE_CLIP] = REAL(value_clip, "value_clip", 1e-6, 1e9, "Of the clipped value loss."),
    [PPO_VALUE_COEFFICIENT] = REAL(value_coefficient, "value_coefficient", 0, 1000000.0, "Factor of the value loss."),
    [PPO_ENTROPY_COEFFICIENT] = REAL(entropy_coefficient, "entropy_coefficient", 0, 1000000.0,
                                     "Factor of a bonus for entropy."),
    [PPO_EARLY_STOP_KL] = REAL(early_stop_kl, "early_stop_kl", 0, 1000000.0,
                               "An approximate KL of a minibatch above it ends the epochs of its update; 0: never."),
    [PPO_LEARNING_RATE] = REAL(rate, "learning_rate", 1e-12, 1, "At the start."),
    [PPO_SCHEDULE] = CHOICE(schedule, "schedule", ppo_settings_schedules, "How the learning rate falls to 0."),
    [PPO_ADAM_FORM] = CHOICE(adam_form, "adam_form", ppo_settings_adam_forms,
                             "Whether adam_epsilon is inside the bias-corrected root, or outside."),
    [PPO_ADAM_BETA1] = REAL(beta1, "adam_beta1", 0, 0.99999, "Adam's beta 1."),
    [PPO_ADAM_BETA2] = REAL(beta2, "adam_beta2", 0, 0.9999999, "Adam's beta 2."),
    [PPO_ADAM_EPSILON] = REAL(epsilon, "adam_epsilon", 1e-12, 1, "Adam's epsilon."),
    [PPO_WEIGHT_DECAY] = REAL(weight_decay, "weight_decay", 0, 1, "Of matrices."),
    [PPO_GRADIENT_CLIP] = REAL(gradient_clip, "gradient_clip", 0, 1e9, "Largest norm of the gradient; 0: any."),
    [PPO_LORA + LORA_RANK] = LORA_RANK_FIELD(struct ppo_settings, lora,
                                             "Train low-rank adapters of this rank and a value head instead of the "
                                             "weights, and merge them in the end: a fraction of the memory. 0: none."),
    [PPO_LORA + LORA_ALPHA] = LORA_ALPHA_FIELD(struct ppo_settings, lora,
                                               "Adapters are scaled by this over their rank; twice the rank when "
                                               "neither this nor the preset says it."),
    [PPO_LORA + LORA_TARGETS] = LORA_TARGETS_FIELD(struct ppo_settings, lora),
    [PPO_LORA + LORA_MAPPED] = LORA_MAPPED_FIELD(struct ppo_settings, lora),
};

const struct json_shape ppo_settings_shape =
    JSON_SHAPE(struct ppo_settings, fields, "PpoOptions",
               "Hyperparameters of PPO; what is not given comes from the preset.");

/* A pair of integers of which the first is at most the second (or divides it). */
struct bound {
    int field, limit_field;
    int64_t value, limit;
    bool divides;
};

static int check_bound(const struct ppo_settings *s, const struct bound *b, const char *pointer, struct err *err)
{
    char at[64];
    const char *name = fields[b->field].name, *limit = fields[b->limit_field].name;
    if (!json_given(&s->seen, b->field) || !json_given(&s->seen, b->limit_field))
        return 0;
    if (b->value <= b->limit && (!b->divides || b->limit % b->value == 0))
        return 0;
    snprintf(at, sizeof at, "%s/%s", pointer, name);
    return err_at(err, ERR_INVALID_VALUE, at, "%s is %lld, which %s %s, %lld", name, (long long)b->value,
                  b->divides ? "does not divide" : "is more than", limit, (long long)b->limit);
}

int ppo_settings_check(const struct ppo_settings *s, const char *pointer, struct err *err)
{
    const struct bound bounds[] = {
        {PPO_SAMPLES, PPO_EPISODES, s->samples, s->episodes, true},
        {PPO_MINIBATCHES, PPO_EPISODES, s->minibatches, s->episodes, false},
        {PPO_CUT_FROM, PPO_RESPONSE_TOKENS, s->cut_from, s->response_tokens, false},
    };
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++)
        if (check_bound(s, &bounds[i], pointer, err) < 0)
            return -1;
    return lora_settings_check(&s->seen, PPO_LORA, &s->lora, false, pointer, err);
}

int ppo_settings_read(char *text, size_t length, struct ppo_settings *ret, struct arena *arena, struct err *err)
{
    static const struct json_limits limits = {.depth = 2, .text_bytes = 256};
    if (json_read(text, length, &ppo_settings_shape, &limits, ret, arena, err) < 0)
        return -1;
    return ppo_settings_check(ret, "", err);
}
