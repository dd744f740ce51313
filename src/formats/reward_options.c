#include "formats/reward_options.h"

#include "formats/fit_options.h"

enum { NAME_MOST = 63 };

static const char *const starts[] = {[REWARD_FROM_FIT] = "fit", [REWARD_FROM_ROUND_ROBIN] = "round_robin", NULL};

/* The name of what is made. */
#define NAME(...)                                                                                                      \
    [REWARD_NAME] = JSON_FIELD(STR, struct reward_settings, name, "name", .flags = JSON_REQUIRED, .least = 1,          \
                               .most = NAME_MOST, __VA_ARGS__)

/* What both kinds have: all before REWARD_OWN but the name. */
#define SHARED                                                                                                         \
    [REWARD_POLICY] = JSON_FIELD(STR, struct reward_settings, policy, "policy", .flags = JSON_REQUIRED, .least = 1,    \
                                 .most = NAME_MOST, .about = "The policy to start from, by name or id.",               \
                                 .example = "\"answers-1\""),                                                          \
    [REWARD_FIT] = JSON_FIELD(UUID, struct reward_settings, fit, "fit",                                                \
                              .about = "The fit whose posteriors say whose comparisons are which group's; the "        \
                                       "published one when absent."),                                                  \
    [REWARD_EPOCHS] = JSON_FIELD(REAL, struct reward_settings, epochs, "epochs", .low = 1e-6, .high = 1000,            \
                                 .about = "Times that each comparison is seen, by a reward job in each iteration; 1 "  \
                                          "when absent."),                                                             \
    [REWARD_BATCH_TOKENS] = JSON_FIELD(INT, struct reward_settings, batch_tokens, "batch_tokens", .least = 8,          \
                                       .most = 1 << 22, .about = "Tokens of a step at most; 4096 when absent."),       \
    [REWARD_LONGEST] = JSON_FIELD(INT, struct reward_settings, longest, "longest", .least = 4, .most = 1 << 17,        \
                                  .about = "Tokens of a prompt with its response at most; 1024, or the model's "       \
                                           "context, when absent."),                                                   \
    [REWARD_RATE] = JSON_FIELD(REAL, struct reward_settings, rate, "learning_rate", .low = 1e-9, .high = 0.9,          \
                               .about = "The highest; 0.00005 when absent."),                                          \
    [REWARD_WARM_UP] = JSON_FIELD(REAL, struct reward_settings, warm_up, "warm_up", .low = 0, .high = 1,               \
                                  .about = "Share of the steps in which the rate rises; 0.05 when absent."),           \
    [REWARD_WEIGHT_DECAY] = JSON_FIELD(REAL, struct reward_settings, weight_decay, "weight_decay", .low = 0,           \
                                       .high = 10, .about = "Of AdamW; 0 when absent."),                               \
    [REWARD_CENTRING] = JSON_FIELD(REAL, struct reward_settings, centring, "centring", .low = 0, .high = 100,          \
                                   .about = "Pull of the rewards towards 0; 0.01 when absent."),                       \
    [REWARD_HELD_OUT] = JSON_FIELD(REAL, struct reward_settings, held_out, "held_out", .low = 0, .high = 0.9,          \
                                   .about = "Share of the items that only test; 0.1 when absent."),                    \
    [REWARD_FROZEN] = JSON_FIELD(INT, struct reward_settings, frozen, "frozen_blocks", .least = 0, .most = 1000,       \
                                 .about = "Bottom blocks that are not trained; 0 when absent."),                       \
    [REWARD_RECOMPUTE] = JSON_FIELD(BOOL, struct reward_settings, recompute, "recompute",                              \
                                    .about = "Less memory, a third more time."),                                       \
    [REWARD_SEED] = JSON_FIELD(INT, struct reward_settings, seed, "seed", .least = 0, .most = INT64_MAX,               \
                               .about = "Of the heads and of the order; 1 when absent."),                              \
    [REWARD_CHECKPOINT_EVERY] = JSON_FIELD(INT, struct reward_settings, checkpoint_every, "checkpoint_every",          \
                                           .least = 1, .most = INT32_MAX,                                              \
                                           .about = "Steps between checkpoints; every five minutes when absent.")

static const struct json_field rebase_fields[] = {
    NAME(.about = "Of the policy that is made.", .example = "\"encoder-1\""),
    SHARED,
};

static const struct json_field reward_fields[] = {
    NAME(.about = "Of the set of reward models that is made.", .example = "\"rm-1\""),
    SHARED,
    [REWARD_ITERATIONS] = JSON_FIELD(INT, struct reward_settings, iterations, "iterations", .least = 1, .most = 1000,
                                     .about = "Most iterations of EM; it ends sooner when the groups have settled; 4 "
                                              "when absent."),
    [REWARD_ASSIGNMENT] = JSON_FIELD(ENUM, struct reward_settings, assignment, "assignment",
                                     .names = fit_settings_assignments,
                                     .about = "Whether an annotator counts for each group by probability (`soft`, "
                                              "default) or wholly for the likeliest (`hard`, as the paper has it)."),
    [REWARD_START] = JSON_FIELD(ENUM, struct reward_settings, start, "start", .names = starts,
                                .about = "Who belongs where at first: as the fit says (default), or annotator h in "
                                         "group h mod K (as the paper has it)."),
};

const struct json_shape rebase_settings_shape =
    JSON_SHAPE(struct reward_settings, rebase_fields, "RebaseOptions",
               "Shaping a policy by the preferences of groups; what is not given keeps its default.");

const struct json_shape reward_settings_shape =
    JSON_SHAPE(struct reward_settings, reward_fields, "RewardOptions",
               "A reward model for each group of a fit, fine-tuned inside EM; what is not given keeps its default.");

int reward_settings_read(char *text, size_t length, const struct json_shape *shape, struct reward_settings *ret,
                         struct arena *arena, struct err *err)
{
    static const struct json_limits limits = {.depth = 2, .text_bytes = 256};
    return json_read(text, length, shape, &limits, ret, arena, err);
}
