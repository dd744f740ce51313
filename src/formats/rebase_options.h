/* rebase_options: the options of a rebase job, which shapes a policy by what the groups of a fit prefer, so that its
 * hidden states are better features.
 *
 * One table says names, types and ranges; a member that is not given keeps the default of `egalign train reward`. It
 * refuses to look at policies and fits.
 *
 * A zeroed struct holds no option at all. Owned by the caller; texts are views; no shared state. */
#ifndef EGALIGN_FORMATS_REBASE_OPTIONS_H
#define EGALIGN_FORMATS_REBASE_OPTIONS_H

#include "base/json.h"

struct rebase_settings {
    struct json_seen seen;
    struct str name;   /* of the policy that is made */
    struct str policy; /* name or id of the one that it starts from */
    struct uuid fit;   /* whose posteriors weigh the comparisons */
    double epochs;
    int64_t batch_tokens, longest;
    double rate, warm_up, weight_decay, centring, held_out;
    int64_t frozen;
    bool recompute;
    int64_t seed, checkpoint_every;
};

/* Bits of seen.given. */
enum {
    REBASE_NAME, REBASE_POLICY, REBASE_FIT, REBASE_EPOCHS, REBASE_BATCH_TOKENS, REBASE_LONGEST, REBASE_RATE,
    REBASE_WARM_UP, REBASE_WEIGHT_DECAY, REBASE_CENTRING, REBASE_HELD_OUT, REBASE_FROZEN, REBASE_RECOMPUTE, REBASE_SEED,
    REBASE_CHECKPOINT_EVERY
};

extern const struct json_shape rebase_settings_shape;

/* Reads a document; the text is changed and must outlive *ret, text[length] is '\0'. */
int rebase_settings_read(char *text, size_t length, struct rebase_settings *ret, struct arena *arena, struct err *err);

#endif
