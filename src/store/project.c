#include "store/project.h"

#include "base/buf.h"
#include "store/pool.h"

static void add_number(struct pg_params *p, int64_t value)
{
    if (value < 0)
        pg_param_null(p);
    else
        pg_param_int(p, value);
}

static void add_settings(struct pg_params *p, const struct project_settings *settings)
{
    pg_param_text(p, settings->title);
    add_number(p, settings->refit_after_comparisons);
    add_number(p, settings->refit_after_seconds);
    pg_param_text(p, settings->fit_options);
}

/* The project of that name is there already: the same, or another? */
static int find_same(struct pool *pool, struct str name, const struct project_settings *settings, struct uuid *ret,
                     struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_text(&p, name);
    add_settings(&p, settings);
    int status = pool_query(pool, QUERY_project_same, &p, &r, err);
    if (status == 0 && (pg_rows(r) == 0 || !pg_bool(r, 0, 1)))
        status = err_at(err, ERR_CONFLICT, "/name", "a project of this name exists with other settings");
    if (status == 0)
        *ret = pg_uuid(r, 0, 0);
    pg_result_free(r);
    pg_params_free(&p);
    return status;
}

int project_create(struct pool *pool, struct str name, const struct project_settings *settings, bool *ret_created,
                   struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    struct uuid id;
    if (uuid_new(&id, err) < 0)
        return -1;
    pg_param_uuid(&p, &id);
    pg_param_text(&p, name);
    add_settings(&p, settings);
    int status = pool_query(pool, QUERY_project_create, &p, &r, err);
    *ret_created = status == 0 && pg_rows(r) == 1;
    if (status == 0 && !*ret_created)
        status = find_same(pool, name, settings, &id, err);
    if (status == 0)
        status = project_get(pool, &id, out, err);
    pg_result_free(r);
    pg_params_free(&p);
    return status;
}

int project_find(struct pool *pool, struct str name, struct uuid *ret, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_text(&p, name);
    int status = pool_query(pool, QUERY_project_find, &p, &r, err);
    if (status == 0 && pg_rows(r) == 0)
        status = err_set(err, ERR_NOT_FOUND, "there is no such project");
    if (status == 0)
        *ret = pg_uuid(r, 0, 0);
    pg_result_free(r);
    pg_params_free(&p);
    return status;
}

int project_get(struct pool *pool, const struct uuid *project, struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    int status = query_json(pool, QUERY_project_get, &p, out, err);
    pg_params_free(&p);
    return status;
}

int project_list(struct pool *pool, const struct uuid *only, const struct page *page, struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    int status = page_by_text(page, &p, err);
    pg_param_uuid(&p, only);
    if (status == 0)
        status = query_json(pool, QUERY_project_list, &p, out, err);
    pg_params_free(&p);
    return status;
}

int project_patch(struct pool *pool, const struct uuid *project, const struct project_settings *settings,
                  struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    add_settings(&p, settings);
    int status = pool_query(pool, QUERY_project_patch, &p, NULL, err);
    if (status == 0)
        status = project_get(pool, project, out, err);
    pg_params_free(&p);
    return status;
}
