#include "store/annotator.h"

#include "api/resource/resource.h"

int on_annotators_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct page page = request_page(r);
    if (annotator_list(r->api->pool, &r->project, &page, &body, err) < 0)
        return answer_json(r, -1, 0, &body);
    return answer_page(r, &body, err);
}

int on_annotator_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct uuid annotator;
    if (request_uuid(r, "annotator", &annotator, err) < 0)
        return -1;
    return answer_json(r, annotator_get(r->api->pool, &r->project, &annotator, &body, err), 200, &body);
}
