#include "store/job_series.h"

#include <string.h>

#include "store/pg.h"
#include "store/pool.h"

/* Runs a write under the lease; `arrays` may be freed afterwards. */
static int store(struct pg *pg, enum query query, struct pg_params *params, struct err *err)
{
    struct pg_result *result = NULL;
    int status = pg_query(pg, query, params, &result, err);
    if (status == 0 && pg_rows(result) == 0)
        status = err_set(err, ERR_LEASE_LOST, "the lease on the job is lost");
    pg_result_free(result);
    pg_params_free(params);
    return status;
}

static void param_lease(struct pg_params *p, const struct job_lease *lease)
{
    pg_param_uuid(p, &lease->job);
    pg_param_uuid(p, &lease->token);
}

int job_metrics_store(struct pg *pg, const struct job_lease *lease, const struct job_figures *figures, int count,
                      struct err *err)
{
    struct pg_params p = {0};
    struct pg_array step = {0}, at = {0}, json = {0};
    pg_array_start(&step, PG_INT4);
    pg_array_start(&at, PG_TIMESTAMPTZ);
    pg_array_start(&json, PG_TEXT);
    for (int i = 0; i < count; i++) {
        pg_array_int(&step, figures[i].step);
        pg_array_time(&at, figures[i].wall_us);
        pg_array_text(&json, figures[i].json);
    }
    param_lease(&p, lease);
    pg_param_array(&p, &step);
    pg_param_array(&p, &at);
    pg_param_array(&p, &json);
    int status = store(pg, QUERY_job_metrics_store, &p, err);
    buf_free(&step.bytes);
    buf_free(&at.bytes);
    buf_free(&json.bytes);
    return status;
}

int job_samples_store(struct pg *pg, const struct job_lease *lease, int64_t step, const struct job_sample *samples,
                      int count, struct err *err)
{
    struct pg_params p = {0};
    struct pg_array line = {0}, prompt = {0}, response = {0}, json = {0};
    pg_array_start(&line, PG_INT2);
    pg_array_start(&prompt, PG_TEXT);
    pg_array_start(&response, PG_TEXT);
    pg_array_start(&json, PG_TEXT);
    for (int i = 0; i < count; i++) {
        pg_array_int(&line, i);
        pg_array_text(&prompt, samples[i].prompt);
        pg_array_text(&response, samples[i].response);
        pg_array_text(&json, samples[i].json);
    }
    param_lease(&p, lease);
    pg_param_int(&p, step);
    pg_param_array(&p, &line);
    pg_param_array(&p, &prompt);
    pg_param_array(&p, &response);
    pg_param_array(&p, &json);
    int status = store(pg, QUERY_job_samples_store, &p, err);
    buf_free(&line.bytes);
    buf_free(&prompt.bytes);
    buf_free(&response.bytes);
    buf_free(&json.bytes);
    return status;
}

static int missing(struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "there is no such job in this project");
}

static int read_page(struct pool *pool, enum query query, const struct uuid *project, const struct uuid *job,
                     int64_t after, int limit, struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    pg_param_uuid(&p, job);
    pg_param_int(&p, after);
    pg_param_int(&p, limit);
    int status = query_json(pool, query, &p, out, err);
    pg_params_free(&p);
    return status < 0 && err->code == ERR_NOT_FOUND ? missing(err) : status;
}

int job_metrics(struct pool *pool, const struct uuid *project, const struct uuid *job, int64_t after, int limit,
                struct buf *out, struct err *err)
{
    return read_page(pool, QUERY_job_metrics, project, job, after, limit, out, err);
}

int job_samples(struct pool *pool, const struct uuid *project, const struct uuid *job, int64_t position, int limit,
                struct buf *out, struct err *err)
{
    return read_page(pool, QUERY_job_samples, project, job, position, limit, out, err);
}

/* Row `i` of job_events; `cursor` goes on to behind it. */
static struct job_event event_at(const struct pg_result *r, int i, struct job_cursor *cursor)
{
    struct job_event e = {.json = pg_text(r, i, 3)};
    struct str kind = pg_text(r, i, 0);
    if (str_is(kind, "log")) {
        e.kind = JOB_EVENT_LOG;
        cursor->line = pg_int(r, i, 1);
    } else if (str_is(kind, "metrics")) {
        e.kind = JOB_EVENT_METRICS;
        cursor->step = pg_int(r, i, 2);
    } else {
        e.kind = JOB_EVENT_STATE;
        e.ended = pg_int(r, i, 1) != 0;
        e.state = pg_int(r, i, 2);
    }
    e.cursor = *cursor;
    return e;
}

int job_events(struct pool *pool, const struct uuid *project, const struct uuid *job, struct job_cursor cursor,
               int limit, void (*take)(void *context, const struct job_event *event), void *context, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, project);
    pg_param_uuid(&p, job);
    pg_param_int(&p, cursor.line);
    pg_param_int(&p, cursor.step);
    pg_param_int(&p, limit);
    int status = pool_query(pool, QUERY_job_events, &p, &r, err);
    pg_params_free(&p);
    if (status < 0)
        return -1;
    int rows = pg_rows(r);
    for (int i = 0; i < rows; i++) {
        struct job_event e = event_at(r, i, &cursor);
        take(context, &e);
    }
    pg_result_free(r);
    return rows ? 0 : missing(err);
}
