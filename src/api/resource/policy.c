#include "store/policy.h"

#include <stdio.h>

#include "api/resource/resource.h"
#include "formats/complete_options.h"
#include "formats/register_options.h"
#include "store/job.h"
#include "store/policy_place.h"

static int refer(struct request *r, struct str name_or_id, enum policy_role wanted, const char *pointer,
                 const char *member, struct policy_reference *ret, struct err *err)
{
    if (policy_refer(r->api->pool, &r->project, name_or_id, wanted, ret, err) == 0)
        return 0;
    if (err->code == ERR_NOT_FOUND)
        err_set(err, ERR_UNKNOWN_REFERENCE, "there is no such policy in this project");
    if (err->code == ERR_UNKNOWN_REFERENCE || err->code == ERR_INVALID_VALUE)
        snprintf(err->pointer, sizeof err->pointer, "%s/%s", pointer, member);
    return -1;
}

int refer_to_policy(struct request *r, struct str name_or_id, const char *pointer, const char *member,
                    struct uuid *ret, struct err *err)
{
    struct policy_reference found;
    int status = refer(r, name_or_id, POLICY_WRITES, pointer, member, &found, err);
    if (status == 0)
        *ret = found.id;
    return status;
}

int refer_to_base(struct request *r, struct str name_or_id, const char *pointer, struct policy_reference *ret,
                  struct err *err)
{
    return refer(r, name_or_id, POLICY_WRITES, pointer, "policy", ret, err);
}

int refer_to_rewards(struct request *r, struct str name_or_id, const char *pointer, struct policy_reference *ret,
                     struct err *err)
{
    return refer(r, name_or_id, POLICY_REWARDS, pointer, "rewards", ret, err);
}

static int in_path(struct request *r, struct uuid *ret, struct err *err)
{
    return policy_find(r->api->pool, &r->project, request_parameter(r, "policy"), ret, err);
}

static void locate(struct request *r, const char *collection, const char *name)
{
    reply_field(&r->reply, "Location", arena_printf(&r->arena, "/v1/projects/%s/%s/%s",
                                                    request_parameter(r, "project").ptr, collection, name));
}

/* ---- registering ---- */

/* The folder without its links, from the request's arena. */
static int place(struct request *r, struct str folder, const char *pointer, struct str *ret, struct err *err)
{
    char models[PLACE_PATH], real[PLACE_PATH];
    char *name = arena_strndup(&r->arena, folder.ptr, folder.len);
    if (!name)
        return err_memory(err);
    if (place_model_folder(r->api->config, models, err) < 0 ||
        policy_place_check(models, r->api->config->policy_folders, name, pointer, real, err) < 0)
        return -1;
    *ret = str_of(arena_strndup(&r->arena, real, strlen(real)));
    return ret->ptr ? 0 : err_memory(err);
}

static int order_registration(struct request *r, const struct register_options *o, const struct uuid *parent,
                              struct uuid *ret_job, struct uuid *ret_policy, bool *ret_created, struct err *err)
{
    struct buf options = {0};
    json_write(&options, &register_options_shape, o);
    if (options.failed)
        return err_memory(err);
    struct policy_order order = {.kind = "register",
                                 .options = {options.data, options.length},
                                 .makes = o->name,
                                 .parent = parent,
                                 .recipe = o->recipe.ptr ? o->recipe : (struct str)STR_LITERAL("{}"),
                                 .folder = o->folder,
                                 .token = &r->who.token,
                                 .traceparent = r->traceparent};
    int same = policy_same(r->api->pool, &r->project, &order, ret_job, ret_policy, err);
    *ret_created = same == 0;
    if (same == 0)
        same = policy_order(r->api->pool, &r->project, &order, ret_job, ret_policy, err);
    buf_free(&options);
    return same < 0 ? -1 : 0;
}

static int enlist(struct request *r, struct register_options *o, const char *pointer, struct uuid *ret_job,
                  struct uuid *ret_policy, bool *ret_created, struct err *err)
{
    struct uuid parent;
    bool has_parent = json_has(&o->seen, REGISTER_PARENT);
    const char *at_name = arena_printf(&r->arena, "%s/name", pointer);
    const char *at_folder = arena_printf(&r->arena, "%s/folder", pointer);
    if (!at_name || !at_folder)
        return err_memory(err);
    if (r->who.role < ROLE_ADMIN)
        return err_set(err, ERR_FORBIDDEN, "only the role admin may name folders of the server");
    if (policy_name_check(o->name, at_name, err) < 0 || place(r, o->folder, at_folder, &o->folder, err) < 0 ||
        (has_parent && refer_to_policy(r, o->parent, pointer, "parent", &parent, err) < 0))
        return -1;
    return order_registration(r, o, has_parent ? &parent : NULL, ret_job, ret_policy, ret_created, err);
}

int ask_for_register(struct request *r, void *options, const char *pointer, struct uuid *ret_job, bool *ret_created,
                     struct err *err)
{
    struct uuid policy;
    return enlist(r, options, pointer, ret_job, &policy, ret_created, err);
}

int on_policies_post(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct uuid job, policy;
    bool created = false;
    char text[UUID_TEXT_SIZE];
    int status = enlist(r, r->input, "", &job, &policy, &created, err);
    if (status == 0)
        status = policy_get(r->api->pool, &r->project, &policy, &body, err);
    if (status == 0)
        locate(r, "policies", uuid_format(&policy, text));
    return answer_json(r, status, created ? 202 : 200, &body);
}

/* ---- policies there are ---- */

int on_policies_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct page page = request_page(r);
    if (policy_list(r->api->pool, &r->project, target_query(&r->target, "role").ptr, &page, &body, err) < 0)
        return answer_json(r, -1, 0, &body);
    return answer_page(r, &body, err);
}

int on_policy_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct uuid policy;
    if (in_path(r, &policy, err) < 0)
        return -1;
    return answer_json(r, policy_get(r->api->pool, &r->project, &policy, &body, err), 200, &body);
}

int on_policy_delete(struct request *r, struct err *err)
{
    struct uuid policy;
    if (in_path(r, &policy, err) < 0 || policy_delete(r->api->pool, &r->project, &policy, err) < 0)
        return -1;
    reply_empty(&r->reply, 204);
    return 0;
}

/* ---- completions ---- */

/* A seed of 48 bits, which every reader of JSON keeps exactly. */
static int draw_seed(struct complete_options *o, struct err *err)
{
    struct uuid random;
    if (json_given(&o->seen, COMPLETE_SEED))
        return 0;
    if (uuid_new(&random, err) < 0)
        return -1;
    for (int i = 10; i < 16; i++)
        o->seed = o->seed << 8 | random.bytes[i];
    return 0;
}

static int order_completions(struct request *r, struct complete_options *o, const struct uuid *policy,
                             const char *pointer, struct uuid *ret_job, struct err *err)
{
    struct buf options = {0};
    if (refer_to_prompts(r, &o->prompts, pointer, err) < 0 || draw_seed(o, err) < 0)
        return -1;
    complete_options_fill(o);
    json_write(&options, &complete_options_shape, o);
    struct policy_order order = {.kind = "complete",
                                 .options = {options.data, options.length},
                                 .reads = policy,
                                 .read_count = 1,
                                 .token = &r->who.token,
                                 .traceparent = r->traceparent};
    int status = options.failed ? err_memory(err)
                                : policy_order(r->api->pool, &r->project, &order, ret_job, NULL, err);
    buf_free(&options);
    return status;
}

int ask_for_complete(struct request *r, void *options, const char *pointer, struct uuid *ret_job, bool *ret_created,
                     struct err *err)
{
    struct complete_options *o = options;
    struct uuid policy;
    *ret_created = true;
    if (refer_to_policy(r, o->policy, pointer, "policy", &policy, err) < 0)
        return -1;
    return order_completions(r, o, &policy, pointer, ret_job, err);
}

int on_completions_post(struct request *r, struct err *err)
{
    struct complete_options *o = r->input;
    struct buf body = {0};
    struct policy_reference policy;
    struct uuid job;
    char text[UUID_TEXT_SIZE];
    o->policy = request_parameter(r, "policy");
    if (policy_refer(r->api->pool, &r->project, o->policy, POLICY_WRITES, &policy, err) < 0)
        return err->code == ERR_INVALID_VALUE ? err_set(err, ERR_CONFLICT, "reward models write nothing") : -1;
    if (order_completions(r, o, &policy.id, "", &job, err) < 0)
        return -1;
    int status = job_get(r->api->pool, &r->project, &job, &body, err);
    if (status == 0)
        locate(r, "jobs", uuid_format(&job, text));
    return answer_json(r, status, 202, &body);
}
