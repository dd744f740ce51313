#include "core/align/ppo_presets.h"

#include <string.h>

const char *const ppo_schedule_names[] = {
    [PPO_CONSTANT] = "constant", [PPO_LINEAR] = "linear", [PPO_COSINE] = "cosine", NULL};
const char *const ppo_scaling_names[] = {[PPO_UNSCALED] = "none",
                                         [PPO_SCALE_FIRST] = "first",
                                         [PPO_SCALE_RUNNING] = "running",
                                         [PPO_NORMALISE_RUNNING] = "normalise",
                                         NULL};
const char *const ppo_adam_names[] = {[ADAM_PYTORCH] = "pytorch", [ADAM_TENSORFLOW] = "tensorflow", NULL};

/* What all presets agree on; and Adam as the published results of PPO had it. */
#define SHARED                                                                                                         \
    .seed = 1, .samples = 1, .cut_token = -1, .gamma = 1, .lambda = 0.95, .kl_target = 6, .kl_horizon = 10000,         \
    .kl_limit = 200, .pack_tokens = 8192, .ratio_clip = 0.2, .value_clip = 0.2, .value_coefficient = 0.1,              \
    .beta1 = 0.9, .beta2 = 0.999, .gradient_clip = 1
#define EPOCHS_AND_ADAM .epochs = 4, .adam_form = ADAM_TENSORFLOW, .epsilon = 1e-5

const struct ppo_preset ppo_presets[] = {
    {
        .name = "small",
        .about = "Models of some million weights, short texts: minutes on two cores.",
        .objective = OBJECTIVE_MAXMIN,
        .prompt_tokens = 64,
        .options = {SHARED, EPOCHS_AND_ADAM, .updates = 60, .episodes = 256,
                    .response_tokens = 24, .temperature = 1, .slots = 128,
                    .end_penalty = 1, .score_clip = 10, .beta = 0.1, .adaptive_beta = true, .minibatches = 4,
                    .rate = 2e-4, .schedule = PPO_LINEAR},
    },
    {
        .name = "ziegler-sentiment",
        .about = "Ziegler et al. 2019 (arXiv 1909.08593): continuations of 24 tokens, judged up to the first full stop "
                 "from the 17th on; a million episodes.",
        .cut_text = ".",
        .objective = OBJECTIVE_MAXMIN,
        .prompt_tokens = 64,
        .options = {SHARED, EPOCHS_AND_ADAM, .updates = 1953, .episodes = 512,
                    .response_tokens = 24, .temperature = 0.7, .slots = 64,
                    .fixed_length = true, .cut_from = 16, .end_penalty = 1, .penalty_replaces = true,
                    .whiten_rewards = true, .beta = 0.15, .adaptive_beta = true, .minibatches = 1, .rate = 1e-5,
                    .schedule = PPO_LINEAR},
    },
    {
        .name = "tldr",
        .about = "Huang et al. 2024 (arXiv 2403.17031), summaries of 53 tokens that must end: fixed beta, a million "
                 "episodes.",
        .objective = OBJECTIVE_MAXMIN,
        .prompt_tokens = 512,
        .options = {SHARED, EPOCHS_AND_ADAM, .updates = 1953, .episodes = 512,
                    .response_tokens = 53, .temperature = 0.7, .slots = 64,
                    .end_penalty = 1, .penalty_replaces = true, .beta = 0.05, .minibatches = 1, .rate = 3e-6,
                    .schedule = PPO_COSINE},
    },
    {
        .name = "maxmin-official",
        .about = "The published scripts of MaxMin-RLHF (arXiv 2402.08925): one episode an update, 8 epochs, scores "
                 "normalised, the least reward of each sample; low-rank adapters of rank 16, alpha 32.",
        .objective = OBJECTIVE_MIN_PER_SAMPLE,
        .prompt_tokens = 512,
        .options = {SHARED, .lora = {.rank = 16, .alpha = 32}, .updates = 10000, .episodes = 1,
                    .response_tokens = 512, .temperature = 1, .slots = 1,
                    .scaling = PPO_NORMALISE_RUNNING, .beta = 0.2, .adaptive_beta = true, .epochs = 8,
                    .minibatches = 1, .early_stop_kl = 0.15, .rate = 1.4e-5, .schedule = PPO_CONSTANT,
                    .adam_form = ADAM_PYTORCH, .epsilon = 1e-8},
    },
};

const int ppo_presets_count = (int)(sizeof ppo_presets / sizeof ppo_presets[0]);

const struct ppo_preset *ppo_preset_of(const char *name)
{
    for (int i = 0; i < ppo_presets_count; i++)
        if (!name || strcmp(ppo_presets[i].name, name) == 0)
            return &ppo_presets[i];
    return NULL;
}
