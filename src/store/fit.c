#include "store/fit.h"

#include <math.h>
#include <stdio.h>

#include "base/version.h"
#include "store/job.h"
#include "store/pg.h"
#include "store/policy.h"
#include "store/pool.h"
#include "store/transaction.h"

/* Runs `query` and frees its parameters; *ret is the caller's, on success only. */
static int query_once(struct pg *pg, enum query query, struct pg_params *params, struct pg_result **ret,
                      struct err *err)
{
    int result = pg_query(pg, query, params, ret, err);
    pg_params_free(params);
    return result;
}

/* ---- asking ---- */

struct ask {
    const struct uuid *project;
    struct str options;
    const struct uuid *token;
    const char *traceparent;
    struct uuid fit, job; /* in: the new ids; out: those that are there */
    bool created;
};

/* The policy whose states are to be the features; *ret_has is false when the options name none. */
static int ask_policy(struct pg *pg, const struct ask *ask, struct uuid *ret, bool *ret_has, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, ask->project);
    pg_param_text(&p, ask->options);
    if (query_once(pg, QUERY_fit_ask_policy, &p, &r, err) < 0)
        return -1;
    struct str name = pg_text(r, 0, 0);
    int result = 0;
    *ret_has = name.ptr != NULL;
    *ret = pg_uuid(r, 0, 1);
    if (*ret_has && pg_null(r, 0, 1))
        result = err_set(err, ERR_NOT_READY, "there is no policy %.*s that is ready", (int)name.len, name.ptr);
    else if (*ret_has && !pg_bool(r, 0, 2))
        result = policy_role_check(name, POLICY_REWARDS, POLICY_WRITES, err);
    pg_result_free(r);
    return result;
}

static int ask_work(struct pg *pg, void *context, struct err *err)
{
    struct ask *ask = context;
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, ask->project);
    if (query_once(pg, QUERY_fit_ask_lock, &p, &r, err) < 0)
        return -1;
    int found = pg_rows(r);
    pg_result_free(r);
    if (found == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no such project");
    struct uuid fit, job, policy;
    bool has_policy;
    if (ask_policy(pg, ask, &policy, &has_policy, err) < 0 || uuid_new(&fit, err) < 0 || uuid_new(&job, err) < 0)
        return -1;
    pg_param_uuid(&p, ask->project);
    pg_param_uuid(&p, &fit);
    pg_param_uuid(&p, &job);
    pg_param_text(&p, ask->options);
    pg_param_cstr(&p, version_number);
    pg_param_uuid(&p, ask->token);
    pg_param_cstr(&p, ask->traceparent);
    pg_param_uuid(&p, has_policy ? &policy : NULL);
    if (query_once(pg, QUERY_fit_ask, &p, &r, err) < 0)
        return -1;
    ask->fit = pg_uuid(r, 0, 0);
    ask->job = pg_uuid(r, 0, 1);
    ask->created = pg_bool(r, 0, 2);
    pg_result_free(r);
    return 0;
}

int fit_request(struct pool *pool, const struct uuid *project, struct str options, const struct uuid *token,
                const char *traceparent, struct uuid *ret_fit, struct uuid *ret_job, bool *ret_created,
                struct err *err)
{
    struct ask ask = {.project = project, .options = options, .token = token, .traceparent = traceparent};
    if (transaction_run(pool, TRANSACTION_WRITE, 0, ask_work, &ask, err) < 0)
        return -1;
    *ret_fit = ask.fit;
    *ret_job = ask.job;
    *ret_created = ask.created;
    return 0;
}

/* ---- what run-job reads ---- */

int fit_task_of(struct pg *pg, const struct job_lease *lease, struct arena *arena, struct fit_task *ret,
                struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, &lease->job);
    if (query_once(pg, QUERY_fit_task, &p, &r, err) < 0)
        return -1;
    int result = -1;
    if (pg_rows(r) == 0) {
        err_set(err, ERR_INTERNAL, "the job has no fit");
    } else {
        struct str options = pg_text(r, 0, 1);
        ret->fit = pg_uuid(r, 0, 0);
        ret->options = arena_strndup(arena, options.ptr, options.len);
        ret->options_length = options.len;
        result = ret->options ? 0 : err_memory(err);
    }
    pg_result_free(r);
    return result;
}

int fit_data_of(struct pg *pg, const struct uuid *project, struct fit_data *ret, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, project);
    if (query_once(pg, QUERY_fit_data, &p, &r, err) < 0)
        return -1;
    *ret = (struct fit_data){
        .comparisons = pg_int(r, 0, 0),
        .retractions = pg_int(r, 0, 1),
        .watermark = pg_int(r, 0, 2),
        .as_of = pg_time(r, 0, 3),
    };
    pg_result_free(r);
    return 0;
}

int fit_begun(struct pg *pg, const struct job_lease *lease, const struct fit_data *data, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, &lease->job);
    pg_param_uuid(&p, &lease->token);
    pg_param_int(&p, data->comparisons);
    pg_param_int(&p, data->retractions);
    pg_param_int(&p, data->watermark);
    pg_param_cstr(&p, version_number);
    if (query_once(pg, QUERY_fit_begun, &p, &r, err) < 0)
        return -1;
    int rows = pg_rows(r);
    pg_result_free(r);
    return rows ? 0 : err_set(err, ERR_LEASE_LOST, "the lease on the job was lost before the fit began");
}

static int former_members(struct pg *pg, const struct uuid *fit, struct arena *arena, struct fit_former *ret,
                          struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, fit);
    if (query_once(pg, QUERY_fit_former_members, &p, &r, err) < 0)
        return -1;
    ret->members = pg_rows(r);
    ret->member = arena_zeroed(arena, (size_t)ret->members + 1, sizeof *ret->member);
    for (int i = 0; ret->member && i < ret->members; i++) {
        ret->member[i].annotator = pg_uuid(r, i, 0);
        ret->member[i].ordinal = pg_null(r, i, 1) ? -1 : (int)pg_int(r, i, 1);
    }
    pg_result_free(r);
    return ret->member ? 0 : err_memory(err);
}

int fit_former_of(struct pg *pg, const struct uuid *project, struct arena *arena, struct fit_former *ret,
                  struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    *ret = (struct fit_former){0};
    pg_param_uuid(&p, project);
    if (query_once(pg, QUERY_fit_former_groups, &p, &r, err) < 0)
        return -1;
    struct uuid fit = {{0}};
    ret->groups = pg_rows(r);
    ret->group = arena_zeroed(arena, (size_t)ret->groups + 1, sizeof *ret->group);
    bool whole = ret->group != NULL;
    for (int i = 0; whole && i < ret->groups; i++) {
        fit = pg_uuid(r, i, 0);
        ret->group[i].lineage = pg_uuid(r, i, 2);
        ret->group[i].colour = (int)pg_int(r, i, 3);
        struct str name = pg_text(r, i, 4);
        ret->group[i].name = (struct str){arena_strndup(arena, name.ptr, name.len), name.len};
        whole = ret->group[i].name.ptr != NULL;
    }
    pg_result_free(r);
    if (!whole)
        return err_memory(err);
    return ret->groups ? former_members(pg, &fit, arena, ret, err) : 0;
}

/* ---- publishing ---- */

static int store_results(struct pg *pg, const struct fit_publication *f, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, &f->fit);
    pg_param_int(&p, f->data.watermark);
    pg_param_cstr(&p, version_number);
    pg_param_int(&p, f->data.comparisons);
    pg_param_int(&p, f->data.retractions);
    pg_param_bytes(&p, f->data_digest, sizeof f->data_digest);
    pg_param_int(&p, f->comparisons);
    pg_param_int(&p, f->annotators);
    pg_param_int(&p, f->k);
    pg_param_cstr(&p, f->verdict);
    pg_param_cstr(&p, f->encoder);
    pg_param_double(&p, f->ridge);
    pg_param_int(&p, f->seed);
    pg_param_int(&p, f->threads);
    pg_param_cstr(&p, f->blas);
    pg_param_cstr(&p, f->code_version);
    pg_param_text(&p, f->evidence);
    pg_param_text(&p, f->summary);
    pg_param_text(&p, f->warnings);
    if (f->model.ptr)
        pg_param_bytes(&p, f->model.ptr, f->model.len);
    else
        pg_param_null(&p);
    return query_once(pg, QUERY_fit_store, &p, NULL, err);
}

static int store_group(struct pg *pg, const struct uuid *project, const struct fit_publication *f, int ordinal,
                       struct err *err)
{
    const struct fit_publication_group *g = &f->group[ordinal];
    struct pg_params p = {0};
    if (g->is_new) {
        pg_param_uuid(&p, &g->lineage);
        pg_param_uuid(&p, project);
        pg_param_int(&p, g->colour);
        if (query_once(pg, QUERY_fit_store_lineage, &p, NULL, err) < 0)
            return -1;
    }
    pg_param_uuid(&p, &f->fit);
    pg_param_int(&p, ordinal);
    pg_param_uuid(&p, &g->lineage);
    pg_param_double(&p, g->weight);
    pg_param_int(&p, g->size);
    if (isnan(g->stability))
        pg_param_null(&p);
    else
        pg_param_double(&p, g->stability);
    pg_param_text(&p, g->summary);
    return query_once(pg, QUERY_fit_store_group, &p, NULL, err);
}

/* "{0.25,0.75}": an array literal of double precision[]. */
static void posterior_literal(struct buf *out, const double *posterior, int k)
{
    buf_clear(out);
    for (int u = 0; u < k; u++)
        buf_printf(out, "%c%.9g", u ? ',' : '{', posterior[u]);
    buf_char(out, '}');
}

static int store_members(struct pg *pg, const struct fit_publication *f, struct err *err)
{
    struct pg_array annotators = {0}, ordinals = {0}, posteriors = {0}, comparisons = {0};
    struct pg_params p = {0};
    struct buf literal = {0};
    pg_array_start(&annotators, PG_UUID);
    pg_array_start(&ordinals, PG_INT2);
    pg_array_start(&posteriors, PG_TEXT);
    pg_array_start(&comparisons, PG_INT4);
    for (int i = 0; i < f->members; i++) {
        const struct fit_publication_member *m = &f->member[i];
        pg_array_uuid(&annotators, &m->annotator);
        if (m->ordinal < 0)
            pg_array_null(&ordinals);
        else
            pg_array_int(&ordinals, m->ordinal);
        posterior_literal(&literal, m->posterior, f->k);
        pg_array_text(&posteriors, (struct str){literal.data, literal.length});
        pg_array_int(&comparisons, m->comparisons);
    }
    pg_param_uuid(&p, &f->fit);
    pg_param_array(&p, &annotators);
    pg_param_array(&p, &ordinals);
    pg_param_array(&p, &posteriors);
    pg_param_array(&p, &comparisons);
    int result;
    if (literal.failed) {
        pg_params_free(&p);
        result = err_memory(err);
    } else {
        result = query_once(pg, QUERY_fit_store_members, &p, NULL, err);
    }
    buf_free(&literal);
    buf_free(&annotators.bytes);
    buf_free(&ordinals.bytes);
    buf_free(&posteriors.bytes);
    buf_free(&comparisons.bytes);
    return result;
}

static int store_event(struct pg *pg, const struct fit_publication *f, int line, struct err *err)
{
    const struct fit_publication_event *e = &f->event[line];
    struct pg_params p = {0};
    pg_param_uuid(&p, &f->fit);
    pg_param_int(&p, line);
    pg_param_cstr(&p, e->kind);
    pg_param_uuid(&p, e->before);
    pg_param_uuid(&p, e->after);
    if (isnan(e->share))
        pg_param_null(&p);
    else
        pg_param_double(&p, e->share);
    return query_once(pg, QUERY_fit_store_event, &p, NULL, err);
}

static int store_win_rates(struct pg *pg, const struct uuid *project, const struct fit_publication *f, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, &f->fit);
    pg_param_text(&p, f->win_rates);
    pg_param_cstr(&p, f->etag);
    if (query_once(pg, QUERY_fit_store_win_rates, &p, NULL, err) < 0)
        return -1;
    pg_param_uuid(&p, &f->fit);
    pg_param_uuid(&p, project);
    return query_once(pg, QUERY_fit_store_published, &p, NULL, err);
}

struct store_context {
    const struct job_lease *lease;
    const struct fit_publication *publication;
};

static int store_work(struct pg *pg, void *context, struct err *err)
{
    const struct store_context *c = context;
    const struct fit_publication *f = c->publication;
    char reason[160];
    if (job_hold(pg, c->lease, err) < 0 || store_results(pg, f, err) < 0)
        return -1;
    for (int u = 0; u < f->k; u++)
        if (store_group(pg, &c->lease->project, f, u, err) < 0)
            return -1;
    if (f->k > 0 && store_members(pg, f, err) < 0)
        return -1;
    for (int i = 0; i < f->events; i++)
        if (store_event(pg, f, i, err) < 0)
            return -1;
    if (store_win_rates(pg, &c->lease->project, f, err) < 0)
        return -1;
    snprintf(reason, sizeof reason, "done: %s, k = %d, from %d comparisons of %d annotators", f->verdict, f->k,
             f->comparisons, f->annotators);
    return job_end(pg, c->lease, JOB_DONE, NULL, reason, err);
}

int fit_store(struct pg *pg, const struct job_lease *lease, const struct fit_publication *p, struct err *err)
{
    struct store_context context = {lease, p};
    return transaction_on(pg, TRANSACTION_WRITE, store_work, &context, err);
}

/* ---- scheduling ---- */

static int schedule_due(struct pg *pg, const struct pg_result *due, int *ret_asked, struct err *err)
{
    for (int i = 0; i < pg_rows(due); i++) {
        struct uuid project = pg_uuid(due, i, 0);
        struct ask ask = {.project = &project, .options = pg_text(due, i, 1)};
        if (ask_work(pg, &ask, err) < 0 && err->code != ERR_NOT_READY && err->code != ERR_INVALID_VALUE)
            return -1; /* a policy that was deleted, or is no language model, holds up its own project only */
        *ret_asked += ask.created;
    }
    return 0;
}

static int schedule_work(struct pg *pg, void *context, struct err *err)
{
    int *asked = context;
    struct pg_result *r = NULL;
    *asked = 0;
    if (pg_query(pg, QUERY_fit_schedule_lock, NULL, &r, err) < 0)
        return -1;
    bool mine = pg_bool(r, 0, 0);
    pg_result_free(r);
    if (!mine)
        return 0;
    if (pg_query(pg, QUERY_fit_due, NULL, &r, err) < 0)
        return -1;
    int result = schedule_due(pg, r, asked, err);
    pg_result_free(r);
    return result;
}

int fit_schedule(struct pg *pg, struct err *err)
{
    int asked = 0;
    if (transaction_on(pg, TRANSACTION_WRITE, schedule_work, &asked, err) < 0)
        return -1;
    return asked;
}
