#include "store/item.h"

#include "store/document.h"
#include "store/identity.h"
#include "store/pool.h"
#include "store/transaction.h"

/* What a transaction stores. */
struct new_item {
    const struct uuid *project;
    struct uuid id;
    struct str prompt;
    bool is_messages;
    const struct item_response *responses;
    size_t count;
    bool created;
};

static int store_item(struct pg *pg, struct new_item *item, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, item->project);
    pg_param_uuid(&p, &item->id);
    pg_param_text(&p, item->prompt);
    pg_param_bool(&p, item->is_messages);
    int status = pg_query(pg, QUERY_item_create, &p, &r, err);
    item->created = status == 0 && pg_rows(r) == 1;
    pg_result_free(r);
    pg_params_free(&p);
    return status;
}

static int store_responses(struct pg *pg, const struct new_item *item, struct err *err)
{
    struct pg_params p = {0};
    struct pg_array id = {0}, text = {0}, policy = {0};
    pg_array_start(&id, PG_UUID);
    pg_array_start(&text, PG_TEXT);
    pg_array_start(&policy, PG_TEXT);
    for (size_t i = 0; i < item->count; i++) {
        struct uuid derived = identity_response(&item->id, item->responses[i].policy, item->responses[i].text);
        pg_array_uuid(&id, &derived);
        pg_array_text(&text, item->responses[i].text);
        pg_array_text(&policy, item->responses[i].policy);
    }
    pg_param_uuid(&p, &item->id);
    pg_param_array(&p, &id);
    pg_param_array(&p, &text);
    pg_param_array(&p, &policy);
    int status = pg_query(pg, QUERY_item_responses, &p, NULL, err);
    pg_params_free(&p);
    buf_free(&id.bytes);
    buf_free(&text.bytes);
    buf_free(&policy.bytes);
    return status;
}

static int store_all(struct pg *pg, void *context, struct err *err)
{
    struct new_item *item = context;
    if (store_item(pg, item, err) < 0)
        return -1;
    return item->count > 0 ? store_responses(pg, item, err) : 0;
}

int item_create(struct pool *pool, const struct uuid *project, struct str prompt, bool prompt_is_messages,
                const struct item_response *responses, size_t count, bool *ret_created, struct buf *out,
                struct err *err)
{
    struct new_item item = {.project = project,
                            .id = identity_item(project, prompt, prompt_is_messages),
                            .prompt = prompt,
                            .is_messages = prompt_is_messages,
                            .responses = responses,
                            .count = count};
    if (transaction_run(pool, TRANSACTION_WRITE, 0, store_all, &item, err) < 0)
        return -1;
    *ret_created = item.created;
    return item_get(pool, project, &item.id, out, err);
}

int item_store_on(struct pg *pg, const struct uuid *project, const struct uuid *item, struct str prompt,
                  const struct item_response *responses, size_t count, struct err *err)
{
    struct new_item new = {.project = project, .id = *item, .prompt = prompt, .responses = responses, .count = count};
    if (prompt.ptr && store_item(pg, &new, err) < 0)
        return -1;
    return count > 0 ? store_responses(pg, &new, err) : 0;
}

int item_get(struct pool *pool, const struct uuid *project, const struct uuid *item, struct buf *out, struct err *err)
{
    return document_get(pool, QUERY_item_get, project, item, out, err);
}

int item_list(struct pool *pool, const struct uuid *project, const struct page *page, struct buf *out, struct err *err)
{
    return document_page(pool, QUERY_item_list, project, page_by_uuid, page, out, err);
}

int item_absent(struct pool *pool, const struct uuid *project, const struct uuid *items, const bool *looked_for,
                size_t count, size_t *ret_place, struct err *err)
{
    struct pg_params p = {0};
    struct pg_array ids = {0};
    struct pg_result *r = NULL;
    pg_array_start(&ids, PG_UUID);
    for (size_t i = 0; i < count; i++)
        pg_array_uuid(&ids, !looked_for || looked_for[i] ? &items[i] : NULL);
    pg_param_uuid(&p, project);
    pg_param_array(&p, &ids);
    int absent = pool_query(pool, QUERY_item_absent, &p, &r, err) < 0 ? -1 : pg_rows(r);
    if (absent > 0)
        *ret_place = (size_t)pg_int(r, 0, 0);
    pg_result_free(r);
    pg_params_free(&p);
    buf_free(&ids.bytes);
    return absent;
}
