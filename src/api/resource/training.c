/* Asking for the jobs that train: sft, rebase, reward and ppo. What the database knows is checked here, so that a
 * refusal comes at once; the job checks it again. */
#include "api/resource/resource.h"
#include "formats/ppo_job_options.h"
#include "formats/reward_options.h"
#include "formats/sft_options.h"
#include "store/fit_read.h"
#include "store/policy.h"
#include "store/policy_place.h"

/* The pointer to a member of the options. ERR_NO_MEMORY. */
static const char *member(struct request *r, const char *pointer, const char *name, struct err *err)
{
    const char *at = arena_printf(&r->arena, "%s/%s", pointer, name);
    if (!at)
        err_memory(err);
    return at;
}

/* Queues the job, unless it is there. */
static int order(struct request *r, const struct json_shape *shape, const void *options, struct policy_order *what,
                 struct uuid *ret_job, bool *ret_created, struct err *err)
{
    struct buf text = {0};
    struct uuid policy;
    json_write(&text, shape, options);
    what->options = (struct str){text.data, text.length};
    what->token = &r->who.token;
    what->traceparent = r->traceparent;
    int same = text.failed ? err_memory(err)
                           : policy_same(r->api->pool, &r->project, what, ret_job, &policy, err);
    *ret_created = same == 0;
    if (same == 0)
        same = policy_order(r->api->pool, &r->project, what, ret_job, &policy, err);
    buf_free(&text);
    return same < 0 ? -1 : 0;
}

/* The file of examples, which must be one that may be read. */
static int check_file(struct request *r, struct sft_settings *s, const char *pointer, struct err *err)
{
    char models[PLACE_PATH], real[PLACE_PATH];
    const char *at = member(r, pointer, "data/file", err);
    const char *name = arena_strndup(&r->arena, s->file.path.ptr, s->file.path.len);
    if (!at || !name)
        return err_memory(err);
    if (r->who.role < ROLE_ADMIN)
        return err_set(err, ERR_FORBIDDEN, "only the role admin may name files of the server");
    if (place_model_folder(r->api->config, models, err) < 0)
        return -1;
    return policy_place_file(models, r->api->config->policy_folders, name, at, real, err);
}

int ask_for_sft(struct request *r, void *options, const char *pointer, struct uuid *ret_job, bool *ret_created,
                struct err *err)
{
    struct sft_settings *s = options;
    struct policy_reference base = {.family = ""};
    const char *at_name = member(r, pointer, "name", err);
    if (!at_name || sft_settings_check(s, pointer, err) < 0 || policy_name_check(s->name, at_name, err) < 0 ||
        (s->policy.ptr && refer_to_base(r, s->policy, pointer, &base, err) < 0) ||
        lora_settings_check_family(&s->lora, base.family, pointer, err) < 0 ||
        (s->data_form == SFT_OF_FILE && check_file(r, s, pointer, err) < 0))
        return -1;
    struct policy_order what = {.kind = "sft",
                                .reads = s->policy.ptr ? &base.id : NULL,
                                .read_count = s->policy.ptr ? 1 : 0,
                                .makes = s->name,
                                .parent = s->policy.ptr ? &base.id : NULL};
    return order(r, &sft_settings_shape, s, &what, ret_job, ret_created, err);
}

/* A fit that the options name: ERR_UNKNOWN_REFERENCE with a pointer. */
static int check_fit(struct request *r, const struct uuid *fit, const char *pointer, struct err *err)
{
    struct buf body = {0};
    const char *at = member(r, pointer, "fit", err);
    int status = at ? fit_get(r->api->pool, &r->project, fit, &body, err) : -1;
    buf_free(&body);
    if (at && status < 0 && err->code == ERR_NOT_FOUND)
        return err_at(err, ERR_UNKNOWN_REFERENCE, at, "there is no such fit in this project");
    return status;
}

/* The fit that is meant, which goes into the options: the published one may be another when the job starts. */
static int settle_fit(struct request *r, struct reward_settings *s, const char *pointer, struct err *err)
{
    struct fit_published published = {0};
    if (json_given(&s->seen, REWARD_FIT))
        return check_fit(r, &s->fit, pointer, err);
    int status = fit_published(r->api->pool, &r->project, NULL, &published, err);
    s->fit = published.fit;
    s->seen.given |= UINT64_C(1) << REWARD_FIT;
    fit_published_free(&published);
    return status;
}

/* A job that learns what the groups of a fit prefer, from a policy. */
static int order_from_groups(struct request *r, const char *kind, const struct json_shape *shape, enum policy_role role,
                             struct reward_settings *s, const char *pointer, struct uuid *ret_job, bool *ret_created,
                             struct err *err)
{
    struct uuid parent;
    const char *at_name = member(r, pointer, "name", err);
    if (!at_name || policy_name_check(s->name, at_name, err) < 0 ||
        refer_to_policy(r, s->policy, pointer, "policy", &parent, err) < 0 || settle_fit(r, s, pointer, err) < 0)
        return -1;
    struct policy_order what = {.kind = kind,
                                .reads = &parent,
                                .read_count = 1,
                                .makes = s->name,
                                .role = role,
                                .parent = &parent};
    return order(r, shape, s, &what, ret_job, ret_created, err);
}

int ask_for_rebase(struct request *r, void *options, const char *pointer, struct uuid *ret_job, bool *ret_created,
                   struct err *err)
{
    return order_from_groups(r, "rebase", &rebase_settings_shape, POLICY_WRITES, options, pointer, ret_job,
                             ret_created, err);
}

int ask_for_reward(struct request *r, void *options, const char *pointer, struct uuid *ret_job, bool *ret_created,
                   struct err *err)
{
    return order_from_groups(r, "reward", &reward_settings_shape, POLICY_REWARDS, options, pointer, ret_job,
                             ret_created, err);
}

/* The fit, which from here on is one and the same, and whether its groups can be trained for. */
static int settle_ppo_fit(struct request *r, struct ppo_job_settings *s, const char *pointer, struct err *err)
{
    struct fit_published fit = {0};
    const struct uuid *asked = json_given(&s->seen, PPO_JOB_FIT) ? &s->fit : NULL;
    int status = asked ? check_fit(r, asked, pointer, err) : 0;
    if (status == 0)
        status = fit_published(r->api->pool, &r->project, asked, &fit, err);
    if (status == 0)
        status = ppo_job_check_groups(s, fit.one_suffices, fit.groups, fit.size, pointer, err);
    s->fit = fit.fit;
    s->seen.given |= UINT64_C(1) << PPO_JOB_FIT;
    fit_published_free(&fit);
    return status;
}

/* The reward models, which must be those of the fit's groups. */
static int settle_rewards(struct request *r, const struct ppo_job_settings *s, const char *pointer, struct uuid *ret,
                          struct err *err)
{
    struct policy_reference models;
    if (refer_to_rewards(r, s->rewards, pointer, &models, err) < 0)
        return -1;
    *ret = models.id;
    return ppo_job_check_rewards(s, &models.fit, err);
}

/* The reference policy, which must have the modules that are to be adapted. */
static int settle_reference(struct request *r, const struct ppo_job_settings *s, const char *pointer, struct uuid *ret,
                            struct err *err)
{
    struct policy_reference base;
    const char *at_ppo = member(r, pointer, "ppo", err);
    if (!at_ppo || refer_to_base(r, s->policy, pointer, &base, err) < 0)
        return -1;
    *ret = base.id;
    return lora_settings_check_family(&s->ppo.lora, base.family, at_ppo, err);
}

int ask_for_ppo(struct request *r, void *options, const char *pointer, struct uuid *ret_job, bool *ret_created,
                struct err *err)
{
    struct ppo_job_settings *s = options;
    struct uuid reads[2]; /* the reference, and the reward models */
    const char *at_name = member(r, pointer, "name", err);
    if (!at_name || ppo_job_settings_check(s, pointer, err) < 0 || policy_name_check(s->name, at_name, err) < 0 ||
        settle_reference(r, s, pointer, &reads[0], err) < 0 ||
        refer_to_items(r, &s->items, pointer, err) < 0 || settle_ppo_fit(r, s, pointer, err) < 0 ||
        (s->rewards.ptr && settle_rewards(r, s, pointer, &reads[1], err) < 0))
        return -1;
    struct policy_order what = {.kind = "ppo",
                                .reads = reads,
                                .read_count = s->rewards.ptr ? 2 : 1,
                                .makes = s->name,
                                .parent = &reads[0]};
    return order(r, &ppo_job_settings_shape, s, &what, ret_job, ret_created, err);
}
