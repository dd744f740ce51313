#include "jobs/lora_settings.h"

#include <stdio.h>
#include <string.h>

#include "formats/sft_options.h"
#include "jobs/machine.h"

void lora_settings_apply(const struct json_seen *seen, int first, const struct lora_settings *s,
                         struct lora_wanted *wanted)
{
    const int *targets = s->targets.items;
    size_t used = 0;
    _Static_assert((int)LORA_SETTINGS_RANK_MOST == (int)LORA_MAX_RANK, "the table's range is that of the engine");
    _Static_assert(LORA_SETTINGS_TARGETS_MOST * sizeof "attn.c_proj" <= LORA_TARGETS_SIZE, "all names have room");
    if (json_given(seen, first + LORA_RANK))
        wanted->rank = (int)s->rank;
    if (json_given(seen, first + LORA_ALPHA))
        wanted->alpha = s->alpha;
    for (size_t i = 0; i < s->targets.count; i++)
        used += (size_t)snprintf(wanted->targets + used, sizeof wanted->targets - used, "%s%s", i ? "," : "",
                                 lora_settings_targets[targets[i]]);
    if (wanted->rank == 0)
        *wanted = (struct lora_wanted){0};
}

bool lora_settings_mapped(const struct json_seen *seen, int first, const struct lora_settings *s, const char *folder)
{
    return json_given(seen, first + LORA_MAPPED) ? s->mapped : machine_leaves_in_files(folder);
}

enum safetensors_dtype lora_settings_stored(bool given, int store, bool mapped)
{
    if (given)
        return store == SFT_STORE_BF16 ? DTYPE_BF16 : DTYPE_F32;
    return mapped ? DTYPE_BF16 : DTYPE_F32;
}
