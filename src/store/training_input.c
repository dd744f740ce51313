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
