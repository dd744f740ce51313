#include "store/fit_input.h"

#include "store/pg.h"

enum { ROW_MS = 60000 }; /* the deadline moves on by this with each row: it bounds a stall, not the whole */

static int response_row(const struct pg_result *r, void *context, struct err *err)
{
    const struct fit_input_reader *reader = context;
    struct fit_input_response row = {
        .id = pg_uuid(r, 0, 0),
        .text = pg_text(r, 0, 1),
        .policy = pg_text(r, 0, 2),
        .new_item = pg_bool(r, 0, 3),
        .prompt = pg_text(r, 0, 4),
        .item = pg_uuid(r, 0, 5),
    };
    return reader->response(reader->context, &row, err);
}

static int annotator_row(const struct pg_result *r, void *context, struct err *err)
{
    const struct fit_input_reader *reader = context;
    struct uuid annotator = pg_uuid(r, 0, 0);
    return reader->annotator(reader->context, &annotator, err);
}

static enum fit_input_outcome outcome_of(struct str name)
{
    if (str_is(name, "a"))
        return FIT_INPUT_A;
    if (str_is(name, "b"))
        return FIT_INPUT_B;
    return str_is(name, "tie") ? FIT_INPUT_TIE : FIT_INPUT_BOTH_BAD;
}

static int comparison_row(const struct pg_result *r, void *context, struct err *err)
{
    const struct fit_input_reader *reader = context;
    struct fit_input_comparison row = {
        .id = pg_uuid(r, 0, 0),
        .annotator = pg_uuid(r, 0, 1),
        .a = pg_uuid(r, 0, 2),
        .b = pg_uuid(r, 0, 3),
        .outcome = outcome_of(pg_text(r, 0, 4)),
        .strength = (int)pg_int(r, 0, 5), /* 0 when null */
    };
    return reader->comparison(reader->context, &row, err);
}

int fit_input_read(struct pg *pg, const struct uuid *project, const struct fit_input_reader *reader,
                   struct fit_data *ret, struct err *err)
{
    struct fit_input_reader copy = *reader; /* the stream's context is not const */
    struct pg_params p = {0};
    pg_param_uuid(&p, project);
    int result = -1;
    if (pg_begin_snapshot(pg, err) < 0)
        goto out;
    if (fit_data_of(pg, project, ret, err) == 0 &&
        pg_stream(pg, QUERY_fit_input_responses, &p, ROW_MS, response_row, &copy, err) == 0 &&
        pg_stream(pg, QUERY_fit_input_annotators, &p, ROW_MS, annotator_row, &copy, err) == 0 &&
        pg_stream(pg, QUERY_fit_input_comparisons, &p, ROW_MS, comparison_row, &copy, err) == 0)
        result = pg_commit(pg, err);
    if (result < 0)
        pg_rollback(pg);
out:
    pg_params_free(&p);
    return result;
}
