#include "store/page.h"

#include "base/check.h"
#include "base/uuid.h"

static int bad_cursor(struct err *err)
{
    return err_set(err, ERR_INVALID_REQUEST, "the cursor is none that this list gave");
}

static void add_limit(const struct page *page, struct pg_params *p)
{
    CHECK(page->limit >= 1 && page->limit <= PAGE_LIMIT_MOST);
    pg_param_int(p, page->limit);
}

int page_by_uuid(const struct page *page, struct pg_params *p, struct err *err)
{
    struct uuid id;
    if (page->cursor.ptr && !uuid_parse(page->cursor, &id))
        return bad_cursor(err);
    pg_param_uuid(p, page->cursor.ptr ? &id : NULL);
    add_limit(page, p);
    return 0;
}

int page_by_number(const struct page *page, struct pg_params *p, struct err *err)
{
    int64_t number;
    if (page->cursor.ptr && !str_to_int64(page->cursor, &number))
        return bad_cursor(err);
    if (page->cursor.ptr)
        pg_param_int(p, number);
    else
        pg_param_null(p);
    add_limit(page, p);
    return 0;
}

int page_by_text(const struct page *page, struct pg_params *p, struct err *err)
{
    struct str cursor = page->cursor;
    if (cursor.ptr && (!str_is_utf8(cursor) || memchr(cursor.ptr, 0, cursor.len)))
        return bad_cursor(err);
    pg_param_text(p, cursor);
    add_limit(page, p);
    return 0;
}
