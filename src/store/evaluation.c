#include "store/evaluation.h"

#include "store/document.h"
#include "store/job.h"
#include "store/pg.h"
#include "store/policy.h"
#include "store/pool.h"
#include "store/transaction.h"

/* Runs `query` and frees its parameters; *ret is the caller's, on success only. */
static int ask(struct pg *pg, enum query query, struct pg_params *params, struct pg_result **ret, struct err *err)
{
    int result = pg_query(pg, query, params, ret, err);
    pg_params_free(params);
    return result;
}

/* ---- for the API ---- */

int evaluation_parent(struct pool *pool, const struct uuid *project, const struct uuid *policy, struct uuid *ret,
                      struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, project);
    pg_param_uuid(&p, policy);
    int result = pool_query(pool, QUERY_evaluation_parent, &p, &r, err);
    pg_params_free(&p);
    if (result < 0)
        return -1;
    bool has = pg_rows(r) > 0 && !pg_null(r, 0, 0);
    if (has)
        *ret = pg_uuid(r, 0, 0);
    pg_result_free(r);
    return has;
}

int evaluation_judgeable(struct pool *pool, const struct uuid *project, const struct uuid *fit, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, project);
    pg_param_uuid(&p, fit);
    int result = pool_query(pool, QUERY_evaluation_judgeable, &p, &r, err);
    pg_params_free(&p);
    if (result < 0)
        return -1;
    if (pg_rows(r) == 0)
        result = fit ? err_set(err, ERR_UNKNOWN_REFERENCE, "there is no such fit in this project")
                     : err_set(err, ERR_NOT_READY, "no fit has been published, so there are no groups to ask");
    else if (!pg_bool(r, 0, 0) || pg_int(r, 0, 1) == 0)
        result = err_set(err, ERR_NOT_READY, "the fit has no groups (yet)");
    pg_result_free(r);
    return result;
}

struct request_context {
    const struct uuid *project;
    const struct evaluation_order *order;
    struct uuid evaluation, job;
};

static int request_work(struct pg *pg, void *context, struct err *err)
{
    struct request_context *c = context;
    struct pg_params p = {0};
    if (uuid_new(&c->evaluation, err) < 0 ||
        policy_order_on(pg, c->project, c->order->order, &c->job, NULL, err) < 0)
        return -1;
    pg_param_uuid(&p, &c->evaluation);
    pg_param_uuid(&p, c->project);
    pg_param_uuid(&p, &c->job);
    pg_param_uuid(&p, &c->order->policy);
    pg_param_uuid(&p, &c->order->against);
    pg_param_uuid(&p, c->order->fit);
    return ask(pg, QUERY_evaluation_order, &p, NULL, err);
}

int evaluation_request(struct pool *pool, const struct uuid *project, const struct evaluation_order *order,
                       struct uuid *ret_evaluation, struct uuid *ret_job, struct err *err)
{
    struct request_context c = {.project = project, .order = order};
    if (transaction_run(pool, TRANSACTION_WRITE, 0, request_work, &c, err) < 0)
        return -1;
    *ret_evaluation = c.evaluation;
    *ret_job = c.job;
    return 0;
}

int evaluation_get(struct pool *pool, const struct uuid *project, const struct uuid *evaluation, struct buf *out,
                   struct err *err)
{
    return document_get(pool, QUERY_evaluation_get, project, evaluation, out, err);
}

int evaluation_list(struct pool *pool, const struct uuid *project, const struct page *page, struct buf *out,
                    struct err *err)
{
    return document_page(pool, QUERY_evaluation_list, project, page_by_uuid, page, out, err);
}

/* ---- for run-job ---- */

/* A copy in the arena with a NUL behind it; ptr NULL when it was NULL, or when there is no memory. */
static struct str keep(struct arena *arena, struct str text)
{
    return text.ptr ? (struct str){arena_strndup(arena, text.ptr, text.len), text.len} : text;
}

static struct evaluation_policy policy_at(const struct pg_result *r, int column, struct arena *arena)
{
    return (struct evaluation_policy){.id = pg_uuid(r, 0, column),
                                      .name = (char *)keep(arena, pg_text(r, 0, column + 1)).ptr};
}

static int take_task(const struct pg_result *r, struct arena *arena, struct evaluation_task *ret, struct err *err)
{
    if (pg_rows(r) == 0)
        return err_set(err, ERR_INTERNAL, "the job has no evaluation");
    if (pg_null(r, 0, 7))
        return err_set(err, ERR_NOT_READY, "there is no fit with groups to ask");
    *ret = (struct evaluation_task){.id = pg_uuid(r, 0, 0),
                                    .policy = policy_at(r, 1, arena),
                                    .against = policy_at(r, 3, arena),
                                    .has_parent = !pg_null(r, 0, 5),
                                    .fit = pg_uuid(r, 0, 7),
                                    .groups = (int)pg_int(r, 0, 10)};
    if (ret->has_parent)
        ret->parent = policy_at(r, 5, arena);
    struct str options = keep(arena, pg_text(r, 0, 8));
    ret->fit_options = (char *)options.ptr;
    ret->fit_options_length = options.len;
    ret->model = keep(arena, pg_text(r, 0, 9));
    if (!ret->policy.name || !ret->against.name || !ret->fit_options || !ret->model.ptr)
        return err_memory(err);
    return 0;
}

static int read_groups(struct pg *pg, struct arena *arena, struct evaluation_task *task, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, &task->fit);
    if (ask(pg, QUERY_evaluation_groups, &p, &r, err) < 0)
        return -1;
    int result = pg_rows(r) == task->groups ? 0 : err_set(err, ERR_INTERNAL, "a fit has lost some of its groups");
    task->group = arena_zeroed(arena, (size_t)task->groups, sizeof *task->group);
    for (int u = 0; u < task->groups && task->group && result == 0; u++) {
        task->group[u] = (struct evaluation_group){
            .lineage = pg_uuid(r, u, 0), .name = keep(arena, pg_text(r, u, 1)), .weight = pg_double(r, u, 2)};
        if (!task->group[u].name.ptr)
            result = err_memory(err);
    }
    pg_result_free(r);
    return task->group ? result : err_memory(err);
}

int evaluation_task_of(struct pg *pg, const struct job_lease *lease, struct arena *arena, struct evaluation_task *ret,
                       struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, &lease->job);
    if (ask(pg, QUERY_evaluation_task, &p, &r, err) < 0)
        return -1;
    int result = take_task(r, arena, ret, err);
    pg_result_free(r);
    return result < 0 ? -1 : read_groups(pg, arena, ret, err);
}

int evaluation_items(struct pg *pg, const struct uuid *project, int most, struct arena *arena, struct uuid **ret_id,
                     struct str **ret_text, int *ret_count, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, project);
    pg_param_int(&p, most);
    if (ask(pg, QUERY_evaluation_items, &p, &r, err) < 0)
        return -1;
    int n = pg_rows(r), result = 0;
    struct uuid *id = arena_zeroed(arena, (size_t)n + 1, sizeof *id);
    struct str *text = arena_zeroed(arena, (size_t)n + 1, sizeof *text);
    for (int i = 0; i < n && id && text && result == 0; i++) {
        id[i] = pg_uuid(r, i, 0);
        text[i] = keep(arena, pg_text(r, i, 1));
        if (!text[i].ptr)
            result = err_memory(err);
    }
    pg_result_free(r);
    if (!id || !text)
        return err_memory(err);
    *ret_id = id;
    *ret_text = text;
    *ret_count = n;
    return result;
}

int evaluation_judgements(struct pg *pg, const struct uuid *project, const struct evaluation_task *task,
                          struct arena *arena, struct evaluation_judgement **ret, int *ret_count, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, project);
    pg_param_cstr(&p, task->policy.name);
    pg_param_cstr(&p, task->against.name);
    pg_param_uuid(&p, &task->fit);
    if (ask(pg, QUERY_evaluation_judgements, &p, &r, err) < 0)
        return -1;
    int n = pg_rows(r);
    struct evaluation_judgement *list = arena_zeroed(arena, (size_t)n + 1, sizeof *list);
    for (int i = 0; i < n && list; i++)
        list[i] = (struct evaluation_judgement){.annotator = pg_uuid(r, i, 0),
                                                .outcome = (int)pg_int(r, i, 1),
                                                .ordinal = pg_null(r, i, 2) ? -1 : (int)pg_int(r, i, 2)};
    pg_result_free(r);
    *ret = list;
    *ret_count = n;
    return list ? 0 : err_memory(err);
}

/* ---- publishing ---- */

struct publish {
    const struct job_lease *lease;
    const struct evaluation_task *task;
    struct str document;
    int (*render)(void *context, int count, const struct evaluation_figures *all, struct buf *out, struct err *err);
    void *context;
};

static int store_document(struct pg *pg, const struct publish *c, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, &c->lease->project);
    if (ask(pg, QUERY_evaluation_lock, &p, &r, err) < 0)
        return -1;
    pg_result_free(r);
    pg_param_uuid(&p, &c->task->id);
    pg_param_text(&p, c->document);
    pg_param_uuid(&p, &c->task->fit);
    return ask(pg, QUERY_evaluation_publish, &p, NULL, err);
}

/* Renders from views into the rows. */
static int render_standing(struct pg *pg, const struct publish *c, struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    struct arena arena = {0};
    pg_param_uuid(&p, &c->lease->project);
    if (ask(pg, QUERY_evaluation_figures, &p, &r, err) < 0)
        return -1;
    int n = pg_rows(r);
    struct evaluation_figures *all = arena_zeroed(&arena, (size_t)n + 1, sizeof *all);
    for (int i = 0; i < n && all; i++)
        all[i] = (struct evaluation_figures){.id = pg_uuid(r, i, 0),
                                             .policy = pg_text(r, i, 1),
                                             .against = pg_text(r, i, 2),
                                             .objective = pg_text(r, i, 3),
                                             .published_at = pg_time(r, i, 4),
                                             .result = pg_text(r, i, 5)};
    int result = all ? c->render(c->context, n, all, out, err) : err_memory(err);
    pg_result_free(r);
    arena_free(&arena);
    return result;
}

static int publish_work(struct pg *pg, void *context, struct err *err)
{
    const struct publish *c = context;
    struct buf standing = {0};
    struct pg_params p = {0};
    int result = -1;
    if (job_hold(pg, c->lease, err) < 0 || store_document(pg, c, err) < 0 ||
        render_standing(pg, c, &standing, err) < 0)
        goto out;
    pg_param_uuid(&p, &c->lease->project);
    pg_param_text(&p, (struct str){standing.data, standing.length});
    if (ask(pg, QUERY_evaluation_standing, &p, NULL, err) == 0)
        result = job_end(pg, c->lease, JOB_DONE, NULL, "done", err);
out:
    buf_free(&standing);
    return result;
}

int evaluation_store(struct pg *pg, const struct job_lease *lease, const struct evaluation_task *task,
                     struct str document,
                     int (*render)(void *context, int count, const struct evaluation_figures *all, struct buf *out,
                                   struct err *err),
                     void *context, struct err *err)
{
    struct publish c = {lease, task, document, render, context};
    return transaction_on(pg, TRANSACTION_WRITE, publish_work, &c, err);
}
