#include <string.h>

#include "api/projects.h"
#include "api/resource/resource.h"
#include "base/mem.h"
#include "store/fit_read.h"

/* Reads the document of a project and keeps it in memory: one reference for the caller, or NULL with err. */
static struct document *read_document(struct api *api, const struct uuid *project, struct err *err)
{
    uint64_t generation = projects_generation(api->projects);
    struct buf body = {0}, etag = {0};
    struct document *d = NULL;
    if (win_rates_get(api->pool, project, &body, &etag, err) == 0) {
        d = body.failed || etag.failed ? NULL
                                       : document_new((struct str){body.data, body.length}, etag.data ? etag.data : "");
        if (!d)
            err_memory(err);
    }
    bool lasting = d && !strstr(d->bytes, "\"insufficient_data\"");
    projects_put_win_rates(api->projects, project, d, lasting, generation);
    buf_free(&body);
    buf_free(&etag);
    return d;
}

/* A document that is no longer fresh, to be read again while it is still shown. */
struct refresh {
    struct task task; /* first */
    struct api *api;
    struct uuid project;
};

static void run_refresh(struct task *task)
{
    struct refresh *f = (struct refresh *)task;
    struct err ignored; /* the old document stays, and the next request tries again */
    document_drop(read_document(f->api, &f->project, &ignored));
    mem_free(f);
}

static void start_refresh(struct request *r)
{
    struct refresh *f = mem_zeroed(1, sizeof *f);
    if (f)
        *f = (struct refresh){.task.run = run_refresh, .api = r->api, .project = r->project};
    if (f && executor_submit(r->api->readers, &f->task))
        return;
    mem_free(f);
    projects_put_win_rates(r->api->projects, &r->project, NULL, false, 0);
}

bool win_rates_from_memory(struct request *r)
{
    bool refresh;
    struct document *d =
        r->has_project ? projects_win_rates(r->api->projects, request_parameter(r, "project"), &refresh) : NULL;
    if (!d)
        return false;
    if (refresh)
        start_refresh(r);
    reply_document(&r->reply, d, request_header(r, "If-None-Match"));
    return true;
}

int on_win_rates_get(struct request *r, struct err *err)
{
    /* Others may have read it while this request waited for its turn. */
    if (win_rates_from_memory(r))
        return 0;
    struct document *d = read_document(r->api, &r->project, err);
    if (!d)
        return -1;
    reply_document(&r->reply, d, request_header(r, "If-None-Match"));
    return 0;
}
