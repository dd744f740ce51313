#include "store/policy.h"

#include <ctype.h>
#include <stdio.h>

#include "store/document.h"
#include "store/job.h"
#include "store/pg.h"
#include "store/pool.h"
#include "store/transaction.h"

static int missing(struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "there is no such policy in this project");
}

static bool name_allowed(struct str name)
{
    struct uuid id;
    if (name.len == 0 || name.len > POLICY_NAME_MOST || !isalnum((unsigned char)name.ptr[0]) || uuid_parse(name, &id))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && !memchr("._-", name.ptr[i], 3))
            return false;
    return true;
}

int policy_name_check(struct str name, const char *pointer, struct err *err)
{
    if (name_allowed(name))
        return 0;
    return err_at(err, ERR_INVALID_VALUE, pointer,
                  "the name of a policy is 1 to %d letters, digits, '.', '_' or '-', a letter or digit first, and does "
                  "not read as an id",
                  POLICY_NAME_MOST);
}

/* ---- roles ---- */

const char *const policy_roles[] = {[POLICY_WRITES] = "policy", [POLICY_REWARDS] = "reward", NULL};

int policy_role_check(struct str name, enum policy_role has, enum policy_role wanted, struct err *err)
{
    static const char *const kinds[] = {[POLICY_WRITES] = "a language model",
                                        [POLICY_REWARDS] = "a set of reward models"};
    if (has == wanted)
        return 0;
    return err_set(err, ERR_INVALID_VALUE, "%.*s is %s, and %s is wanted here", (int)name.len, name.ptr, kinds[has],
                   kinds[wanted]);
}

static enum policy_role role_at(const struct pg_result *r, int column)
{
    return str_is(pg_text(r, 0, column), policy_roles[POLICY_REWARDS]) ? POLICY_REWARDS : POLICY_WRITES;
}

/* ---- documents ---- */

/* $2 and $3 of policy_find. */
static void param_name_or_id(struct pg_params *p, struct str name_or_id)
{
    struct uuid id;
    if (uuid_parse(name_or_id, &id)) {
        pg_param_uuid(p, &id);
        pg_param_null(p);
    } else {
        pg_param_null(p);
        pg_param_text(p, name_or_id);
    }
}

static int find(struct pool *pool, const struct uuid *project, struct str name_or_id, struct pg_result **ret,
                struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    param_name_or_id(&p, name_or_id);
    int result = pool_query(pool, QUERY_policy_find, &p, ret, err);
    pg_params_free(&p);
    return result == 0 && pg_rows(*ret) == 0 ? missing(err) : result;
}

int policy_find(struct pool *pool, const struct uuid *project, struct str name_or_id, struct uuid *ret,
                struct err *err)
{
    struct pg_result *r = NULL;
    int result = find(pool, project, name_or_id, &r, err);
    if (result == 0)
        *ret = pg_uuid(r, 0, 0);
    pg_result_free(r);
    return result;
}

int policy_refer(struct pool *pool, const struct uuid *project, struct str name_or_id, enum policy_role wanted,
                 struct policy_reference *ret, struct err *err)
{
    struct pg_result *r = NULL;
    int result = find(pool, project, name_or_id, &r, err);
    if (result == 0)
        result = policy_role_check(name_or_id, role_at(r, 1), wanted, err);
    if (result == 0) {
        struct str family = pg_null(r, 0, 3) ? STR_LITERAL("") : pg_text(r, 0, 3);
        ret->id = pg_uuid(r, 0, 0);
        if (wanted == POLICY_REWARDS)
            ret->fit = pg_uuid(r, 0, 2);
        snprintf(ret->family, sizeof ret->family, "%.*s", (int)family.len, family.ptr);
    }
    pg_result_free(r);
    return result;
}

int policy_get(struct pool *pool, const struct uuid *project, const struct uuid *policy, struct buf *out,
               struct err *err)
{
    return document_get(pool, QUERY_policy_get, project, policy, out, err);
}

int policy_list(struct pool *pool, const struct uuid *project, const char *role, const struct page *page,
                struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    int result = page_by_uuid(page, &p, err);
    pg_param_cstr(&p, role);
    if (result == 0)
        result = query_json(pool, QUERY_policy_list, &p, out, err);
    pg_params_free(&p);
    return result;
}

/* ---- deleting ---- */

struct deletion {
    const struct uuid *project, *policy;
};

/* Runs a query about one policy of a project; the number of rows, or -1. *ret (may be NULL) is the caller's. */
static int ask(struct pg *pg, enum query query, const struct uuid *project, const struct uuid *policy,
               struct pg_result **ret, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    if (project)
        pg_param_uuid(&p, project);
    pg_param_uuid(&p, policy);
    int rows = pg_query(pg, query, &p, &r, err) < 0 ? -1 : pg_rows(r);
    pg_params_free(&p);
    if (ret && rows >= 0)
        *ret = r;
    else
        pg_result_free(r);
    return rows;
}

static int delete(struct pg *pg, void *context, struct err *err)
{
    const struct deletion *d = context;
    struct pg_result *r = NULL;
    int found = ask(pg, QUERY_policy_lock, d->project, d->policy, NULL, err);
    if (found <= 0)
        return found < 0 ? -1 : missing(err);
    int used = ask(pg, QUERY_policy_used, d->project, d->policy, &r, err);
    if (used > 0) {
        struct str reason = pg_text(r, 0, 0);
        used = err_set(err, ERR_CONFLICT, "the policy is in use: %.*s", (int)reason.len, reason.ptr);
    }
    pg_result_free(r);
    if (used < 0)
        return -1;
    return ask(pg, QUERY_policy_delete, NULL, d->policy, NULL, err) < 0 ? -1 : 0;
}

int policy_delete(struct pool *pool, const struct uuid *project, const struct uuid *policy, struct err *err)
{
    return transaction_run(pool, TRANSACTION_WRITE, 0, delete, &(struct deletion){project, policy}, err);
}

/* ---- asking for a job ---- */

/* The policies that the job reads, each once, as an array parameter. */
static void list_reads(const struct policy_order *order, struct pg_array *a)
{
    pg_array_start(a, PG_UUID);
    for (size_t i = 0; i < order->read_count; i++) {
        size_t before = 0;
        while (before < i && memcmp(&order->reads[before], &order->reads[i], sizeof order->reads[i]) != 0)
            before++;
        if (before == i)
            pg_array_uuid(a, &order->reads[i]);
    }
}

static int hold_reads(struct pg *pg, const struct uuid *project, struct pg_array *reads, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    if (reads->count == 0)
        return 0;
    pg_param_uuid(&p, project);
    pg_param_array(&p, reads);
    int result = pg_query(pg, QUERY_policy_hold, &p, &r, err);
    if (result == 0 && pg_rows(r) != reads->count)
        result = err_set(err, ERR_NOT_READY, "a policy that the job would read is not ready, or was deleted");
    pg_result_free(r);
    pg_params_free(&p);
    return result;
}

static int store_order(struct pg *pg, const struct uuid *project, const struct policy_order *order,
                       struct pg_array *reads, const struct uuid *job, const struct uuid *policy, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    pg_param_uuid(&p, job);
    pg_param_cstr(&p, order->kind);
    pg_param_text(&p, order->options);
    pg_param_uuid(&p, order->token);
    pg_param_cstr(&p, order->traceparent);
    pg_param_array(&p, reads);
    pg_param_uuid(&p, order->makes.ptr ? policy : NULL);
    pg_param_text(&p, order->makes);
    pg_param_uuid(&p, order->parent);
    pg_param_text(&p, order->recipe.ptr ? order->recipe : order->options);
    pg_param_text(&p, order->folder);
    pg_param_cstr(&p, policy_roles[order->role]);
    struct err e = {0};
    int result = pg_query(pg, QUERY_policy_order, &p, NULL, &e);
    pg_params_free(&p);
    if (result == 0)
        return 0;
    if (e.code == ERR_CONFLICT)
        return err_set(err, ERR_CONFLICT, "the name %.*s is or was that of a policy of this project",
                       (int)order->makes.len, order->makes.ptr);
    if (err)
        *err = e;
    return -1;
}

int policy_order_on(struct pg *pg, const struct uuid *project, const struct policy_order *order, struct uuid *ret_job,
                    struct uuid *ret_policy, struct err *err)
{
    struct uuid job, policy;
    struct pg_array reads = {0};
    if (uuid_new(&job, err) < 0 || uuid_new(&policy, err) < 0)
        return -1;
    list_reads(order, &reads);
    int result = hold_reads(pg, project, &reads, err);
    if (result == 0)
        result = store_order(pg, project, order, &reads, &job, &policy, err);
    buf_free(&reads.bytes);
    if (result < 0)
        return -1;
    *ret_job = job;
    if (ret_policy && order->makes.ptr)
        *ret_policy = policy;
    return 0;
}

struct ordering {
    const struct uuid *project;
    const struct policy_order *order;
    struct uuid *job, *policy;
};

static int place_order(struct pg *pg, void *context, struct err *err)
{
    const struct ordering *o = context;
    return policy_order_on(pg, o->project, o->order, o->job, o->policy, err);
}

int policy_order(struct pool *pool, const struct uuid *project, const struct policy_order *order, struct uuid *ret_job,
                 struct uuid *ret_policy, struct err *err)
{
    struct ordering o = {project, order, ret_job, ret_policy};
    return transaction_run(pool, TRANSACTION_WRITE, 0, place_order, &o, err);
}

int policy_same(struct pool *pool, const struct uuid *project, const struct policy_order *order, struct uuid *ret_job,
                struct uuid *ret_policy, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, project);
    pg_param_text(&p, order->makes);
    pg_param_uuid(&p, order->parent);
    pg_param_text(&p, order->recipe.ptr ? order->recipe : order->options);
    pg_param_text(&p, order->folder);
    pg_param_cstr(&p, order->kind);
    int found = pool_query(pool, QUERY_policy_same, &p, &r, err) < 0 ? -1 : pg_rows(r);
    pg_params_free(&p);
    if (found > 0) {
        *ret_policy = pg_uuid(r, 0, 0);
        *ret_job = pg_uuid(r, 0, 1);
    }
    pg_result_free(r);
    return found;
}

/* ---- run-job ---- */

static char *keep(struct arena *arena, struct str text)
{
    return text.ptr ? arena_strndup(arena, text.ptr, text.len) : NULL;
}

/* A policy from a row of policy_read and its like. */
static int take_row(const struct pg_result *r, struct arena *arena, struct policy *ret, struct err *err)
{
    *ret = (struct policy){.id = pg_uuid(r, 0, 0),
                           .name = keep(arena, pg_text(r, 0, 1)),
                           .folder = keep(arena, pg_text(r, 0, 2)),
                           .ready = pg_bool(r, 0, 3),
                           .role = role_at(r, 5)};
    struct str digest = pg_text(r, 0, 4);
    if (digest.len == sizeof ret->digest)
        memcpy(ret->digest, digest.ptr, digest.len);
    return !ret->name || (!ret->folder && !pg_null(r, 0, 2)) ? err_memory(err) : 0;
}

int policy_read(struct pg *pg, const struct uuid *project, struct str name_or_id, enum policy_role wanted,
                struct arena *arena, struct policy *ret, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, project);
    param_name_or_id(&p, name_or_id);
    int result = pg_query(pg, QUERY_policy_read, &p, &r, err);
    pg_params_free(&p);
    if (result == 0 && pg_rows(r) == 0)
        result = err_set(err, ERR_UNKNOWN_REFERENCE, "there is no policy %.*s in this project", (int)name_or_id.len,
                         name_or_id.ptr);
    if (result == 0)
        result = take_row(r, arena, ret, err);
    if (result == 0)
        result = policy_role_check(str_of(ret->name), ret->role, wanted, err);
    if (result == 0 && wanted == POLICY_REWARDS)
        ret->fit = pg_uuid(r, 0, 6);
    if (result == 0 && !ret->ready)
        result = err_set(err, ERR_NOT_READY, "the policy %s is not ready, or was deleted", ret->name);
    pg_result_free(r);
    return result;
}

int policy_of_job(struct pg *pg, const struct job_lease *lease, struct arena *arena, struct policy *ret,
                  struct err *err)
{
    struct pg_result *r = NULL;
    int rows = ask(pg, QUERY_policy_of_job, NULL, &lease->job, &r, err);
    int result = rows > 0    ? take_row(r, arena, ret, err)
                 : rows == 0 ? err_set(err, ERR_NOT_FOUND, "the policy that this job was to make was deleted")
                             : -1;
    pg_result_free(r);
    return result;
}

struct publishing {
    const struct job_lease *lease;
    const char *folder;
    const struct policy_facts *facts;
};

static int make_ready(struct pg *pg, const struct publishing *w, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, &w->lease->job);
    pg_param_cstr(&p, w->folder);
    pg_param_bytes(&p, w->facts->digest, sizeof w->facts->digest);
    pg_param_cstr(&p, w->facts->family);
    pg_param_int(&p, w->facts->parameters);
    pg_param_int(&p, w->facts->bytes);
    int result = pg_query(pg, QUERY_policy_ready, &p, &r, err);
    if (result == 0 && pg_rows(r) == 0)
        result = err_set(err, ERR_NOT_FOUND, "the policy that this job was to make was deleted");
    pg_result_free(r);
    pg_params_free(&p);
    return result;
}

static int publish(struct pg *pg, void *context, struct err *err)
{
    const struct publishing *w = context;
    if (job_hold(pg, w->lease, err) < 0 || make_ready(pg, w, err) < 0)
        return -1;
    return job_end(pg, w->lease, JOB_DONE, NULL, "done", err);
}

int policy_recipe_add(struct pg *pg, const struct job_lease *lease, struct str members, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, &lease->job);
    pg_param_uuid(&p, &lease->token);
    pg_param_text(&p, members);
    int result = pg_query(pg, QUERY_policy_recipe, &p, &r, err);
    if (result == 0 && pg_rows(r) == 0)
        result = err_set(err, ERR_LEASE_LOST, "the lease on the job was lost before its policy was told of");
    pg_params_free(&p);
    pg_result_free(r);
    return result;
}

int policy_publish(struct pg *pg, const struct job_lease *lease, const char *folder, const struct policy_facts *facts,
                   struct err *err)
{
    return transaction_on(pg, TRANSACTION_WRITE, publish, &(struct publishing){lease, folder, facts}, err);
}

/* ---- workers ---- */

int policy_discarded(struct pg *pg, const struct uuid *after, struct arena *arena, struct policy *ret,
                     struct err *err)
{
    struct pg_result *r = NULL;
    int rows = ask(pg, QUERY_policy_discarded, NULL, after, &r, err);
    if (rows > 0 && take_row(r, arena, ret, err) < 0)
        rows = -1;
    pg_result_free(r);
    return rows;
}

int policy_folder_gone(struct pg *pg, const struct uuid *policy, struct err *err)
{
    return ask(pg, QUERY_policy_folder_gone, NULL, policy, NULL, err) < 0 ? -1 : 0;
}
