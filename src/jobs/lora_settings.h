/* lora_settings: adapters as the engine takes them, from the options as people write them. Pure. */
#ifndef EGALIGN_JOBS_LORA_SETTINGS_H
#define EGALIGN_JOBS_LORA_SETTINGS_H

#include "core/lm/lora.h"
#include "core/lm/safetensors.h"
#include "formats/lora_options.h"

/* Changes *wanted by the members that were given; `first` is the place of lora_rank among the fields that `seen` speaks
 * of. Rank 0 takes all of it away. */
void lora_settings_apply(const struct json_seen *seen, int first, const struct lora_settings *s,
                         struct lora_wanted *wanted);

/* Whether the weights below adapters stay in their files: as was said, else when they are large for this machine's
 * memory and are BF16. */
bool lora_settings_mapped(const struct json_seen *seen, int first, const struct lora_settings *s, const char *folder);

/* How the result is stored: as was said (`given`), else as fp32, but as bf16 where the base was mapped: so it can be
 * mapped again. */
enum safetensors_dtype lora_settings_stored(bool given, int store, bool mapped);

#endif
