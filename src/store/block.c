#include "store/block.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"

enum { FACT_ANNOTATOR, FACT_ITEM, FACT_A, FACT_B };
enum { SOFT_TRIES = 5, SOFT_PAUSE_NS = 2000000 };
enum { CAREFUL_BLOCKS = 8 };

int block_init(struct block *b, struct known *known, int room, struct err *err)
{
    memset(b, 0, sizeof *b);
    b->known = known;
    b->room = room;
    b->rows = mem_array((size_t)room, sizeof *b->rows);
    b->order = mem_array((size_t)room, sizeof *b->order);
    b->facts = mem_array((size_t)room * BLOCK_FACTS, sizeof *b->facts);
    b->parents = mem_array((size_t)room * BLOCK_FACTS, sizeof *b->parents);
    if (b->rows && b->order && b->facts && b->parents)
        return 0;
    block_free(b);
    return err_memory(err);
}

void block_free(struct block *b)
{
    mem_free(b->rows);
    mem_free(b->order);
    mem_free(b->facts);
    mem_free(b->parents);
    rowset_free(&b->rowset);
    memset(b, 0, sizeof *b);
}

void block_clear(struct block *b)
{
    b->count = 0;
    b->bytes = 0;
}

void block_add(struct block *b, const struct judgement *judgement, long line)
{
    CHECK(b->count < b->room);
    struct block_row *row = &b->rows[b->count];
    struct known_fact *fact = &b->facts[b->count * BLOCK_FACTS];
    struct uuid none = {{0}};
    row->judgement = judgement;
    row->line = line;
    fact[FACT_ANNOTATOR] = (struct known_fact){judgement->annotator, none, judgement->project, KNOWN_ANNOTATOR, false};
    fact[FACT_ITEM] = (struct known_fact){judgement->item, none, judgement->project, KNOWN_ITEM, false};
    fact[FACT_A] = (struct known_fact){judgement->a.id, judgement->item, judgement->project, KNOWN_RESPONSE, false};
    fact[FACT_B] = (struct known_fact){judgement->b.id, judgement->item, judgement->project, KNOWN_RESPONSE, false};
    b->bytes += judgement_bytes(judgement);
    b->count++;
}

static void refuse(struct block_row *row, const struct err *why)
{
    row->verdict = JUDGEMENT_REFUSED;
    row->err = *why;
    row->err.line = row->line;
}

/* ---- references by id ---- */

/* The rows of [from, to) that name an item and responses which are not known to exist. */
static bool needs_look_up(const struct block *b, int row)
{
    const struct known_fact *fact = &b->facts[row * BLOCK_FACTS];
    return !b->rows[row].judgement->prompt.ptr && !(fact[FACT_A].holds && fact[FACT_B].holds);
}

/* Asks the database about those; a fact that holds there is learnt, for it is committed or the caller's own. */
static int look_up(struct block *b, struct pg *pg, int from, int to, struct err *err)
{
    struct pg_array project = {0}, item = {0}, response = {0};
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    int asked = 0, status = 0;
    pg_array_start(&project, PG_UUID);
    pg_array_start(&item, PG_UUID);
    pg_array_start(&response, PG_UUID);
    for (int row = from; row < to; row++) {
        for (int side = FACT_A; side <= FACT_B && needs_look_up(b, row); side++) {
            const struct judgement *j = b->rows[row].judgement;
            pg_array_uuid(&project, &j->project);
            pg_array_uuid(&item, &j->item);
            pg_array_uuid(&response, side == FACT_A ? &j->a.id : &j->b.id);
            b->parents[asked++] = row * BLOCK_FACTS + side;
        }
    }
    if (asked > 0) {
        pg_param_array(&p, &project);
        pg_param_array(&p, &item);
        pg_param_array(&p, &response);
        status = pg_query(pg, QUERY_ingest_references, &p, &r, err);
    }
    for (int i = 0; status == 0 && asked > 0 && i < pg_rows(r); i++) {
        struct known_fact *fact = &b->facts[b->parents[pg_int(r, i, 0) - 1]];
        known_learn(b->known, fact, 1, b->era);
        fact->holds = true;
    }
    pg_result_free(r);
    pg_params_free(&p);
    buf_free(&project.bytes);
    buf_free(&item.bytes);
    buf_free(&response.bytes);
    return status;
}

static int resolve(struct block *b, struct pg *pg, int from, int to, struct err *err)
{
    b->era = known_era(b->known);
    known_ask(b->known, b->facts + from * BLOCK_FACTS, (size_t)(to - from) * BLOCK_FACTS);
    if (look_up(b, pg, from, to, err) < 0)
        return -1;
    for (int row = from; row < to; row++) {
        struct block_row *at = &b->rows[row];
        const struct known_fact *fact = &b->facts[row * BLOCK_FACTS];
        struct err why;
        at->refused_before = needs_look_up(b, row);
        if (!at->refused_before)
            continue;
        bool a = fact[FACT_A].holds, either = a || fact[FACT_B].holds;
        err_at(&why, ERR_UNKNOWN_REFERENCE,
               !either ? "/item"
               : a     ? "/b"
                       : "/a",
               either ? "the item has no such response" : "there is no such item with such responses");
        refuse(at, &why);
    }
    return 0;
}

/* ---- what is sent ---- */

static int compare_keys(const struct judgement *x, const struct judgement *y)
{
    int by_project = memcmp(x->project.bytes, y->project.bytes, 16);
    return by_project ? by_project : memcmp(x->id.bytes, y->id.bytes, 16);
}

static int by_key(const void *x, const void *y, void *rows)
{
    const struct block_row *a = (struct block_row *)rows + *(const int *)x,
                           *b = (struct block_row *)rows + *(const int *)y;
    int by = compare_keys(a->judgement, b->judgement);
    return by ? by : a < b ? -1 : a > b;
}

static int by_fact(const void *x, const void *y, void *facts)
{
    const struct known_fact *a = (struct known_fact *)facts + *(const int *)x;
    const struct known_fact *b = (struct known_fact *)facts + *(const int *)y;
    int by = memcmp(a->project.bytes, b->project.bytes, 16);
    by = by ? by : memcmp(a->parent.bytes, b->parent.bytes, 16);
    return by ? by : memcmp(a->id.bytes, b->id.bytes, 16);
}

/* Sorts the rows that may be sent and finds, for each, the first of its key. */
static void put_in_order(struct block *b, int from, int to)
{
    int count = 0;
    for (int row = from; row < to; row++)
        if (!b->rows[row].refused_before)
            b->order[count++] = row;
    qsort_r(b->order, (size_t)count, sizeof *b->order, by_key, b->rows);
    b->sent = 0;
    for (int i = 0; i < count; i++) {
        int row = b->order[i], last = b->sent ? b->order[b->sent - 1] : -1;
        bool twin = last >= 0 && compare_keys(b->rows[last].judgement, b->rows[row].judgement) == 0;
        b->rows[row].first = twin ? last : row;
        if (!twin)
            b->order[b->sent++] = row;
    }
}

/* Adds the parents of one kind (fact `which`, and `other` of it for the second response) that are not known, each once.
 */
static void add_parents(struct block *b, int which, int other,
                        void (*add)(struct rowset *, const struct block *, int fact))
{
    int count = 0;
    for (int i = 0; i < b->sent; i++) {
        int fact = b->order[i] * BLOCK_FACTS;
        if (!b->facts[fact + which].holds)
            b->parents[count++] = fact + which;
        if (other != which && !b->facts[fact + other].holds)
            b->parents[count++] = fact + other;
    }
    qsort_r(b->parents, (size_t)count, sizeof *b->parents, by_fact, b->facts);
    for (int i = 0; i < count; i++)
        if (i == 0 || by_fact(&b->parents[i - 1], &b->parents[i], b->facts) != 0)
            add(&b->rowset, b, b->parents[i]);
}

static const struct judgement *judgement_of_fact(const struct block *b, int fact)
{
    return b->rows[fact / BLOCK_FACTS].judgement;
}

static void add_annotator(struct rowset *rows, const struct block *b, int fact)
{
    rowset_add_annotator(rows, judgement_of_fact(b, fact));
}

static void add_item(struct rowset *rows, const struct block *b, int fact)
{
    if (judgement_of_fact(b, fact)->prompt.ptr)
        rowset_add_item(rows, judgement_of_fact(b, fact));
}

static void add_response(struct rowset *rows, const struct block *b, int fact)
{
    const struct judgement *j = judgement_of_fact(b, fact);
    rowset_add_response(rows, j, fact % BLOCK_FACTS == FACT_A ? &j->a : &j->b);
}

static void fill_rowset(struct block *b)
{
    rowset_start(&b->rowset);
    for (int i = 0; i < b->sent; i++)
        rowset_add_comparison(&b->rowset, b->rows[b->order[i]].judgement, b->rows[b->order[i]].line);
    add_parents(b, FACT_ANNOTATOR, FACT_ANNOTATOR, add_annotator);
    add_parents(b, FACT_ITEM, FACT_ITEM, add_item);
    add_parents(b, FACT_A, FACT_B, add_response);
}

/* ---- verdicts ---- */

static struct block_row *row_of_key(struct block *b, const struct uuid *project, const struct uuid *id)
{
    int low = 0, high = b->sent - 1;
    struct judgement key = {.project = *project, .id = *id};
    while (low <= high) {
        int middle = (low + high) / 2;
        int by = compare_keys(&key, b->rows[b->order[middle]].judgement);
        if (by == 0)
            return &b->rows[b->order[middle]];
        if (by < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return NULL;
}

static void refuse_conflict(struct block_row *row)
{
    struct err why;
    err_at(&why, ERR_CONFLICT, "/id", "a comparison with this id and another content is stored");
    refuse(row, &why);
}

/* Reads what is stored under the keys of the first rows, those that were just stored excepted, and judges them by it.
 * When `checking`, a key that is not there is that of a new row; else it should be there. */
static int compare_with_stored(struct block *b, struct pg *pg, bool checking, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    struct err absent;
    err_set(&absent, ERR_INTERNAL, "the comparison was neither stored nor found");
    pg_param_array(&p, &b->rowset.comparison[0]);
    pg_param_array(&p, &b->rowset.comparison[1]);
    int status = pg_query(pg, QUERY_ingest_digests, &p, &r, err);
    pg_params_free(&p);
    if (status < 0)
        return -1;
    for (int i = 0; i < b->sent; i++) {
        struct block_row *row = &b->rows[b->order[i]];
        if (checking)
            row->verdict = JUDGEMENT_STORED;
        else if (row->verdict == JUDGEMENT_REPLAYED)
            refuse(row, &absent);
    }
    for (int i = 0; i < pg_rows(r); i++) {
        struct block_row *row = &b->rows[b->order[pg_int(r, i, 0) - 1]];
        struct str digest = pg_text(r, i, 1);
        if (row->verdict == JUDGEMENT_STORED && !checking)
            continue;
        memcpy(row->stored, digest.ptr, JUDGEMENT_DIGEST);
        row->verdict = JUDGEMENT_REPLAYED;
        if (memcmp(row->stored, row->judgement->digest, JUDGEMENT_DIGEST) != 0)
            refuse_conflict(row);
    }
    pg_result_free(r);
    return 0;
}

/* Twins follow their first row: what is stored under the key decides. */
static void judge_twins(struct block *b, int from, int to)
{
    for (int i = from; i < to; i++) {
        struct block_row *row = &b->rows[i];
        if (row->refused_before || row->first == i)
            continue;
        const struct block_row *first = &b->rows[row->first];
        row->verdict = JUDGEMENT_REPLAYED;
        if (first->verdict == JUDGEMENT_REFUSED && first->err.code != ERR_CONFLICT)
            refuse(row, &first->err);
        else if (memcmp(row->judgement->digest, first->stored, JUDGEMENT_DIGEST) != 0)
            refuse_conflict(row);
    }
}

/* Before the answer: every first row has this verdict, and its own content under its key. */
static void expect(struct block *b, enum judgement_verdict verdict)
{
    for (int i = 0; i < b->sent; i++) {
        struct block_row *row = &b->rows[b->order[i]];
        row->verdict = verdict;
        memcpy(row->stored, row->judgement->digest, JUDGEMENT_DIGEST);
    }
}

/* As a rule all rows of a block are new, and then storing costs a third less than with a look for conflicts. When that
 * was wrong, the error is a soft one, so that the caller tries again, and this block and the next ones are stored with
 * care: replays, and texts that a daemon has not met since it started, come in swarms. */
static int store_hopefully(struct block *b, struct pg *pg, struct err *err)
{
    if (rowset_store_new(&b->rowset, pg, err) == 0) {
        expect(b, JUDGEMENT_STORED);
        return 0;
    }
    if (err->code == ERR_CONFLICT) {
        b->careful = CAREFUL_BLOCKS;
        err->code = ERR_DATABASE_CONFLICT;
    }
    return -1;
}

static int store_carefully(struct block *b, struct pg *pg, struct err *err)
{
    struct pg_result *r = NULL;
    b->careful--;
    expect(b, JUDGEMENT_REPLAYED);
    if (rowset_store(&b->rowset, pg, &r, err) < 0)
        return -1;
    int stored = pg_rows(r);
    for (int i = 0; i < stored; i++) {
        struct uuid project = pg_uuid(r, i, 0), id = pg_uuid(r, i, 1);
        struct block_row *row = row_of_key(b, &project, &id);
        CHECK(row);
        row->verdict = JUDGEMENT_STORED;
    }
    pg_result_free(r);
    return stored < b->sent ? compare_with_stored(b, pg, false, err) : 0;
}

static int store_range(struct block *b, struct pg *pg, int from, int to, struct err *err)
{
    if (resolve(b, pg, from, to, err) < 0)
        return -1;
    put_in_order(b, from, to);
    if (b->sent == 0)
        return 0;
    fill_rowset(b);
    if ((b->careful > 0 ? store_carefully(b, pg, err) : store_hopefully(b, pg, err)) < 0)
        return -1;
    judge_twins(b, from, to);
    return 0;
}

static void learn_range(struct block *b, int from, int to)
{
    for (int i = from; i < to; i++)
        if (!b->rows[i].refused_before)
            known_learn(b->known, b->facts + i * BLOCK_FACTS, BLOCK_FACTS, b->era);
}

int block_store(struct block *b, struct pg *pg, struct err *err)
{
    return store_range(b, pg, 0, b->count, err);
}

void block_learn(struct block *b)
{
    learn_range(b, 0, b->count);
}

int block_check(struct block *b, struct pg *pg, struct err *err)
{
    if (resolve(b, pg, 0, b->count, err) < 0)
        return -1;
    put_in_order(b, 0, b->count);
    fill_rowset(b);
    expect(b, JUDGEMENT_REPLAYED);
    if (b->sent > 0 && compare_with_stored(b, pg, true, err) < 0)
        return -1;
    judge_twins(b, 0, b->count);
    int kept = 0;
    for (int i = 0; i < b->sent; i++)
        if (b->rows[b->order[i]].verdict == JUDGEMENT_STORED)
            b->order[kept++] = b->order[i];
    b->sent = kept;
    fill_rowset(b);
    return 0;
}

/* ---- commit, each row with its own fate ---- */

static int try_once(struct block *b, struct pool *pool, int64_t deadline_ns, int from, int to, struct err *err)
{
    struct pg *pg = NULL;
    if (pool_take(pool, deadline_ns, &pg, err) < 0)
        return -1;
    int status = store_range(b, pg, from, to, err);
    pool_give(pool, pg);
    if (status == 0)
        learn_range(b, from, to);
    return status;
}

/* Soft errors again, after a pause; a connection that was lost, once. */
static int try_patiently(struct block *b, struct pool *pool, int64_t deadline_ns, int from, int to, struct err *err)
{
    int lost = 0;
    for (int soft = 0;;) {
        if (try_once(b, pool, deadline_ns, from, to, err) == 0)
            return 0;
        bool again =
            err->code == ERR_DATABASE_CONFLICT ? ++soft < SOFT_TRIES : err->code == ERR_DATABASE_DOWN && lost++ == 0;
        if (!again || clock_mono_ns() + SOFT_PAUSE_NS >= deadline_ns)
            return -1;
        metric_add(METRIC_DATABASE_RETRIES, 1);
        clock_sleep_ns(SOFT_PAUSE_NS * (1 + soft));
    }
}

/* Whether the failure may be one row's own. */
static bool blames_data(enum err_code code)
{
    switch (code) {
    case ERR_DATABASE_DOWN:
    case ERR_DATABASE_CONFLICT:
    case ERR_STORAGE_FULL:
    case ERR_OVERLOADED:
    case ERR_NO_MEMORY:
    case ERR_SYSTEM:
        return false;
    default:
        return true;
    }
}

static void commit_range(struct block *b, struct pool *pool, int64_t deadline_ns, int from, int to)
{
    struct err err;
    if (try_patiently(b, pool, deadline_ns, from, to, &err) == 0) {
        metric_add(METRIC_INGEST_COMMITS, 1);
        return;
    }
    if (to - from > 1 && blames_data(err.code)) {
        int middle = from + (to - from) / 2;
        commit_range(b, pool, deadline_ns, from, middle);
        commit_range(b, pool, deadline_ns, middle, to);
        return;
    }
    for (int row = from; row < to; row++)
        refuse(&b->rows[row], &err);
}

void block_commit(struct block *b, struct pool *pool, int64_t deadline_ns)
{
    commit_range(b, pool, deadline_ns, 0, b->count);
}
