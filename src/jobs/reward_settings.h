/* reward_settings: the options of a rebase or a reward job as the engine takes them, from the options as people write
 * them. What was not given keeps the default of `egalign train reward`. No shared state. */
#ifndef EGALIGN_JOBS_REWARD_SETTINGS_H
#define EGALIGN_JOBS_REWARD_SETTINGS_H

#include "core/align/reward_model.h"
#include "formats/reward_options.h"
#include "jobs/reporter.h"
#include "store/policy.h"

/* Reads the options of the running job by `shape`, and the policy that it starts from, whose files are those that
 * became the policy. Both stay in the arena. */
int reward_settings_of_job(struct reporter *reporter, const struct json_shape *shape, struct arena *arena,
                           struct reward_settings *ret, struct policy *ret_parent, struct err *err);

/* Tokens of a sequence at most, for a model of `context`. */
int reward_settings_longest(const struct reward_settings *s, int context);

/* Share of the items that only test. */
double reward_settings_held_out(const struct reward_settings *s);

/* Training of sequences of at most `longest` tokens, two of which always fit into a step. */
struct reward_options reward_settings_apply(const struct reward_settings *s, struct gemm gemm, int longest);

#endif
