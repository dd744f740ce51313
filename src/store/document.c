#include "store/document.h"

int document_get(struct pool *pool, enum query query, const struct uuid *project, const struct uuid *id,
                 struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    if (id)
        pg_param_uuid(&p, id);
    int status = query_json(pool, query, &p, out, err);
    pg_params_free(&p);
    return status;
}

int document_page(struct pool *pool, enum query query, const struct uuid *project, page_by *by,
                  const struct page *page, struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    int status = by(page, &p, err);
    if (status == 0)
        status = query_json(pool, query, &p, out, err);
    pg_params_free(&p);
    return status;
}
