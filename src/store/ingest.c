#include "store/ingest.h"

#include <pthread.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/block.h"
#include "store/pool.h"

enum {
    KNOWN_FACTS = 262144, /* 13 MB when full: the texts and people of some days of work */
    BATCH_CONNECTIONS = 2,
    GROUP_BYTES = 4 << 20, /* of text in one group: bounds memory, and what one commit makes others wait */
    WRITERS_MOST = 8
};

struct ingest {
    struct ingest_options options;
    char *spool_dir;
    struct known *known;
    struct pool *pool, *batch_pool;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    struct ingest_entry *head, **tail;
    int queued;
    bool stopping;
    pthread_t threads[WRITERS_MOST];
    int running; /* writers started and not joined */
};

struct known *ingest_known(struct ingest *ingest)
{
    return ingest->known;
}

struct pool *ingest_batch_pool(struct ingest *ingest)
{
    return ingest->batch_pool;
}

const struct ingest_options *ingest_options_of(const struct ingest *ingest)
{
    return &ingest->options;
}

/* ---- the queue ---- */

int ingest_submit(struct ingest *ingest, struct ingest_entry *entry, struct err *err)
{
    entry->next = NULL;
    entry->submitted_ns = clock_mono_ns();
    pthread_mutex_lock(&ingest->lock);
    bool stopping = ingest->stopping, full = ingest->queued >= ingest->options.queue_rows;
    if (!stopping && !full) {
        *ingest->tail = entry;
        ingest->tail = &entry->next;
        ingest->queued++;
        metric_add(METRIC_INGEST_QUEUED, 1);
        pthread_cond_signal(&ingest->wake);
    }
    pthread_mutex_unlock(&ingest->lock);
    if (stopping)
        return err_set(err, ERR_DRAINING, "the daemon is stopping");
    return full ? err_set(err, ERR_OVERLOADED, "%d comparisons wait to be stored", ingest->options.queue_rows) : 0;
}

/* Waits for entries and takes what is there, up to a group. 0: stopping, and nothing is left. */
static int take_group(struct ingest *ingest, struct block *block, struct ingest_entry **group)
{
    int count = 0;
    block_clear(block);
    pthread_mutex_lock(&ingest->lock);
    while (!ingest->head && !ingest->stopping)
        pthread_cond_wait(&ingest->wake, &ingest->lock);
    while (ingest->head && count < ingest->options.group_rows && block->bytes < GROUP_BYTES) {
        struct ingest_entry *entry = ingest->head;
        ingest->head = entry->next;
        if (!ingest->head)
            ingest->tail = &ingest->head;
        block_add(block, &entry->judgement, 0);
        group[count++] = entry;
    }
    ingest->queued -= count;
    pthread_mutex_unlock(&ingest->lock);
    metric_add(METRIC_INGEST_QUEUED, -count);
    return count;
}

/* ---- the writers ---- */

/* After done() an entry is gone. */
static void answer(struct ingest_entry *entry, const struct block_row *row)
{
    entry->verdict = row->verdict;
    if (row->verdict == JUDGEMENT_REFUSED)
        entry->err = row->err;
    metric_add(METRIC_INGEST_ROWS, row->verdict == JUDGEMENT_STORED);
    metric_add(METRIC_INGEST_DUPLICATES, row->verdict == JUDGEMENT_REPLAYED);
    entry->done(entry);
}

/* The arrays of one writer. */
static int writer_memory(const struct ingest *ingest, struct block *block, struct ingest_entry ***ret)
{
    *ret = mem_array((size_t)ingest->options.group_rows, sizeof **ret);
    if (!*ret)
        return -1;
    if (block_init(block, ingest->known, ingest->options.group_rows, NULL) == 0)
        return 0;
    mem_free(*ret);
    return -1;
}

struct writer {
    struct ingest *ingest;
    struct block block;
    struct ingest_entry **group;
};

static void *writer_main(void *argument)
{
    struct writer *w = argument;
    struct ingest *ingest = w->ingest;
    int count;
    while ((count = take_group(ingest, &w->block, w->group)) > 0) {
        /* The first came first: nobody in the group has waited longer. */
        block_commit(&w->block, ingest->pool,
                     w->group[0]->submitted_ns + (int64_t)ingest->options.deadline_ms * 1000000);
        for (int i = 0; i < count; i++)
            answer(w->group[i], &w->block.rows[i]);
    }
    block_free(&w->block);
    mem_free(w->group);
    mem_free(w);
    return NULL;
}

static int start_writer(struct ingest *ingest, struct err *err)
{
    struct writer *w = mem_zeroed(1, sizeof *w);
    if (!w || writer_memory(ingest, &w->block, &w->group) < 0) {
        mem_free(w);
        return err_memory(err);
    }
    w->ingest = ingest;
    if (pthread_create(&ingest->threads[ingest->running], NULL, writer_main, w) == 0) {
        ingest->running++;
        return 0;
    }
    block_free(&w->block);
    mem_free(w->group);
    mem_free(w);
    return err_set(err, ERR_SYSTEM, "a writer thread cannot be started");
}

static void forget(void *known)
{
    known_forget(known);
}

static int make_pools(struct ingest *ingest, struct err *err)
{
    struct pool_options options = {
        .pg = {.conninfo = ingest->options.conninfo,
               .application = "egalign ingest",
               .statement_timeout_ms = ingest->options.deadline_ms,
               .lock_timeout_ms = ingest->options.deadline_ms / 2},
        .size = ingest->options.writers,
        .deadline_ms = ingest->options.deadline_ms,
        .lost = forget,
        .lost_context = ingest->known,
    };
    if (pool_new(&options, &ingest->pool, err) < 0)
        return -1;
    options.pg.application = "egalign batch";
    options.size = BATCH_CONNECTIONS;
    return pool_new(&options, &ingest->batch_pool, err);
}

int ingest_start(const struct ingest_options *options, struct ingest **ret, struct err *err)
{
    CHECK(options->writers >= 1 && options->writers <= WRITERS_MOST && options->group_rows >= 1);
    struct ingest *ingest = mem_zeroed(1, sizeof *ingest);
    if (!ingest)
        return err_memory(err);
    pthread_mutex_init(&ingest->lock, NULL);
    pthread_cond_init(&ingest->wake, NULL);
    ingest->options = *options;
    ingest->tail = &ingest->head;
    ingest->spool_dir = mem_strdup(options->spool_dir ? options->spool_dir : "/var/tmp");
    ingest->options.spool_dir = ingest->spool_dir;
    ingest->known = known_new(KNOWN_FACTS, err);
    int status = !ingest->spool_dir ? err_memory(err) : ingest->known ? make_pools(ingest, err) : -1;
    ingest->options.conninfo = NULL; /* the caller's; the pools have their own copies */
    while (status == 0 && ingest->running < options->writers)
        status = start_writer(ingest, err);
    if (status < 0) {
        ingest_free(ingest);
        return -1;
    }
    *ret = ingest;
    return 0;
}

void ingest_stop(struct ingest *ingest)
{
    pthread_mutex_lock(&ingest->lock);
    ingest->stopping = true;
    pthread_cond_broadcast(&ingest->wake);
    pthread_mutex_unlock(&ingest->lock);
    while (ingest->running > 0)
        pthread_join(ingest->threads[--ingest->running], NULL);
}

void ingest_free(struct ingest *ingest)
{
    if (!ingest)
        return;
    ingest_stop(ingest);
    pool_free(ingest->pool);
    pool_free(ingest->batch_pool);
    known_free(ingest->known);
    pthread_cond_destroy(&ingest->wake);
    pthread_mutex_destroy(&ingest->lock);
    mem_free(ingest->spool_dir);
    mem_free(ingest);
}
