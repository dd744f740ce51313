#include "store/fit.h"

#include <stdio.h>

#include "api/projects.h"
#include "api/published.h"
#include "api/resource/resource.h"
#include "formats/fit_options.h"
#include "store/fit_read.h"

static int ask(struct request *r, const struct fit_settings *settings, const char *pointer, struct uuid *ret_fit,
               struct uuid *ret_job, bool *ret_created, struct err *err)
{
    struct buf options = {0};
    if (fit_settings_check(settings, pointer, err) < 0)
        return -1;
    fit_settings_write(&options, settings);
    int status = options.failed
                     ? err_memory(err)
                     : fit_request(r->api->pool, &r->project, (struct str){options.data, options.length},
                                   &r->who.token, r->traceparent, ret_fit, ret_job, ret_created, err);
    buf_free(&options);
    if (status < 0 && err->code == ERR_INVALID_VALUE) /* of what is stored, that can only be the policy */
        snprintf(err->pointer, sizeof err->pointer, "%s/policy", pointer);
    return status;
}

int ask_for_fit(struct request *r, void *options, const char *pointer, struct uuid *ret_job, bool *ret_created,
                struct err *err)
{
    struct uuid fit;
    return ask(r, options, pointer, &fit, ret_job, ret_created, err);
}

int on_fits_post(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct uuid fit, job;
    bool created = false;
    char text[UUID_TEXT_SIZE];
    int status = ask(r, r->input, "", &fit, &job, &created, err);
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
    return answer_list(r, fit_list, err);
}

int on_fit_get(struct request *r, struct err *err)
{
    return answer_one(r, "fit", 200, fit_get, err);
}

int on_fit_publish(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct uuid fit;
    if (request_uuid(r, "fit", &fit, err) < 0)
        return -1;
    int status = fit_publish(r->api->pool, &r->project, &fit, &body, err);
    if (status == 0) {
        projects_drop_win_rates(r->api->projects, &r->project);
        published_forget(r->api->published, &r->project);
    }
    return answer_json(r, status, 200, &body);
}
