/* lora_options: low-rank adapters as they are written in the options of a training job; ppo and sft share the members.
 *
 * A struct that has a member `struct lora_settings` puts the four LORA_*_FIELD into its table, one behind the other in
 * the order of enum lora_field, so that the bits of its `seen` that speak of them are first + LORA_RANK, and so on. It
 * refuses to know which policies there are; the names are those of both families. Constant data; owned by the
 * caller. */
#ifndef EGALIGN_FORMATS_LORA_OPTIONS_H
#define EGALIGN_FORMATS_LORA_OPTIONS_H

#include "base/json.h"

enum { LORA_SETTINGS_RANK_MOST = 1024, LORA_SETTINGS_TARGETS_MOST = 12 };

struct lora_settings {
    int64_t rank;             /* 0: no adapters */
    double alpha;
    struct json_list targets; /* of int: positions in lora_settings_targets */
    bool mapped;              /* the weights below the adapters stay in their files */
};

enum lora_field { LORA_RANK, LORA_ALPHA, LORA_TARGETS, LORA_MAPPED };

extern const char *const lora_settings_targets[]; /* "c_attn", ..., "down_proj", NULL */
extern const struct json_field lora_target_item;

#define LORA_RANK_FIELD(type, member, prose)                                                                           \
    JSON_FIELD(INT, type, member.rank, "lora_rank", .least = 0, .most = LORA_SETTINGS_RANK_MOST, .about = prose)
#define LORA_ALPHA_FIELD(type, member, prose)                                                                          \
    JSON_FIELD(REAL, type, member.alpha, "lora_alpha", .low = 1e-6, .high = 1e6, .about = prose)
#define LORA_TARGETS_FIELD(type, member)                                                                               \
    JSON_FIELD(LIST, type, member.targets, "lora_targets", .least = 1, .most = LORA_SETTINGS_TARGETS_MOST,             \
               .item = &lora_target_item, .item_size = sizeof(int),                                                    \
               .about = "Modules of each block that get an adapter; the attention's (GPT-2: c_attn; LLaMA: q_proj, "   \
                        "k_proj, v_proj, o_proj) when absent.")
#define LORA_MAPPED_FIELD(type, member)                                                                                \
    JSON_FIELD(BOOL, type, member.mapped, "lora_mapped",                                                               \
               .about = "Leave the policy's weights, which must be BF16, in their files: little memory, more time. "   \
                        "When absent, where they would take more than half of the machine's memory.")

/* Alpha, targets and mapped are for adapters. `rank_needed`: the rank must be given with them; otherwise it may come
 * from elsewhere, and only a given 0 contradicts. ERR_INVALID_VALUE with a pointer below `pointer`. */
int lora_settings_check(const struct json_seen *seen, int first, const struct lora_settings *s, bool rank_needed,
                        const char *pointer, struct err *err);

/* The targets must be modules of the policy's family, "gpt2" or "llama"; an empty one is not known yet.
 * ERR_INVALID_VALUE with a pointer below `pointer`. */
int lora_settings_check_family(const struct lora_settings *s, const char *family, const char *pointer,
                               struct err *err);

#endif
