#include "store/event.h"

#include "api/resource/resource.h"

/* Behind the event that the client has (Last-Event-ID), else behind `after`, else behind all that there is. */
static int position(struct request *r, int64_t *ret, struct err *err)
{
    const char *last = request_header(r, "Last-Event-ID");
    struct str given = last ? str_of(last) : target_query(&r->target, "after");
    int64_t newest = 0;
    if (event_last(r->api->pool, &r->project, &newest, err) < 0)
        return -1;
    *ret = newest;
    if (given.ptr && (!str_to_int64(given, ret) || *ret < 0 || *ret > newest))
        return err_set(err, ERR_INVALID_REQUEST, "there is no such event in this project; the last one is %lld",
                       (long long)newest);
    return 0;
}

int on_events_get(struct request *r, struct err *err)
{
    struct job_cursor behind = {0};
    if (position(r, &behind.line, err) < 0)
        return -1;
    return answer_stream(r, FOLLOW_PROJECT, NULL, behind, err);
}
