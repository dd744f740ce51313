/* reward_options: the options of the two kinds of jobs that train reward heads on what the groups of a fit prefer: a
 * rebase job, which shapes a policy so that its hidden states are better features, and a reward job, which makes a
 * reward model for each group.
 *
 * Both are read into one struct, and what they share is in one table, which says names, types and ranges; a member that
 * is not given keeps the default of `egalign train reward`. It refuses to look at policies and fits.
 *
 * A zeroed struct holds no option at all. Owned by the caller; texts are views; no shared state. */
#ifndef EGALIGN_FORMATS_REWARD_OPTIONS_H
#define EGALIGN_FORMATS_REWARD_OPTIONS_H

#include "base/json.h"

enum reward_start { REWARD_FROM_FIT, REWARD_FROM_ROUND_ROBIN };

struct reward_settings {
    struct json_seen seen;
    struct str name;   /* of what is made */
    struct str policy; /* name or id of the policy that it starts from */
    struct uuid fit;   /* whose posteriors weigh the comparisons */
    double epochs;
    int64_t batch_tokens, longest;
    double rate, warm_up, weight_decay, centring, held_out;
    int64_t frozen;
    bool recompute;
    int64_t seed, checkpoint_every;

    int64_t iterations; /* of a reward job, as all that follows */
    int assignment;     /* position in fit_settings_assignments */
    int start;          /* enum reward_start */
};

/* Bits of seen.given; from REWARD_OWN on those of a reward job. */
enum {
    REWARD_NAME, REWARD_POLICY, REWARD_FIT, REWARD_EPOCHS, REWARD_BATCH_TOKENS, REWARD_LONGEST, REWARD_RATE,
    REWARD_WARM_UP, REWARD_WEIGHT_DECAY, REWARD_CENTRING, REWARD_HELD_OUT, REWARD_FROZEN, REWARD_RECOMPUTE, REWARD_SEED,
    REWARD_CHECKPOINT_EVERY,
    REWARD_OWN,
    REWARD_ITERATIONS = REWARD_OWN, REWARD_ASSIGNMENT, REWARD_START
};

/* What a member of a reward job that was not given stands for. */
enum { REWARD_MOST_ITERATIONS = 4 };

extern const struct json_shape rebase_settings_shape, reward_settings_shape;

/* Reads the options of a rebase or a reward job, by `shape`; the text is changed and must outlive *ret, text[length] is
 * '\0'. */
int reward_settings_read(char *text, size_t length, const struct json_shape *shape, struct reward_settings *ret,
                         struct arena *arena, struct err *err);

#endif
