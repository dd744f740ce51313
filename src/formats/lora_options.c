#include "formats/lora_options.h"

#include <stdio.h>
#include <string.h>

enum { GPT2_TARGETS = 5 }; /* the first ones; the others are LLaMA's */

const char *const lora_settings_targets[] = {"c_attn", "attn.c_proj", "c_fc",   "mlp.c_proj", "c_proj",  "q_proj",
                                             "k_proj", "v_proj",      "o_proj", "gate_proj",  "up_proj", "down_proj",
                                             NULL};
const struct json_field lora_target_item = JSON_ITEM(ENUM, .names = lora_settings_targets);

int lora_settings_check(const struct json_seen *seen, int first, const struct lora_settings *s, bool rank_needed,
                        const char *pointer, struct err *err)
{
    static const char *const names[] = {[LORA_ALPHA] = "lora_alpha", [LORA_TARGETS] = "lora_targets",
                                        [LORA_MAPPED] = "lora_mapped"};
    char at[sizeof err->pointer];
    bool given = json_given(seen, first + LORA_RANK);
    if (s->rank > 0 || (!given && !rank_needed))
        return 0;
    for (int i = LORA_ALPHA; i <= LORA_MAPPED; i++) {
        if (!json_given(seen, first + i))
            continue;
        snprintf(at, sizeof at, "%s/%s", pointer, names[i]);
        return err_at(err, ERR_INVALID_VALUE, at, "%s is for adapters, and lora_rank asks for none", names[i]);
    }
    return 0;
}

int lora_settings_check_family(const struct lora_settings *s, const char *family, const char *pointer, struct err *err)
{
    const int *targets = s->targets.items;
    char at[sizeof err->pointer];
    for (size_t i = 0; i < s->targets.count && family[0]; i++) {
        if ((targets[i] < GPT2_TARGETS) == (strcmp(family, "gpt2") == 0))
            continue;
        snprintf(at, sizeof at, "%s/lora_targets/%zu", pointer, i);
        return err_at(err, ERR_INVALID_VALUE, at, "the policy is a %s model, which has no module %s", family,
                      lora_settings_targets[targets[i]]);
    }
    return 0;
}
