#include "formats/rebase_options.h"

enum { NAME_MOST = 63 };

static const struct json_field fields[] = {
    [REBASE_NAME] = JSON_FIELD(STR, struct rebase_settings, name, "name", .flags = JSON_REQUIRED, .least = 1,
                               .most = NAME_MOST, .about = "Of the policy that is made.", .example = "\"encoder-1\""),
    [REBASE_POLICY] = JSON_FIELD(STR, struct rebase_settings, policy, "policy", .flags = JSON_REQUIRED, .least = 1,
                                 .most = NAME_MOST, .about = "The policy to start from, by name or id.",
                                 .example = "\"gpt2\""),
    [REBASE_FIT] = JSON_FIELD(UUID, struct rebase_settings, fit, "fit",
                              .about = "The fit whose posteriors say whose comparisons are which group's; the "
                                       "published one when absent."),
    [REBASE_EPOCHS] = JSON_FIELD(REAL, struct rebase_settings, epochs, "epochs", .low = 1e-6, .high = 1000,
                                 .about = "Times that each comparison is seen; 1 when absent."),
    [REBASE_BATCH_TOKENS] = JSON_FIELD(INT, struct rebase_settings, batch_tokens, "batch_tokens", .least = 8,
                                       .most = 1 << 22, .about = "Tokens of a step at most; 4096 when absent."),
    [REBASE_LONGEST] = JSON_FIELD(INT, struct rebase_settings, longest, "longest", .least = 4, .most = 1 << 17,
                                  .about = "Tokens of a prompt with its response at most; 1024, or the model's "
                                           "context, when absent."),
    [REBASE_RATE] = JSON_FIELD(REAL, struct rebase_settings, rate, "learning_rate", .low = 1e-9, .high = 0.9,
                               .about = "The highest; 0.00005 when absent."),
    [REBASE_WARM_UP] = JSON_FIELD(REAL, struct rebase_settings, warm_up, "warm_up", .low = 0, .high = 1,
                                  .about = "Share of the steps in which the rate rises; 0.05 when absent."),
    [REBASE_WEIGHT_DECAY] = JSON_FIELD(REAL, struct rebase_settings, weight_decay, "weight_decay", .low = 0, .high = 10,
                                       .about = "Of AdamW; 0 when absent."),
    [REBASE_CENTRING] = JSON_FIELD(REAL, struct rebase_settings, centring, "centring", .low = 0, .high = 100,
                                   .about = "Pull of the rewards towards 0; 0.01 when absent."),
    [REBASE_HELD_OUT] = JSON_FIELD(REAL, struct rebase_settings, held_out, "held_out", .low = 0, .high = 0.9,
                                   .about = "Share of the items that only test; 0.1 when absent."),
    [REBASE_FROZEN] = JSON_FIELD(INT, struct rebase_settings, frozen, "frozen_blocks", .least = 0, .most = 1000,
                                 .about = "Bottom blocks that are not trained; 0 when absent."),
    [REBASE_RECOMPUTE] = JSON_FIELD(BOOL, struct rebase_settings, recompute, "recompute",
                                    .about = "Less memory, a third more time."),
    [REBASE_SEED] = JSON_FIELD(INT, struct rebase_settings, seed, "seed", .least = 0, .most = INT64_MAX,
                               .about = "Of the heads and of the order; 1 when absent."),
    [REBASE_CHECKPOINT_EVERY] = JSON_FIELD(INT, struct rebase_settings, checkpoint_every, "checkpoint_every",
                                           .least = 1, .most = INT32_MAX,
                                           .about = "Steps between checkpoints; every five minutes when absent."),
};

const struct json_shape rebase_settings_shape =
    JSON_SHAPE(struct rebase_settings, fields, "RebaseOptions",
               "Shaping a policy by the preferences of groups; what is not given keeps its default.");

int rebase_settings_read(char *text, size_t length, struct rebase_settings *ret, struct arena *arena, struct err *err)
{
    static const struct json_limits limits = {.depth = 2, .text_bytes = 256};
    return json_read(text, length, &rebase_settings_shape, &limits, ret, arena, err);
}
