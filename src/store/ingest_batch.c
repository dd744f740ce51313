#include "store/ingest_batch.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "store/block.h"
#include "store/ingest.h"

enum { BLOCK_ROWS = 1000, BLOCK_BYTES = 4 << 20, APPLY_TRIES = 3 };

struct ingest_batch {
    struct ingest *ingest;
    bool skip;
    struct block block;
    struct judgement *judgements; /* of the block's rows, their texts in the arena */
    struct arena arena;
    FILE *spool;          /* blocks that wait for the end; NULL while there is none */
    struct rowset rowset; /* a block on its way back */
    struct ingest_line_error *errors;
    int error_count, max_errors;
    int64_t accepted, duplicate, rejected;
};

int ingest_batch_open(struct ingest *ingest, bool skip, int max_errors, struct ingest_batch **ret, struct err *err)
{
    struct ingest_batch *batch = mem_zeroed(1, sizeof *batch);
    if (!batch)
        return err_memory(err);
    batch->ingest = ingest;
    batch->skip = skip;
    batch->max_errors = max_errors;
    batch->errors = mem_array((size_t)max_errors, sizeof *batch->errors);
    batch->judgements = mem_array(BLOCK_ROWS, sizeof *batch->judgements);
    if (!batch->errors || !batch->judgements || block_init(&batch->block, ingest_known(ingest), BLOCK_ROWS, err) < 0) {
        ingest_batch_free(batch);
        return err_memory(err);
    }
    *ret = batch;
    return 0;
}

void ingest_batch_free(struct ingest_batch *batch)
{
    if (!batch)
        return;
    if (batch->spool)
        fclose(batch->spool);
    block_free(&batch->block);
    rowset_free(&batch->rowset);
    arena_free(&batch->arena);
    mem_free(batch->judgements);
    mem_free(batch->errors);
    mem_free(batch);
}

void ingest_batch_reject(struct ingest_batch *batch, const struct err *why)
{
    batch->rejected++;
    if (batch->error_count < batch->max_errors)
        batch->errors[batch->error_count++].err = *why;
}

static int64_t block_deadline(const struct ingest_batch *batch)
{
    return pg_deadline(ingest_options_of(batch->ingest)->deadline_ms);
}

/* Counts the verdicts of the block. */
static void count_rows(struct ingest_batch *batch)
{
    for (int i = 0; i < batch->block.count; i++) {
        const struct block_row *row = &batch->block.rows[i];
        if (row->verdict == JUDGEMENT_REFUSED)
            ingest_batch_reject(batch, &row->err);
        else if (row->verdict == JUDGEMENT_STORED)
            batch->accepted++;
        else
            batch->duplicate++;
    }
}

static void count_stored(int64_t accepted, int64_t duplicate)
{
    metric_add(METRIC_INGEST_ROWS, accepted);
    metric_add(METRIC_INGEST_DUPLICATES, duplicate);
}

static void empty_block(struct ingest_batch *batch)
{
    block_clear(&batch->block);
    arena_free(&batch->arena);
}

/* ---- skip: each block by itself ---- */

/* A database that is not there is the batch's failure and not the lines'. */
static bool is_outage(enum err_code code)
{
    return code == ERR_DATABASE_DOWN || code == ERR_STORAGE_FULL || code == ERR_OVERLOADED || code == ERR_NO_MEMORY ||
           code == ERR_DATABASE_CONFLICT || code == ERR_SYSTEM;
}

static int commit_block(struct ingest_batch *batch, struct err *err)
{
    int64_t accepted = batch->accepted, duplicate = batch->duplicate;
    block_commit(&batch->block, ingest_batch_pool(batch->ingest), block_deadline(batch));
    for (int i = 0; i < batch->block.count; i++) {
        const struct block_row *row = &batch->block.rows[i];
        if (row->verdict == JUDGEMENT_REFUSED && is_outage(row->err.code)) {
            *err = row->err;
            return -1;
        }
    }
    count_rows(batch);
    count_stored(batch->accepted - accepted, batch->duplicate - duplicate);
    return 0;
}

/* ---- all or nothing ---- */

/* Without a name from the start on (O_TMPFILE would be simpler, but not every file system of containers has it). */
static int open_spool(struct ingest_batch *batch, struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/egalign-batch-XXXXXX", ingest_options_of(batch->ingest)->spool_dir);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "a temporary file %s", path);
    unlink(path);
    batch->spool = fdopen(fd, "w+");
    if (batch->spool)
        return 0;
    close(fd);
    return err_errno(err, "a temporary file %s", path);
}

/* Checks the block, and lets it wait in the file while the batch is still good. */
static int spool_block(struct ingest_batch *batch, struct err *err)
{
    struct pg *pg = NULL;
    if (pool_take(ingest_batch_pool(batch->ingest), block_deadline(batch), &pg, err) < 0)
        return -1;
    int status = block_check(&batch->block, pg, err);
    pool_give(ingest_batch_pool(batch->ingest), pg);
    if (status < 0)
        return -1;
    count_rows(batch);
    if (batch->rejected > 0)
        return 0;
    if (!batch->spool && open_spool(batch, err) < 0)
        return -1;
    return rowset_write(&batch->block.rowset, batch->spool, err);
}

/* The only block, in one transaction with what it refers to. */
static int store_only_block(struct pg *pg, struct ingest_batch *batch, struct err *err)
{
    if (pg_begin(pg, err) < 0)
        return -1;
    bool refused = false;
    int status = block_store(&batch->block, pg, err);
    for (int i = 0; status == 0 && i < batch->block.count; i++)
        refused |= batch->block.rows[i].verdict == JUDGEMENT_REFUSED;
    if (status == 0 && !refused && batch->rejected == 0)
        status = pg_commit(pg, err);
    else if (pg_alive(pg))
        pg_rollback(pg);
    if (status == 0) {
        count_rows(batch);
        if (batch->rejected == 0)
            block_learn(&batch->block);
    }
    return status;
}

/* Goes through the waiting blocks from the first on. */
static int each_spooled(struct pg *pg, struct ingest_batch *batch,
                        int (*visit)(struct pg *, struct ingest_batch *, struct err *), struct err *err)
{
    int got;
    rewind(batch->spool);
    rowset_start(&batch->rowset);
    while ((got = rowset_read(&batch->rowset, batch->spool, err)) > 0) {
        pg_set_deadline(pg, block_deadline(batch));
        if (visit(pg, batch, err) < 0)
            return -1;
    }
    return got;
}

static int store_parents(struct pg *pg, struct ingest_batch *batch, struct err *err)
{
    return rowset_store_parents(&batch->rowset, pg, err);
}

/* Lines of the block that meanwhile are stored with another content, by another client or an earlier line. */
static int list_conflicts(struct pg *pg, struct ingest_batch *batch, struct err *err)
{
    struct pg_result *r = NULL;
    if (rowset_conflicts(&batch->rowset, pg, &r, err) < 0)
        return -1;
    for (int i = 0; i < pg_rows(r); i++) {
        struct err why;
        err_at(&why, ERR_CONFLICT, "/id", "a comparison with this id and another content is stored");
        why.line = (long)pg_int(r, i, 0);
        ingest_batch_reject(batch, &why);
        batch->duplicate--; /* it was counted as a row that is there already */
    }
    pg_result_free(r);
    return 0;
}

static int store_comparisons(struct pg *pg, struct ingest_batch *batch, struct err *err)
{
    int stored, sent = rowset_count(&batch->rowset);
    if (rowset_store_comparisons(&batch->rowset, pg, &stored, err) < 0)
        return -1;
    batch->accepted -= sent - stored;
    batch->duplicate += sent - stored;
    return stored < sent ? list_conflicts(pg, batch, err) : 0;
}

/* Parents first, in transactions of their own; then all comparisons in one. */
static int store_spooled(struct pg *pg, struct ingest_batch *batch, struct err *err)
{
    if (each_spooled(pg, batch, store_parents, err) < 0 || pg_begin(pg, err) < 0)
        return -1;
    int status = each_spooled(pg, batch, store_comparisons, err);
    if (status == 0 && batch->rejected == 0)
        return pg_commit(pg, err);
    if (pg_alive(pg))
        pg_rollback(pg);
    return status;
}

/* A deadlock with other batches, or a connection that was lost while idle, is no reason to give up: nothing is stored
 * yet, or the same again is a replay. */
static int apply(struct ingest_batch *batch, int (*store)(struct pg *, struct ingest_batch *, struct err *),
                 struct err *err)
{
    struct pool *pool = ingest_batch_pool(batch->ingest);
    const struct ingest_batch before = *batch;
    int status = -1;
    for (int i = 0; i < APPLY_TRIES && status < 0; i++) {
        struct pg *pg = NULL;
        batch->accepted = before.accepted;
        batch->duplicate = before.duplicate;
        batch->rejected = before.rejected;
        batch->error_count = before.error_count;
        status = pool_take(pool, block_deadline(batch), &pg, err);
        if (status == 0)
            status = store(pg, batch, err);
        bool missed = pg && pg_missed(pg);
        pool_give(pool, pg);
        if (status < 0 && (missed || (err->code != ERR_DATABASE_CONFLICT && err->code != ERR_DATABASE_DOWN)))
            break;
    }
    return status;
}

/* What the database refuses although the reader let it pass: nobody can tell which line, only that the batch is bad. */
static int apply_or_reject(struct ingest_batch *batch, int (*store)(struct pg *, struct ingest_batch *, struct err *),
                           struct err *err)
{
    if (apply(batch, store, err) == 0) {
        metric_add(METRIC_INGEST_COMMITS, batch->rejected == 0);
        return 0;
    }
    if (is_outage(err->code))
        return -1;
    ingest_batch_reject(batch, err);
    return 0;
}

static int finish_whole(struct ingest_batch *batch, struct err *err)
{
    if (batch->spool && batch->block.count > 0 && spool_block(batch, err) < 0)
        return -1;
    int status = 0;
    if (!batch->spool && batch->block.count > 0) {
        status = apply_or_reject(batch, store_only_block, err);
    } else if (batch->spool && batch->rejected == 0) {
        if (fflush(batch->spool) != 0)
            return err_errno(err, "the file in which a batch waits");
        status = apply_or_reject(batch, store_spooled, err);
    }
    if (status == 0 && batch->rejected > 0)
        batch->accepted = 0;
    else if (status == 0)
        count_stored(batch->accepted, batch->duplicate);
    return status;
}

/* ---- the stream ---- */

static int flush_block(struct ingest_batch *batch, struct err *err)
{
    int status = batch->skip ? commit_block(batch, err) : spool_block(batch, err);
    empty_block(batch);
    return status;
}

int ingest_batch_add(struct ingest_batch *batch, const struct judgement *judgement, long line, struct err *err)
{
    struct block *block = &batch->block;
    if ((block->count == BLOCK_ROWS || block->bytes >= BLOCK_BYTES) && flush_block(batch, err) < 0)
        return -1;
    struct judgement *copy = &batch->judgements[block->count];
    if (judgement_copy(judgement, &batch->arena, copy, err) < 0)
        return -1;
    block_add(block, copy, line);
    return 0;
}

static int by_line(const void *x, const void *y)
{
    long a = ((const struct ingest_line_error *)x)->err.line, b = ((const struct ingest_line_error *)y)->err.line;
    return a < b ? -1 : a > b;
}

int ingest_batch_finish(struct ingest_batch *batch, struct ingest_report *ret, struct err *err)
{
    int status = 0;
    if (!batch->skip)
        status = finish_whole(batch, err);
    else if (batch->block.count > 0)
        status = commit_block(batch, err);
    empty_block(batch);
    if (status < 0)
        return -1;
    qsort(batch->errors, (size_t)batch->error_count, sizeof *batch->errors, by_line);
    *ret =
        (struct ingest_report){batch->accepted, batch->duplicate, batch->rejected, batch->errors, batch->error_count};
    return 0;
}
