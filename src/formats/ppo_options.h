/* ppo_options: the hyperparameters of PPO as they are written in a request body and a job.
 *
 * One table says names, types and ranges, so that the API refuses with a pointer what a worker would refuse later. The
 * preset gives every value (core/align/ppo_presets.h); a member that is given takes its place; only what was given is
 * written again. It refuses to know the policy, the fit and the objective, which the job's own options name beside it.
 *
 * A zeroed struct holds no option at all. Owned by the caller; texts are views; no shared state. */
#ifndef EGALIGN_FORMATS_PPO_OPTIONS_H
#define EGALIGN_FORMATS_PPO_OPTIONS_H

#include "formats/lora_options.h"

enum { PPO_SETTINGS_PRESETS = 4, PPO_SETTINGS_DEFAULT_PRESET = 0 };

struct ppo_settings {
    struct json_seen seen;
    int preset; /* position in ppo_settings_presets */
    int64_t seed, updates, frozen_blocks;
    bool recompute;
    int64_t episodes, samples, prompt_tokens, response_tokens;
    double temperature;
    bool fixed_length;
    struct str cut_text;
    int64_t cut_from;
    double end_penalty;
    bool penalty_replaces;
    int64_t slots;
    int scaling; /* position in ppo_settings_scalings */
    double score_clip;
    bool whiten_rewards;
    double gamma, lambda, beta;
    bool adaptive_beta;
    double kl_target, kl_horizon, kl_limit;
    int64_t epochs, minibatches, pack_tokens;
    double ratio_clip, value_clip, value_coefficient, entropy_coefficient, early_stop_kl, rate;
    int schedule;  /* position in ppo_settings_schedules */
    int adam_form; /* position in ppo_settings_adam_forms */
    double beta1, beta2, epsilon, weight_decay, gradient_clip;
    struct lora_settings lora;
};

/* Bits of seen.given. */
enum {
    PPO_PRESET, PPO_SEED, PPO_UPDATES, PPO_FROZEN_BLOCKS, PPO_RECOMPUTE, PPO_EPISODES, PPO_SAMPLES, PPO_PROMPT_TOKENS,
    PPO_RESPONSE_TOKENS, PPO_TEMPERATURE, PPO_FIXED_LENGTH, PPO_CUT_TEXT, PPO_CUT_FROM, PPO_END_PENALTY,
    PPO_PENALTY_REPLACES, PPO_SLOTS, PPO_SCORE_SCALING, PPO_SCORE_CLIP, PPO_WHITEN_REWARDS, PPO_GAMMA, PPO_LAMBDA,
    PPO_BETA, PPO_ADAPTIVE_BETA, PPO_KL_TARGET, PPO_KL_HORIZON, PPO_KL_LIMIT, PPO_EPOCHS, PPO_MINIBATCHES,
    PPO_PACK_TOKENS, PPO_RATIO_CLIP, PPO_VALUE_CLIP, PPO_VALUE_COEFFICIENT, PPO_ENTROPY_COEFFICIENT, PPO_EARLY_STOP_KL,
    PPO_LEARNING_RATE, PPO_SCHEDULE, PPO_ADAM_FORM, PPO_ADAM_BETA1, PPO_ADAM_BETA2, PPO_ADAM_EPSILON, PPO_WEIGHT_DECAY,
    PPO_GRADIENT_CLIP,
    PPO_LORA /* and the three behind it: enum lora_field */
};

extern const char *const ppo_settings_presets[];    /* "small", "ziegler-sentiment", "tldr", "maxmin-official", NULL */
extern const char *const ppo_settings_scalings[];   /* "none", "first", "running", "normalise", NULL */
extern const char *const ppo_settings_schedules[];  /* "constant", "linear", "cosine", NULL */
extern const char *const ppo_settings_adam_forms[]; /* "pytorch", "tensorflow", NULL */
extern const struct json_shape ppo_settings_shape;  /* to embed it in the shape of a job's options */

/* What no table of ranges says: members that must agree. ERR_INVALID_VALUE with a pointer below `pointer` ("" for a
 * document of its own). Only members that were given are compared; what the preset adds is checked by ppo_new. */
int ppo_settings_check(const struct ppo_settings *s, const char *pointer, struct err *err);

/* Reads and checks a document; the text is changed and must outlive *ret, text[length] is '\0'. */
int ppo_settings_read(char *text, size_t length, struct ppo_settings *ret, struct arena *arena, struct err *err);

#endif
