#include "store/fit.h"

#include "api/projects.h"
#include "api/resource/resource.h"
#include "formats/fit_options.h"
#include "store/fit_read.h"

int on_fits_post(struct request *r, struct err *err)
{
    const struct fit_settings *settings = r->input;
    if (fit_settings_check(settings, "", err) < 0)
        return -1;
    struct buf options = {0}, body = {0};
    struct uuid fit, job;
    bool created = false;
    char text[UUID_TEXT_SIZE];
    fit_settings_write(&options, settings);
    int status = options.failed ? err_memory(err)
                                : fit_request(r->api->pool, &r->project, (struct str){options.data, options.length},
                                              &r->who.token, r->traceparent, &fit, &job, &created, err);
    buf_free(&options);
    if (status == 0)
        status = fit_get(r->api->pool, &r->project, &fit, &body, err);
    if (status == 0)
        reply_field(&r->reply, "Location",
                    arena_printf(&r->arena, "/v1/projects/%s/fits/%s", request_parameter(r, "project").ptr,
                                 uuid_format(&fit, text)));
    return answer_json(r, status, created ? 202 : 200, &body);
}

int on_fits_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct page page = request_page(r);
    if (fit_list(r->api->pool, &r->project, &page, &body, err) < 0)
        return answer_json(r, -1, 0, &body);
    return answer_page(r, &body, err);
}

int on_fit_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct uuid fit;
    if (request_uuid(r, "fit", &fit, err) < 0)
        return -1;
    return answer_json(r, fit_get(r->api->pool, &r->project, &fit, &body, err), 200, &body);
}

int on_fit_publish(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct uuid fit;
    if (request_uuid(r, "fit", &fit, err) < 0)
        return -1;
    int status = fit_publish(r->api->pool, &r->project, &fit, &body, err);
    if (status == 0)
        projects_drop_win_rates(r->api->projects, &r->project);
    return answer_json(r, status, 200, &body);
}
