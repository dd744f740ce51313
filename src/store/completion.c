#include "store/completion.h"

#include "base/mem.h"
#include "store/item.h"
#include "store/job_series.h"
#include "store/pg.h"
#include "store/transaction.h"

int completion_prompts(struct pg *pg, const struct uuid *project, const struct uuid *items, int count,
                       struct arena *arena, struct str *ret, struct err *err)
{
    struct pg_params p = {0};
    struct pg_array ids = {0};
    struct pg_result *r = NULL;
    pg_array_start(&ids, PG_UUID);
    for (int i = 0; i < count; i++)
        pg_array_uuid(&ids, &items[i]);
    pg_param_uuid(&p, project);
    pg_param_array(&p, &ids);
    int result = pg_query(pg, QUERY_completion_prompts, &p, &r, err);
    for (int i = 0; result == 0 && i < count; i++) {
        struct str text = pg_text(r, i, 0);
        if (!text.ptr)
            result = err_set(err, ERR_UNKNOWN_REFERENCE, "an item of the job is not there");
        else if (!(ret[i].ptr = arena_strndup(arena, text.ptr, text.len)))
            result = err_memory(err);
        ret[i].len = text.len;
    }
    pg_result_free(r);
    pg_params_free(&p);
    buf_free(&ids.bytes);
    return result;
}

int completion_done(struct pg *pg, const struct job_lease *lease, bool *done, int count, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, &lease->job);
    int result = pg_query(pg, QUERY_completion_done, &p, &r, err);
    for (int i = 0; i < count; i++)
        done[i] = false;
    for (int row = 0; result == 0 && row < pg_rows(r); row++) {
        int64_t place = pg_int(r, row, 0);
        if (place < count)
            done[place] = true;
    }
    pg_result_free(r);
    pg_params_free(&p);
    return result;
}

struct storing {
    const struct job_lease *lease;
    const struct completion_set *set;
    const struct item_response *responses; /* [set->count] */
    const struct job_sample *samples;      /* [set->count] */
};

static int store(struct pg *pg, void *context, struct err *err)
{
    const struct storing *s = context;
    const struct completion_set *set = s->set;
    if (job_hold(pg, s->lease, err) < 0 ||
        item_store_on(pg, &s->lease->project, &set->item, set->makes_item ? set->prompt : (struct str){0},
                      s->responses, (size_t)set->count, err) < 0)
        return -1;
    return job_samples_store(pg, s->lease, set->place, s->samples, set->count, err);
}

int completion_store(struct pg *pg, const struct job_lease *lease, const struct completion_set *set, struct err *err)
{
    struct item_response *responses = mem_zeroed((size_t)set->count, sizeof *responses);
    struct job_sample *samples = mem_zeroed((size_t)set->count, sizeof *samples);
    int result = responses && samples ? 0 : err_memory(err);
    for (int i = 0; result == 0 && i < set->count; i++) {
        responses[i] = (struct item_response){set->samples[i].text, set->policy};
        samples[i] = (struct job_sample){set->prompt, set->samples[i].text, set->samples[i].figures};
    }
    if (result == 0)
        result = transaction_on(pg, TRANSACTION_WRITE, store, &(struct storing){lease, set, responses, samples}, err);
    mem_free(responses);
    mem_free(samples);
    return result;
}
