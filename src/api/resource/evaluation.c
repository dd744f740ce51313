#include "store/evaluation.h"

#include <stdio.h>
#include <string.h>

#include "api/resource/resource.h"
#include "formats/evaluate_options.h"
#include "store/policy.h"

/* The policy, what it is judged against, and the fit that judges. */
static int resolve(struct request *r, const struct evaluate_options *o, const char *pointer,
                   struct evaluation_order *ret, struct err *err)
{
    int found = 1;
    if (refer_to_policy(r, o->policy, pointer, "policy", &ret->policy, err) < 0)
        return -1;
    if (json_given(&o->seen, EVALUATE_AGAINST)) {
        if (refer_to_policy(r, o->against, pointer, "against", &ret->against, err) < 0)
            return -1;
    } else {
        found = evaluation_parent(r->api->pool, &r->project, &ret->policy, &ret->against, err);
    }
    if (found < 0)
        return -1;
    const char *against = arena_printf(&r->arena, "%s/against", pointer);
    if (!against)
        return err_memory(err);
    if (found == 0)
        return err_at(err, ERR_MISSING_MEMBER, against, "the policy has no parent: say what it is judged against");
    if (memcmp(&ret->policy, &ret->against, sizeof ret->policy) == 0)
        return err_at(err, ERR_INVALID_VALUE, against, "a policy is not judged against itself");
    const char *fit = arena_printf(&r->arena, "%s/fit", pointer);
    ret->fit = json_given(&o->seen, EVALUATE_FIT) ? &o->fit : NULL;
    if (!fit)
        return err_memory(err);
    if (evaluation_judgeable(r->api->pool, &r->project, ret->fit, err) == 0)
        return 0;
    if (err->code == ERR_UNKNOWN_REFERENCE)
        snprintf(err->pointer, sizeof err->pointer, "%s", fit);
    return -1;
}

int ask_for_evaluate(struct request *r, void *options, const char *pointer, struct uuid *ret_job, bool *ret_created,
                     struct err *err)
{
    struct evaluate_options *o = options;
    struct evaluation_order order = {0};
    struct uuid evaluation, reads[2];
    struct buf text = {0};
    *ret_created = true;
    if (refer_to_prompts(r, &o->prompts, pointer, err) < 0 || resolve(r, o, pointer, &order, err) < 0)
        return -1;
    evaluate_options_fill(o);
    json_write(&text, &evaluate_options_shape, o);
    reads[0] = order.policy;
    reads[1] = order.against;
    order.order = &(struct policy_order){.kind = "evaluate",
                                         .options = {text.data, text.length},
                                         .reads = reads,
                                         .read_count = 2,
                                         .token = &r->who.token,
                                         .traceparent = r->traceparent};
    int status = text.failed ? err_memory(err)
                             : evaluation_request(r->api->pool, &r->project, &order, &evaluation, ret_job, err);
    buf_free(&text);
    return status;
}

int on_evaluations_get(struct request *r, struct err *err)
{
    return answer_list(r, evaluation_list, err);
}

int on_evaluation_get(struct request *r, struct err *err)
{
    return answer_one(r, "evaluation", 200, evaluation_get, err);
}
