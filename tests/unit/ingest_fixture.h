/* For the tests of ingest: a database with one project, judgements made of a few words, and questions in SQL. */
#ifndef EGALIGN_INGEST_FIXTURE_H
#define EGALIGN_INGEST_FIXTURE_H

#include <string.h>

#include "store/ingest.h"
#include "store/project.h"
#include "store/store.h"
#include "unit/cluster_fixture.h"

static struct fixture f;
static struct uuid project;
static struct arena arena; /* of all judgements of a test */

static int set_up(void **state)
{
    (void)state;
    bool created;
    struct buf out = {0};
    struct project_settings settings = {.refit_after_comparisons = -1, .refit_after_seconds = -1};
    fixture_start(&f);
    fixture_must(&f, store_migrate(cluster_conninfo(f.cluster), 20000, NULL, &f.err));
    fixture_must(&f, project_create(f.pool, STR_LITERAL("tests"), &settings, &created, &out, &f.err));
    fixture_must(&f, project_find(f.pool, STR_LITERAL("tests"), &project, &f.err));
    buf_free(&out);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    fixture_stop(&f);
    return 0;
}

static struct str text_of(const char *text)
{
    return str_of(arena_strndup(&arena, text, strlen(text)));
}

/* A record with its texts: `name` prefers a of two answers to `prompt`. */
static struct record record_of(const char *name, const char *prompt)
{
    struct record r = {0};
    record_set_annotator(&r, text_of(name));
    record_set_prompt(&r, text_of(prompt));
    record_set_response(&r, SIDE_A, STR_LITERAL("one answer"), (struct str){0});
    record_set_response(&r, SIDE_B, STR_LITERAL("another answer"), STR_LITERAL("gpt2"));
    record_set_outcome(&r, OUTCOME_A);
    return r;
}

static struct judgement judgement_of(const struct record *r, const struct uuid *id)
{
    struct judgement j;
    fixture_must(&f, judgement_of_record(r, &project, id, &arena, &j, &f.err));
    return j;
}

static inline struct uuid new_id(void)
{
    struct uuid id;
    fixture_must(&f, uuid_new(&id, &f.err));
    return id;
}

/* Whether the SQL condition holds; the reason goes to standard error when not. */
static bool holds(const char *condition)
{
    struct buf sql = {0};
    struct pg *pg = NULL;
    buf_printf(&sql, "DO $$ BEGIN IF NOT (%s) THEN RAISE EXCEPTION 'it does not hold'; END IF; END $$", condition);
    int status = pool_take(f.pool, 0, &pg, &f.err);
    if (status == 0)
        status = pg_script(pg, sql.data, &f.err);
    pool_give(f.pool, pg);
    buf_free(&sql);
    if (status < 0)
        fprintf(stderr, "%s: %s\n", condition, f.err.message);
    return status == 0;
}

static struct ingest *ingest_with(int writers, int queue_rows, int deadline_ms)
{
    struct ingest *ingest = NULL;
    struct ingest_options options = {.conninfo = cluster_conninfo(f.cluster),
                                     .writers = writers,
                                     .group_rows = 500,
                                     .queue_rows = queue_rows,
                                     .deadline_ms = deadline_ms};
    fixture_must(&f, ingest_start(&options, &ingest, &f.err));
    return ingest;
}

#endif
