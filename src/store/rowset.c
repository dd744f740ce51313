#include "store/rowset.h"

#include <errno.h>

static const enum pg_type comparison_types[ROWSET_COMPARISON] = {PG_UUID, PG_UUID, PG_UUID, PG_UUID,        PG_UUID,
                                                                 PG_UUID, PG_INT2, PG_INT2, PG_INT2,        PG_INT4,
                                                                 PG_TEXT, PG_TEXT, PG_TEXT, PG_TIMESTAMPTZ, PG_BYTEA};
static const enum pg_type annotator_types[ROWSET_ANNOTATOR] = {PG_UUID, PG_UUID, PG_TEXT};
static const enum pg_type item_types[ROWSET_ITEM] = {PG_UUID, PG_UUID, PG_TEXT, PG_BOOL};
static const enum pg_type response_types[ROWSET_RESPONSE] = {PG_UUID, PG_UUID, PG_TEXT, PG_TEXT};

/* The groups of columns, for what is done to all of them. */
enum { GROUPS = 5 };

struct columns {
    struct pg_array *arrays;
    int count;
    const enum pg_type *types;
};

static const enum pg_type line_type = PG_INT8;

static void all_columns(struct rowset *rows, struct columns ret[GROUPS])
{
    ret[0] = (struct columns){rows->comparison, ROWSET_COMPARISON, comparison_types};
    ret[1] = (struct columns){rows->annotator, ROWSET_ANNOTATOR, annotator_types};
    ret[2] = (struct columns){rows->item, ROWSET_ITEM, item_types};
    ret[3] = (struct columns){rows->response, ROWSET_RESPONSE, response_types};
    ret[4] = (struct columns){&rows->line, 1, &line_type};
}

void rowset_start(struct rowset *rows)
{
    struct columns groups[GROUPS];
    all_columns(rows, groups);
    for (int g = 0; g < GROUPS; g++)
        for (int i = 0; i < groups[g].count; i++)
            pg_array_start(&groups[g].arrays[i], groups[g].types[i]);
}

void rowset_free(struct rowset *rows)
{
    struct columns groups[GROUPS];
    all_columns(rows, groups);
    for (int g = 0; g < GROUPS; g++)
        for (int i = 0; i < groups[g].count; i++)
            buf_free(&groups[g].arrays[i].bytes);
}

int rowset_count(const struct rowset *rows)
{
    return rows->comparison[0].count;
}

static void add_number(struct pg_array *a, int64_t value)
{
    if (value == JUDGEMENT_ABSENT)
        pg_array_null(a);
    else
        pg_array_int(a, value);
}

void rowset_add_comparison(struct rowset *rows, const struct judgement *j, long line)
{
    struct pg_array *column = rows->comparison;
    pg_array_uuid(column++, &j->project);
    pg_array_uuid(column++, &j->id);
    pg_array_uuid(column++, &j->annotator);
    pg_array_uuid(column++, &j->item);
    pg_array_uuid(column++, &j->a.id);
    pg_array_uuid(column++, &j->b.id);
    pg_array_int(column++, j->outcome);
    add_number(column++, j->strength);
    add_number(column++, j->shown_first);
    add_number(column++, j->duration_ms);
    pg_array_text(column++, j->skip_reason);
    pg_array_text(column++, j->reasons);
    pg_array_text(column++, j->meta);
    if (j->has_judged_at)
        pg_array_time(column++, j->judged_at);
    else
        pg_array_null(column++);
    pg_array_bytes(column++, j->digest, sizeof j->digest);
    pg_array_int(&rows->line, line);
}

void rowset_add_annotator(struct rowset *rows, const struct judgement *j)
{
    pg_array_uuid(&rows->annotator[0], &j->project);
    pg_array_uuid(&rows->annotator[1], &j->annotator);
    pg_array_text(&rows->annotator[2], j->annotator_name);
}

void rowset_add_item(struct rowset *rows, const struct judgement *j)
{
    pg_array_uuid(&rows->item[0], &j->project);
    pg_array_uuid(&rows->item[1], &j->item);
    pg_array_text(&rows->item[2], j->prompt);
    pg_array_bool(&rows->item[3], j->prompt_is_messages);
}

void rowset_add_response(struct rowset *rows, const struct judgement *j, const struct judgement_response *response)
{
    pg_array_uuid(&rows->response[0], &j->item);
    pg_array_uuid(&rows->response[1], &response->id);
    pg_array_text(&rows->response[2], response->text);
    pg_array_text(&rows->response[3], response->policy);
}

static void add_params(struct pg_params *p, struct pg_array *arrays, int count)
{
    for (int i = 0; i < count; i++)
        pg_param_array(p, &arrays[i]);
}

static bool has_parents(const struct rowset *rows)
{
    return rows->annotator[0].count || rows->item[0].count || rows->response[0].count;
}

static void add_parents(struct pg_params *p, struct rowset *rows)
{
    add_params(p, rows->annotator, ROWSET_ANNOTATOR);
    add_params(p, rows->item, ROWSET_ITEM);
    add_params(p, rows->response, ROWSET_RESPONSE);
}

/* Everything in one statement: `with_parents`, or `alone` when there are none to store. */
static int store_all(struct rowset *rows, struct pg *pg, enum query with_parents, enum query alone,
                     struct pg_result **ret, struct err *err)
{
    struct pg_params p = {0};
    bool parents = has_parents(rows);
    add_params(&p, rows->comparison, ROWSET_COMPARISON);
    if (parents)
        add_parents(&p, rows);
    int status = pg_query(pg, parents ? with_parents : alone, &p, ret, err);
    pg_params_free(&p);
    return status;
}

int rowset_store(struct rowset *rows, struct pg *pg, struct pg_result **ret, struct err *err)
{
    return store_all(rows, pg, QUERY_ingest_block, QUERY_ingest_comparisons, ret, err);
}

int rowset_store_new(struct rowset *rows, struct pg *pg, struct err *err)
{
    return store_all(rows, pg, QUERY_ingest_new_block, QUERY_ingest_new_comparisons, NULL, err);
}

int rowset_store_parents(struct rowset *rows, struct pg *pg, struct err *err)
{
    struct pg_params p = {0};
    if (!has_parents(rows))
        return 0;
    add_parents(&p, rows);
    int status = pg_query(pg, QUERY_ingest_parents, &p, NULL, err);
    pg_params_free(&p);
    return status;
}

int rowset_store_comparisons(struct rowset *rows, struct pg *pg, int *ret_new, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    add_params(&p, rows->comparison, ROWSET_COMPARISON);
    int status = pg_query(pg, QUERY_ingest_comparisons, &p, &r, err);
    *ret_new = status == 0 ? pg_rows(r) : 0;
    pg_result_free(r);
    pg_params_free(&p);
    return status;
}

int rowset_conflicts(struct rowset *rows, struct pg *pg, struct pg_result **ret, struct err *err)
{
    struct pg_params p = {0};
    pg_param_array(&p, &rows->comparison[0]);
    pg_param_array(&p, &rows->comparison[1]);
    pg_param_array(&p, &rows->comparison[ROWSET_COMPARISON - 1]);
    pg_param_array(&p, &rows->line);
    int status = pg_query(pg, QUERY_ingest_conflicts, &p, ret, err);
    pg_params_free(&p);
    return status;
}

/* What stands before the bytes of a column in a file. */
struct column_head {
    int count;
    size_t length;
};

static int file_failed(struct err *err)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return err_set(err, ERR_STORAGE_FULL, "no room left for a batch that waits for its end");
    return err_errno(err, "the file in which a batch waits");
}

int rowset_write(const struct rowset *rows, FILE *file, struct err *err)
{
    struct columns groups[GROUPS];
    all_columns((struct rowset *)rows, groups);
    for (int g = 0; g < GROUPS; g++) {
        for (int i = 0; i < groups[g].count; i++) {
            const struct pg_array *a = &groups[g].arrays[i];
            struct column_head head = {a->count, a->bytes.length};
            if (a->bytes.failed)
                return err_memory(err);
            if (fwrite(&head, sizeof head, 1, file) != 1 || fwrite(a->bytes.data, 1, head.length, file) != head.length)
                return file_failed(err);
        }
    }
    return 0;
}

static int read_column(struct pg_array *a, FILE *file, struct err *err)
{
    struct column_head head;
    if (fread(&head, sizeof head, 1, file) != 1)
        return feof(file) ? 0 : file_failed(err);
    buf_clear(&a->bytes);
    if (!buf_reserve(&a->bytes, head.length))
        return err_memory(err);
    if (fread(a->bytes.data, 1, head.length, file) != head.length)
        return file_failed(err);
    a->bytes.length = head.length;
    a->count = head.count;
    return 1;
}

int rowset_read(struct rowset *rows, FILE *file, struct err *err)
{
    struct columns groups[GROUPS];
    all_columns(rows, groups);
    for (int g = 0; g < GROUPS; g++) {
        for (int i = 0; i < groups[g].count; i++) {
            int got = read_column(&groups[g].arrays[i], file, err);
            if (got == 0 && (g > 0 || i > 0))
                return err_set(err, ERR_SYSTEM, "the file in which a batch waits ends within a block");
            if (got <= 0)
                return got;
        }
    }
    return 1;
}
