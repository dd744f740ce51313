#include "store/job.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json_text.h"
#include "store/pg.h"
#include "store/pool.h"

enum { CLAIM_TRIES = 20 };

static const char *const outcome_names[] = {
    [JOB_DONE] = "done",
    [JOB_FAILED] = "failed",
    [JOB_CANCELLED] = "cancelled",
};

static int lost(struct err *err)
{
    return err_set(err, ERR_LEASE_LOST, "the lease on the job is lost: it was given to another worker, or has ended");
}

static int missing(struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "there is no such job in this project");
}

/* Runs `query` with parameters that are freed here. Returns the number of rows, or -1; *ret (may be NULL) is the
 * caller's when there are any. */
static int run(struct pg *pg, enum query query, struct pg_params *params, struct pg_result **ret, struct err *err)
{
    struct pg_result *result = NULL;
    int rows = -1;
    if (pg_query(pg, query, params, &result, err) == 0)
        rows = pg_rows(result);
    pg_params_free(params);
    if (ret && rows > 0)
        *ret = result;
    else
        pg_result_free(result);
    return rows;
}

/* As run, for a write under a lease that gives a row when the lease was good. */
static int run_leased(struct pg *pg, enum query query, struct pg_params *params, struct pg_result **ret,
                      struct err *err)
{
    int rows = run(pg, query, params, ret, err);
    if (rows == 0)
        return lost(err);
    return rows < 0 ? -1 : 0;
}

static void param_ids(struct pg_params *p, const struct uuid *first, const struct uuid *second)
{
    pg_param_uuid(p, first);
    pg_param_uuid(p, second);
}

/* ---- documents ---- */

int job_get(struct pool *pool, const struct uuid *project, const struct uuid *job, struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    param_ids(&p, project, job);
    int result = query_json(pool, QUERY_job_get, &p, out, err);
    pg_params_free(&p);
    if (result < 0 && err && err->code == ERR_NOT_FOUND)
        return missing(err);
    return result;
}

int job_list(struct pool *pool, const struct uuid *project, const char *state, const struct page *page,
             struct buf *out, struct err *err)
{
    struct uuid cursor;
    if (page->cursor.ptr && !uuid_parse(page->cursor, &cursor))
        return err_set(err, ERR_INVALID_REQUEST, "the cursor is none that was given out here");
    struct pg_params p = {0};
    param_ids(&p, project, page->cursor.ptr ? &cursor : NULL);
    pg_param_int(&p, page->limit);
    pg_param_cstr(&p, state);
    int result = query_json(pool, QUERY_job_list, &p, out, err);
    pg_params_free(&p);
    return result;
}

/* A change that is only allowed in some states: `query`, then the job as it is; ERR_CONFLICT with `refusal` when it
 * changed nothing though the job is there. */
static int change(struct pool *pool, enum query query, const struct uuid *project, const struct uuid *job,
                  const char *refusal, struct buf *out, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    size_t before = out->length;
    param_ids(&p, project, job);
    int result = pool_query(pool, query, &p, &r, err);
    pg_params_free(&p);
    if (result < 0)
        return -1;
    bool changed = pg_rows(r) > 0;
    pg_result_free(r);
    if (job_get(pool, project, job, out, err) < 0)
        return -1;
    if (changed)
        return 0;
    out->length = before;
    return err_set(err, ERR_CONFLICT, "%s", refusal);
}

int job_cancel(struct pool *pool, const struct uuid *project, const struct uuid *job, struct buf *out, struct err *err)
{
    return change(pool, QUERY_job_cancel, project, job, "the job has already ended", out, err);
}

int job_retry(struct pool *pool, const struct uuid *project, const struct uuid *job, struct buf *out, struct err *err)
{
    return change(pool, QUERY_job_retry, project, job, "only a failed or cancelled job can be tried again", out, err);
}

int job_log(struct pool *pool, const struct uuid *project, const struct uuid *job, int64_t after, int limit,
            struct buf *out, int64_t *ret_last, bool *ret_ended, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    param_ids(&p, project, job);
    pg_param_int(&p, after);
    pg_param_int(&p, limit);
    int result = pool_query(pool, QUERY_job_log, &p, &r, err);
    pg_params_free(&p);
    if (result < 0)
        return -1;
    if (pg_rows(r) == 0) {
        pg_result_free(r);
        return missing(err);
    }
    struct str body = pg_text(r, 0, 0);
    buf_add(out, body.ptr, body.len);
    if (ret_last)
        *ret_last = pg_null(r, 0, 1) ? after : pg_int(r, 0, 1);
    if (ret_ended)
        *ret_ended = pg_bool(r, 0, 2);
    pg_result_free(r);
    return out->failed ? err_memory(err) : 0;
}

/* ---- workers ---- */

/* Cut to `size`, NUL included. */
static void copy_name(char *to, size_t size, struct str name)
{
    snprintf(to, size, "%.*s", (int)name.len, name.ptr);
}

int job_claim(struct pg *pg, const char *worker, int seconds, struct job_lease *ret, struct err *err)
{
    struct pg_result *r = NULL;
    int rows = -1;
    /* Two claimers may see the same project idle; the unique index stops one of them, which then looks again. */
    for (int try = 0; try < CLAIM_TRIES && rows < 0; try++) {
        struct err failure = {0};
        struct pg_params p = {0};
        pg_param_cstr(&p, worker);
        pg_param_int(&p, seconds);
        rows = run(pg, QUERY_job_claim, &p, &r, &failure);
        if (rows < 0 && failure.code != ERR_CONFLICT && failure.code != ERR_DATABASE_CONFLICT) {
            *err = failure;
            return -1;
        }
    }
    if (rows <= 0) /* refused again and again: others are claiming, and this one comes back later */
        return 0;
    *ret = (struct job_lease){.job = pg_uuid(r, 0, 0), .project = pg_uuid(r, 0, 1), .token = pg_uuid(r, 0, 3),
                              .attempt = (int)pg_int(r, 0, 4)};
    copy_name(ret->project_name, sizeof ret->project_name, pg_text(r, 0, 2));
    copy_name(ret->kind, sizeof ret->kind, pg_text(r, 0, 5));
    pg_result_free(r);
    return 1;
}

int job_lease_find(struct pg *pg, const struct uuid *job, const struct uuid *token, struct job_lease *ret,
                   struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    param_ids(&p, job, token);
    if (run_leased(pg, QUERY_job_lease, &p, &r, err) < 0)
        return -1;
    *ret = (struct job_lease){
        .job = *job, .token = *token, .project = pg_uuid(r, 0, 0), .attempt = (int)pg_int(r, 0, 2)};
    copy_name(ret->project_name, sizeof ret->project_name, pg_text(r, 0, 1));
    copy_name(ret->kind, sizeof ret->kind, pg_text(r, 0, 3));
    pg_result_free(r);
    return 0;
}

int job_params(struct pg *pg, const struct job_lease *lease, struct arena *arena, char **ret, size_t *ret_length,
               struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    param_ids(&p, &lease->job, &lease->token);
    if (run_leased(pg, QUERY_job_params, &p, &r, err) < 0)
        return -1;
    struct str text = pg_text(r, 0, 0);
    *ret = arena_strndup(arena, text.ptr, text.len);
    *ret_length = text.len;
    pg_result_free(r);
    return *ret ? 0 : err_memory(err);
}

int job_heartbeat(struct pg *pg, const struct job_lease *lease, int seconds, bool *ret_cancel, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    param_ids(&p, &lease->job, &lease->token);
    pg_param_int(&p, seconds);
    if (run_leased(pg, QUERY_job_heartbeat, &p, &r, err) < 0)
        return -1;
    *ret_cancel = pg_bool(r, 0, 0);
    pg_result_free(r);
    return 0;
}

int job_progress(struct pg *pg, const struct job_lease *lease, const char *stage, double share, const char *metrics,
                 struct err *err)
{
    struct pg_params p = {0};
    param_ids(&p, &lease->job, &lease->token);
    pg_param_cstr(&p, stage);
    pg_param_double(&p, share);
    pg_param_cstr(&p, metrics);
    return run_leased(pg, QUERY_job_progress, &p, NULL, err);
}

int job_say(struct pg *pg, const struct job_lease *lease, const char *level, const char *message, struct err *err)
{
    struct pg_params p = {0};
    param_ids(&p, &lease->job, &lease->token);
    pg_param_cstr(&p, level);
    pg_param_cstr(&p, message);
    return run_leased(pg, QUERY_job_say, &p, NULL, err);
}

int job_hold(struct pg *pg, const struct job_lease *lease, struct err *err)
{
    struct pg_params p = {0};
    param_ids(&p, &lease->job, &lease->token);
    return run_leased(pg, QUERY_job_hold, &p, NULL, err);
}

int job_end(struct pg *pg, const struct job_lease *lease, enum job_outcome outcome, const struct err *why,
            const char *reason, struct err *err)
{
    CHECK((outcome == JOB_FAILED) == (why != NULL));
    struct pg_params p = {0};
    struct buf error = {0};
    int result = -1;
    if (why) {
        json_open(&error, '{');
        json_member_text(&error, "code", err_info(why->code)->wire);
        json_member_text(&error, "message", why->message);
        json_close(&error, '}');
    }
    param_ids(&p, &lease->job, &lease->token);
    pg_param_cstr(&p, outcome_names[outcome]);
    pg_param_text(&p, (struct str){error.data, error.length});
    pg_param_cstr(&p, reason);
    if (error.failed) {
        pg_params_free(&p);
        err_memory(err);
    } else {
        result = run_leased(pg, QUERY_job_end, &p, NULL, err);
    }
    buf_free(&error);
    return result;
}

int job_release(struct pg *pg, const struct job_lease *lease, enum err_code failure, int most, const char *reason,
                struct err *err)
{
    struct pg_params p = {0};
    param_ids(&p, &lease->job, &lease->token);
    pg_param_cstr(&p, reason);
    pg_param_cstr(&p, failure == ERR_OK ? NULL : err_info(failure)->wire);
    pg_param_int(&p, most);
    return run_leased(pg, QUERY_job_release, &p, NULL, err);
}

int job_recover(struct pg *pg, int most, int *ret_failed, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_int(&p, most);
    int rows = run(pg, QUERY_job_recover, &p, &r, err);
    *ret_failed = 0;
    for (int i = 0; i < rows; i++)
        *ret_failed += str_is(pg_text(r, i, 1), "failed");
    if (rows > 0)
        pg_result_free(r);
    return rows;
}

int job_folder_due(struct pg *pg, const struct uuid *jobs, size_t count, int hours, struct uuid *ret, struct err *err)
{
    struct pg_params p = {0};
    struct pg_array ids = {0};
    struct pg_result *r = NULL;
    pg_array_start(&ids, PG_UUID);
    for (size_t i = 0; i < count; i++)
        pg_array_uuid(&ids, &jobs[i]);
    pg_param_array(&p, &ids);
    pg_param_int(&p, hours);
    int rows = run(pg, QUERY_job_folder_due, &p, &r, err);
    if (rows > 0) {
        *ret = pg_uuid(r, 0, 0);
        pg_result_free(r);
    }
    buf_free(&ids.bytes);
    return rows;
}
