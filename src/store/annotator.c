#include "store/annotator.h"

#include "store/pool.h"

int annotator_get(struct pool *pool, const struct uuid *project, const struct uuid *annotator, struct buf *out,
                  struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    pg_param_uuid(&p, annotator);
    int status = query_json(pool, QUERY_annotator_get, &p, out, err);
    pg_params_free(&p);
    return status;
}

int annotator_list(struct pool *pool, const struct uuid *project, const struct page *page, struct buf *out,
                   struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    int status = page_by_text(page, &p, err);
    if (status == 0)
        status = query_json(pool, QUERY_annotator_list, &p, out, err);
    pg_params_free(&p);
    return status;
}
