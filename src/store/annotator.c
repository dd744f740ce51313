#include "store/annotator.h"

#include "store/document.h"
#include "store/pool.h"

int annotator_get(struct pool *pool, const struct uuid *project, const struct uuid *annotator, struct buf *out,
                  struct err *err)
{
    return document_get(pool, QUERY_annotator_get, project, annotator, out, err);
}

int annotator_list(struct pool *pool, const struct uuid *project, const struct page *page, struct buf *out,
                   struct err *err)
{
    return document_page(pool, QUERY_annotator_list, project, page_by_text, page, out, err);
}
