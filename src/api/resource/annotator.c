#include "store/annotator.h"

#include "api/resource/resource.h"

int on_annotators_get(struct request *r, struct err *err)
{
    return answer_list(r, annotator_list, err);
}

int on_annotator_get(struct request *r, struct err *err)
{
    return answer_one(r, "annotator", 200, annotator_get, err);
}
