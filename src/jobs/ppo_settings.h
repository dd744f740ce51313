/* ppo_settings: the options of PPO as the engine takes them, from a preset and what people changed of it.
 *
 * Pure; the tokenizer is borrowed for the call. */
#ifndef EGALIGN_JOBS_PPO_SETTINGS_H
#define EGALIGN_JOBS_PPO_SETTINGS_H

#include "core/align/ppo_presets.h"
#include "formats/ppo_options.h"

/* Fills *ret but for gemm and memory_limit. *ret_preset is the preset that was taken: it proposes the objective.
 * *ret_prompt_tokens: longer prompts are to be left out. `tokenizer` turns the cut text into a token; NULL when there
 * can be none (a check without a model). ERR_INVALID_VALUE with a pointer below `pointer` when the text is not one
 * token, or when the given and the preset's numbers do not agree. */
int ppo_settings_apply(const struct ppo_settings *s, const char *pointer, const struct tokenizer *tokenizer,
                       struct ppo_options *ret, const struct ppo_preset **ret_preset, int *ret_prompt_tokens,
                       struct err *err);

/* What the options ask of the model: frozen blocks and modules to adapt that it has. ERR_INVALID_VALUE with a pointer
 * below `pointer`. */
int ppo_settings_check_shape(const struct ppo_options *o, const struct lm_shape *shape, const char *pointer,
                             struct err *err);

#endif
