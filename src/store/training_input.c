#include "store/training_input.h"

#include "store/pg.h"

enum { ROW_MS = 60000 }; /* the deadline moves on by this with each row: it bounds a stall, not the whole */

struct taker {
    int (*take)(void *context, struct str prompt, struct str response, struct err *err);
    void *context;
};

static int row(const struct pg_result *r, void *context, struct err *err)
{
    const struct taker *t = context;
    return t->take(t->context, pg_text(r, 0, 0), pg_text(r, 0, 1), err);
}

int training_input_preferred(struct pg *pg, const struct uuid *project,
                             int (*take)(void *context, struct str prompt, struct str response, struct err *err),
                             void *context, struct err *err)
{
    struct pg_params p = {0};
    struct taker taker = {take, context};
    pg_param_uuid(&p, project);
    int result = pg_stream(pg, QUERY_preferred_responses, &p, ROW_MS, row, &taker, err);
    pg_params_free(&p);
    return result;
}

struct prompt_taker {
    int (*take)(void *context, const struct training_prompt *row, struct err *err);
    void *context;
};

static int prompt_row(const struct pg_result *r, void *context, struct err *err)
{
    const struct prompt_taker *t = context;
    struct training_prompt row = {pg_uuid(r, 0, 0), pg_text(r, 0, 1), pg_text(r, 0, 2)};
    return t->take(t->context, &row, err);
}

int training_input_prompts(struct pg *pg, const struct uuid *project, const struct uuid *items, size_t count,
                           int64_t most, int (*take)(void *context, const struct training_prompt *row, struct err *err),
                           void *context, struct err *err)
{
    struct pg_params p = {0};
    struct pg_array ids = {0};
    struct prompt_taker taker = {take, context};
    pg_param_uuid(&p, project);
    pg_array_start(&ids, PG_UUID);
    for (size_t i = 0; i < count; i++)
        pg_array_uuid(&ids, &items[i]);
    if (items)
        pg_param_array(&p, &ids);
    else
        pg_param_null(&p);
    pg_param_int(&p, most);
    int result = pg_stream(pg, QUERY_training_prompts, &p, ROW_MS, prompt_row, &taker, err);
    buf_free(&ids.bytes);
    pg_params_free(&p);
    return result;
}
