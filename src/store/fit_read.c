#include "store/fit_read.h"

#include "store/document.h"
#include "store/pool.h"

int fit_get(struct pool *pool, const struct uuid *project, const struct uuid *fit, struct buf *out, struct err *err)
{
    return document_get(pool, QUERY_fit_get, project, fit, out, err);
}

int fit_list(struct pool *pool, const struct uuid *project, const struct page *page, struct buf *out, struct err *err)
{
    return document_page(pool, QUERY_fit_list, project, page_by_uuid, page, out, err);
}

int fit_publish(struct pool *pool, const struct uuid *project, const struct uuid *fit, struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, project);
    pg_param_uuid(&p, fit);
    int status = pool_query(pool, QUERY_fit_republish, &p, &r, err);
    bool published = status == 0 && pg_rows(r) > 0;
    pg_result_free(r);
    pg_params_free(&p);
    if (status == 0)
        status = fit_get(pool, project, fit, out, err);
    if (status == 0 && !published)
        status = err_set(err, ERR_NOT_READY, "the fit has no results yet");
    return status;
}

int group_list(struct pool *pool, const struct uuid *project, struct buf *out, struct err *err)
{
    return document_get(pool, QUERY_group_list, project, NULL, out, err);
}

int group_get(struct pool *pool, const struct uuid *project, const struct uuid *group, struct buf *out, struct err *err)
{
    return document_get(pool, QUERY_group_get, project, group, out, err);
}

int group_rename(struct pool *pool, const struct uuid *project, const struct uuid *group, struct str name,
                 struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    pg_param_uuid(&p, group);
    pg_param_text(&p, name);
    int status = pool_query(pool, QUERY_group_rename, &p, NULL, err);
    pg_params_free(&p);
    return status < 0 ? -1 : group_get(pool, project, group, out, err);
}

int membership_list(struct pool *pool, const struct uuid *project, const struct page *page, struct buf *out,
                    struct err *err)
{
    return document_page(pool, QUERY_membership_list, project, page_by_uuid, page, out, err);
}

/* What the rows of fit_published say. */
static int take_published(const struct pg_result *r, struct fit_published *ret, struct err *err)
{
    int groups = pg_rows(r);
    struct str model = groups > 0 ? pg_text(r, 0, 1) : (struct str){0};
    if (!model.ptr)
        return err_set(err, ERR_NOT_READY, "there is no fit with groups: ask for one, and wait until it is published");
    if (groups > FIT_PUBLISHED_GROUPS)
        return err_set(err, ERR_INTERNAL, "the fit has %d groups", groups);
    ret->fit = pg_uuid(r, 0, 0);
    ret->groups = groups;
    ret->one_suffices = str_is(pg_text(r, 0, 5), "one_group_suffices");
    buf_add(&ret->model, model.ptr, model.len);
    buf_add(&ret->encoder_policy, pg_text(r, 0, 6).ptr, pg_null(r, 0, 6) ? 0 : pg_text(r, 0, 6).len);
    for (int u = 0; u < groups; u++) {
        ret->group[u] = pg_uuid(r, u, 2);
        ret->weight[u] = pg_double(r, u, 3);
        ret->size[u] = pg_double(r, u, 4);
    }
    return ret->model.failed || ret->encoder_policy.failed ? err_memory(err) : 0;
}

static void param_fit(struct pg_params *p, const struct uuid *project, const struct uuid *fit)
{
    pg_param_uuid(p, project);
    pg_param_uuid(p, fit);
}

int fit_published(struct pool *pool, const struct uuid *project, const struct uuid *fit, struct fit_published *ret,
                  struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    param_fit(&p, project, fit);
    int status = pool_query(pool, QUERY_fit_published, &p, &r, err);
    if (status == 0)
        status = take_published(r, ret, err);
    pg_result_free(r);
    pg_params_free(&p);
    return status;
}

int fit_published_on(struct pg *pg, const struct uuid *project, const struct uuid *fit, struct fit_published *ret,
                     struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    param_fit(&p, project, fit);
    int status = pg_query(pg, QUERY_fit_published, &p, &r, err);
    if (status == 0)
        status = take_published(r, ret, err);
    pg_result_free(r);
    pg_params_free(&p);
    return status;
}

void fit_published_free(struct fit_published *f)
{
    buf_free(&f->model);
    buf_free(&f->encoder_policy);
}

int win_rates_get(struct pool *pool, const struct uuid *project, struct buf *body, struct buf *etag, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, project);
    int status = pool_query(pool, QUERY_win_rates_get, &p, &r, err);
    if (status == 0 && pg_rows(r) == 0)
        status = err_set(err, ERR_NOT_FOUND, "there is no such project");
    if (status == 0) {
        struct str text = pg_text(r, 0, 0), tag = pg_text(r, 0, 1);
        buf_add(body, text.ptr, text.len);
        buf_add(etag, tag.ptr, tag.len);
        status = body->failed || etag->failed ? err_memory(err) : 0;
    }
    pg_result_free(r);
    pg_params_free(&p);
    return status;
}
