#include "api/resource/resource.h"
#include "base/json_text.h"
#include "base/metrics.h"
#include "base/version.h"
#include "store/pool.h"

static int answer_status(struct request *r, const char *status)
{
    struct buf body = {0};
    json_open(&body, '{');
    json_key(&body, "status");
    json_put_text(&body, status);
    json_close(&body, '}');
    reply_json(&r->reply, 200, &body);
    return 0;
}

int on_healthz(struct request *r, struct err *err)
{
    (void)err;
    return answer_status(r, "alive");
}

int on_readyz(struct request *r, struct err *err)
{
    if (atomic_load(&r->api->draining))
        return err_set(err, ERR_DRAINING, "the daemon is stopping");
    if (!atomic_load(&r->api->database_up) || !tokens_ready(r->api->tokens) || !pool_healthy(r->api->pool))
        return err_set(err, ERR_DATABASE_DOWN, "the database does not answer");
    return answer_status(r, "ready");
}

int on_metrics(struct request *r, struct err *err)
{
    (void)err;
    struct buf body = {0};
    metrics_render(&body);
    reply_json(&r->reply, 200, &body);
    r->reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return 0;
}

int on_version(struct request *r, struct err *err)
{
    (void)err;
    struct buf body = {0};
    json_open(&body, '{');
    json_key(&body, "version");
    json_put_text(&body, version_number);
    json_key(&body, "revision");
    json_put_text(&body, version_revision);
    json_close(&body, '}');
    reply_json(&r->reply, 200, &body);
    return 0;
}

int on_openapi(struct request *r, struct err *err)
{
    (void)err;
    reply_document(&r->reply, document_hold(r->api->openapi), request_header(r, "If-None-Match"));
    return 0;
}
