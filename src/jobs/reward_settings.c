#include "jobs/reward_settings.h"

#include "jobs/policy_folder.h"

enum { LONGEST = 1024 };
#define HELD_OUT 0.1

int reward_settings_of_job(struct reporter *reporter, const struct json_shape *shape, struct arena *arena,
                           struct reward_settings *ret, struct policy *ret_parent, struct err *err)
{
    const struct job_lease *lease = reporter->job->lease;
    char *text;
    size_t length;
    struct pg *pg = reporter_pg(reporter, 0, err);
    if (!pg || job_params(pg, lease, arena, &text, &length, err) < 0)
        return -1;
    if (reward_settings_read(text, length, shape, ret, arena, err) < 0)
        return err_wrap(err, "option %s", err->pointer);
    if (policy_read(pg, &lease->project, ret->policy, POLICY_WRITES, arena, ret_parent, err) < 0)
        return -1;
    return policy_folder_check(ret_parent, err);
}

int reward_settings_longest(const struct reward_settings *s, int context)
{
    int64_t longest = s->longest ? s->longest : LONGEST;
    return longest < context ? (int)longest : context;
}

double reward_settings_held_out(const struct reward_settings *s)
{
    return json_given(&s->seen, REWARD_HELD_OUT) ? s->held_out : HELD_OUT;
}

struct reward_options reward_settings_apply(const struct reward_settings *s, struct gemm gemm, int longest)
{
    struct reward_options o = reward_options_default(gemm);
    const struct {
        int field;
        double value, *to;
    } reals[] = {
        {REWARD_EPOCHS, s->epochs, &o.epochs},
        {REWARD_RATE, s->rate, &o.rate},
        {REWARD_WARM_UP, s->warm_up, &o.warm_up},
        {REWARD_WEIGHT_DECAY, s->weight_decay, &o.weight_decay},
        {REWARD_CENTRING, s->centring, &o.centring},
    };
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++)
        if (json_given(&s->seen, reals[i].field))
            *reals[i].to = reals[i].value;
    if (json_given(&s->seen, REWARD_SEED))
        o.seed = (uint64_t)s->seed;
    if (json_given(&s->seen, REWARD_BATCH_TOKENS))
        o.batch_tokens = (int)s->batch_tokens;
    if (o.batch_tokens < 2 * longest)
        o.batch_tokens = 2 * longest;
    o.frozen = (int)s->frozen;
    o.recompute = s->recompute;
    return o;
}
