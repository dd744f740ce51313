/* ppo_presets: whole sets of PPO's options that are known to work, by name.
 *
 * A preset gives every option but what depends on the machine and the model: gemm, memory_limit, and cut_token, which
 * is `cut_text` in the tokenizer's words. What a caller wants otherwise it changes afterwards; ppo_new checks. Constant
 * data; any thread. */
#ifndef EGALIGN_CORE_ALIGN_PPO_PRESETS_H
#define EGALIGN_CORE_ALIGN_PPO_PRESETS_H

#include "core/align/objective.h"
#include "core/align/ppo.h"

struct ppo_preset {
    const char *name, *about;
    const char *cut_text; /* the text of the cut token; NULL: none */
    enum objective_mode objective;
    int prompt_tokens; /* prompts longer than that are to be left out */
    struct ppo_options options;
};

extern const struct ppo_preset ppo_presets[];
extern const int ppo_presets_count;

/* The preset called `name`; the first, "small", for NULL; NULL when there is none. */
const struct ppo_preset *ppo_preset_of(const char *name);

/* By name in the order of the enums, NULL after the last. */
extern const char *const ppo_schedule_names[]; /* "constant", "linear", "cosine" */
extern const char *const ppo_scaling_names[];  /* "none", "first", "running", "normalise" */
extern const char *const ppo_adam_names[];     /* "pytorch", "tensorflow" */

#endif
