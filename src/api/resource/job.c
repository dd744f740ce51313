#include "store/job.h"

#include "api/follow.h"
#include "api/resource/resource.h"
#include "formats/fit_options.h"
#include "store/fit.h"

struct job_body {
    struct json_seen seen;
    int kind;
    struct fit_settings options;
};

static const char *const kinds[] = {"fit", NULL};
const char *const job_states[] = {"queued", "running", "done", "failed", "cancelled", NULL};

static const struct json_field fields[] = {
    JSON_FIELD(ENUM, struct job_body, kind, "kind", .flags = JSON_REQUIRED, .names = kinds,
               .about = "What is to be done.", .example = "\"fit\""),
    JSON_FIELD_OBJECT(struct job_body, options, "options", &fit_settings_shape, .about = "Options of the fit.",
                      .example = "{\"k_max\":6}"),
};

const struct json_shape job_body_shape = JSON_SHAPE(struct job_body, fields, "NewJob", "Work to be done.");

int on_jobs_post(struct request *r, struct err *err)
{
    const struct job_body *b = r->input;
    if (fit_settings_check(&b->options, "/options", err) < 0)
        return -1;
    struct buf options = {0}, body = {0};
    struct uuid fit, job;
    bool created = false;
    char text[UUID_TEXT_SIZE];
    fit_settings_write(&options, &b->options);
    int status = options.failed ? err_memory(err)
                                : fit_request(r->api->pool, &r->project, (struct str){options.data, options.length},
                                              &r->who.token, r->traceparent, &fit, &job, &created, err);
    buf_free(&options);
    if (status == 0)
        status = job_get(r->api->pool, &r->project, &job, &body, err);
    if (status == 0)
        reply_field(&r->reply, "Location",
                    arena_printf(&r->arena, "/v1/projects/%s/jobs/%s", request_parameter(r, "project").ptr,
                                 uuid_format(&job, text)));
    return answer_json(r, status, created ? 202 : 200, &body);
}

int on_jobs_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct page page = request_page(r);
    if (job_list(r->api->pool, &r->project, target_query(&r->target, "state").ptr, &page, &body, err) < 0)
        return answer_json(r, -1, 0, &body);
    return answer_page(r, &body, err);
}

/* Answers `status` with what one of the store's functions says of the job in the path. */
static int answer_job(struct request *r, int status,
                      int (*ask)(struct pool *, const struct uuid *, const struct uuid *, struct buf *, struct err *),
                      struct err *err)
{
    struct buf body = {0};
    struct uuid job;
    if (request_uuid(r, "job", &job, err) < 0)
        return -1;
    return answer_json(r, ask(r->api->pool, &r->project, &job, &body, err), status, &body);
}

int on_job_get(struct request *r, struct err *err)
{
    return answer_job(r, 200, job_get, err);
}

int on_job_cancel(struct request *r, struct err *err)
{
    return answer_job(r, 200, job_cancel, err);
}

int on_job_retry(struct request *r, struct err *err)
{
    return answer_job(r, 202, job_retry, err);
}

int on_job_log(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct uuid job;
    struct page page = request_page(r);
    int64_t after = 0;
    if (request_uuid(r, "job", &job, err) < 0)
        return -1;
    if (page.cursor.ptr && (!str_to_int64(page.cursor, &after) || after < 0))
        return err_set(err, ERR_INVALID_REQUEST, "the cursor of a log is the number of a line");
    bool follow = request_asks(r, "follow");
    if (job_log(r->api->pool, &r->project, &job, after, follow ? 1 : page.limit, &body, NULL, NULL, err) < 0)
        return answer_json(r, -1, 0, &body);
    if (!follow)
        return answer_page(r, &body, err);
    buf_free(&body);
    r->reply.status = 200;
    r->reply.content_type = "application/x-ndjson";
    return follow_open(r->api->followers, r->connection, &r->project, &job, after, &r->reply.stream, err);
}
