#include "store/event.h"

#include "store/pool.h"

int event_list(struct pool *pool, const struct uuid *project, int64_t after, int limit,
               void (*take)(void *context, const struct event *event), void *context, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, project);
    pg_param_int(&p, after);
    pg_param_int(&p, limit);
    int status = pool_query(pool, QUERY_event_list, &p, &r, err);
    pg_params_free(&p);
    for (int i = 0; status == 0 && i < pg_rows(r); i++)
        take(context, &(struct event){pg_int(r, i, 0), pg_text(r, i, 1), pg_text(r, i, 2)});
    pg_result_free(r);
    return status;
}

int event_last(struct pool *pool, const struct uuid *project, int64_t *ret, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, project);
    int status = pool_query(pool, QUERY_event_last, &p, &r, err);
    pg_params_free(&p);
    if (status == 0)
        *ret = pg_int(r, 0, 0);
    pg_result_free(r);
    return status;
}
