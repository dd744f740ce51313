/* ingest_store: what a durable comparison costs in the store, without HTTP, beside its ceiling, in one run.
 *
 * usage: build/release/bench/ingest_store [ROWS [unique|repeated]]
 * Makes a private cluster below /tmp and measures, over the same rows (1.2 kB of text each):
 *   copy wide          COPY BINARY of whole rows into one plain table with a unique key: the ceiling
 *   copy normalised    COPY BINARY of the rows that our tables hold, ids made before: the ceiling of this schema
 *   batch              NDJSON batches of 1000, all or nothing, one client
 *   group              64 single posts at a time, group commit, 2 writers
 *   row by row         the same with one row a transaction, 2 and 8 writers, a tenth of the rows
 * Each line: rows a second, and microseconds of CPU a row in this process and in all of PostgreSQL. */
#include <dirent.h>
#include <ftw.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/cluster.h"
#include "store/ingest.h"
#include "store/project.h"
#include "store/store.h"

enum { PEOPLE = 500, BATCH = 1000, POSTS = 64, TEXT = 400, REPEATED = 100 };

static struct err err;
static struct cluster *cluster;
static struct pool *pool;
static struct uuid project;
static bool unique;
static uint64_t seed;

static void must(int status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "ingest_store: %s\n", err.message);
    exit(1);
}

/* ---- rows ---- */

struct row {
    char name[16], prompt[TEXT], a[TEXT], b[TEXT];
};

static struct row *made; /* the rows of the measurement that runs */

static void fill(char *text, struct rng *r, long number)
{
    static const char *const words[] = {"river", "answer", "because", "the",   "of",
                                        "light", "people", "often",   "small", "is"};
    size_t length = (size_t)snprintf(text, TEXT, "%ld", number);
    while (length < TEXT - 10)
        length += (size_t)snprintf(text + length, TEXT - length, " %s", words[rng_below(r, 10)]);
}

/* Row `i` of the run: new texts, or one of a hundred prompts with four answers each. */
static void make_row(long i, struct row *ret)
{
    struct rng r;
    long topic = unique ? i : i % REPEATED, pair = unique ? 0 : i / REPEATED % 2;
    rng_init(&r, seed, (uint64_t)topic * 2 + (uint64_t)pair);
    snprintf(ret->name, sizeof ret->name, "ann-%ld", i * 7 % PEOPLE);
    fill(ret->a, &r, 2 * pair);
    fill(ret->b, &r, 2 * pair + 1);
    rng_init(&r, seed + 1, (uint64_t)topic);
    fill(ret->prompt, &r, topic);
}

/* New texts for all rows, made before a clock runs. */
static void make_rows(long rows)
{
    seed += 10;
    for (long i = 0; i < rows; i++)
        make_row(i, &made[i]);
}

static void make_judgement(long i, struct arena *arena, struct judgement *ret)
{
    const struct row *row = &made[i];
    struct record r = {0};
    record_set_annotator(&r, str_of(row->name));
    record_set_prompt(&r, str_of(row->prompt));
    record_set_response(&r, SIDE_A, str_of(row->a), (struct str){0});
    record_set_response(&r, SIDE_B, str_of(row->b), (struct str){0});
    record_set_outcome(&r, i % 2 ? OUTCOME_A : OUTCOME_B);
    must(judgement_of_record(&r, &project, NULL, arena, ret, &err));
}

/* ---- clocks ---- */

struct usage {
    int64_t wall_ns;
    double own_us, server_us;
};

static double own_cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Ticks of one process, and of its ended children when it is the server itself; its parent in *ret_parent. */
static double ticks_of(int pid, bool with_children, int *ret_parent)
{
    char path[64], line[1024];
    long user = 0, system = 0, child_user = 0, child_system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    *ret_parent = 0;
    if (file && fgets(line, sizeof line, file) && strrchr(line, ')'))
        sscanf(strrchr(line, ')') + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld %ld %ld", ret_parent, &user,
               &system, &child_user, &child_system);
    if (file)
        fclose(file);
    return (double)(user + system + (with_children ? child_user + child_system : 0));
}

static double server_cpu_us(void)
{
    int server = (int)cluster_pid(cluster), parent;
    double ticks = ticks_of(server, true, &parent);
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        double own = atoi(entry->d_name) > 0 ? ticks_of(atoi(entry->d_name), false, &parent) : 0;
        if (atoi(entry->d_name) > 0 && parent == server)
            ticks += own;
    }
    if (proc)
        closedir(proc);
    return ticks * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static struct usage now(void)
{
    return (struct usage){clock_mono_ns(), own_cpu_us(), server_cpu_us()};
}

static double report(const char *what, long rows, struct usage from)
{
    struct usage to = now();
    double seconds = (double)(to.wall_ns - from.wall_ns) / 1e9, rate = (double)rows / seconds;
    printf("%-18s %8ld rows %9.0f rows/s   own %5.1f us/row   postgres %5.1f us/row\n", what, rows, rate,
           (to.own_us - from.own_us) / (double)rows, (to.server_us - from.server_us) / (double)rows);
    fflush(stdout);
    return rate;
}

/* ---- COPY BINARY ---- */

static void must_pq(PGconn *conn, PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_COPY_IN) {
        fprintf(stderr, "ingest_store: %s\n", PQerrorMessage(conn));
        exit(1);
    }
    PQclear(r);
}

static void put16(struct buf *b, int value)
{
    char bytes[2] = {(char)(value >> 8), (char)value};
    buf_add(b, bytes, 2);
}

static void put_field(struct buf *b, const void *bytes, size_t length)
{
    put16(b, (int)(length >> 16));
    put16(b, (int)length & 0xFFFF);
    buf_add(b, bytes, length);
}

static void send_rows(PGconn *conn, struct buf *b, bool all)
{
    if (b->length > 65536 || (all && b->length > 0)) {
        if (PQputCopyData(conn, b->data, (int)b->length) != 1)
            exit(1);
        buf_clear(b);
    }
}

static void copy(PGconn *conn, const char *sql, long rows, void (*put)(struct buf *, long, struct arena *))
{
    static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
    struct buf b = {0};
    struct arena arena = {0};
    must_pq(conn, PQexec(conn, sql));
    buf_add(&b, head, 19);
    for (long i = 0; i < rows; i++) {
        put(&b, i, &arena);
        arena_free(&arena);
        send_rows(conn, &b, false);
    }
    put16(&b, -1);
    send_rows(conn, &b, true);
    PQputCopyEnd(conn, NULL);
    must_pq(conn, PQgetResult(conn));
    PQclear(PQgetResult(conn));
    buf_free(&b);
}

static void put_wide(struct buf *b, long i, struct arena *arena)
{
    const struct row *row = &made[i];
    struct uuid id;
    (void)arena;
    must(uuid_new(&id, &err));
    put16(b, 6);
    put_field(b, &id, 16);
    put_field(b, row->name, strlen(row->name));
    put_field(b, row->prompt, strlen(row->prompt));
    put_field(b, row->a, strlen(row->a));
    put_field(b, row->b, strlen(row->b));
    put_field(b, "a", 1);
}

static void put_comparison(struct buf *b, long i, struct arena *arena)
{
    struct judgement j;
    make_judgement(i, arena, &j);
    put16(b, 8);
    put_field(b, &j.project, 16);
    put_field(b, &j.id, 16);
    put_field(b, &j.annotator, 16);
    put_field(b, &j.item, 16);
    put_field(b, &j.a.id, 16);
    put_field(b, &j.b.id, 16);
    put_field(b, "a", 1);
    put_field(b, j.digest, 16);
}

static void put_item(struct buf *b, long i, struct arena *arena)
{
    struct judgement j;
    make_judgement(i, arena, &j);
    put16(b, 3);
    put_field(b, &j.project, 16);
    put_field(b, &j.item, 16);
    put_field(b, j.prompt.ptr, j.prompt.len);
}

static void put_responses(struct buf *b, long i, struct arena *arena)
{
    struct judgement j;
    make_judgement(i / 2, arena, &j);
    const struct judgement_response *response = i % 2 ? &j.b : &j.a;
    put16(b, 3);
    put_field(b, &j.item, 16);
    put_field(b, &response->id, 16);
    put_field(b, response->text.ptr, response->text.len);
}

static double bench_copy(long rows)
{
    PGconn *conn = PQconnectdb(cluster_conninfo(cluster));
    must_pq(conn, PQexec(conn, "CREATE TABLE wide (seq bigint GENERATED ALWAYS AS IDENTITY, id uuid PRIMARY KEY, "
                               "annotator text, prompt text, a text, b text, outcome outcome)"));
    struct usage from = now();
    copy(conn, "COPY wide (id, annotator, prompt, a, b, outcome) FROM STDIN BINARY", rows, put_wide);
    double rate = report("copy wide", rows, from);
    must_pq(conn, PQexec(conn, "DROP TABLE wide"));
    make_rows(rows);
    long texts = unique ? rows : 2 * REPEATED;
    from = now();
    must_pq(conn, PQexec(conn, "BEGIN"));
    copy(conn,
         "COPY comparison (project_id, id, annotator_id, item_id, response_a, response_b, outcome, digest) "
         "FROM STDIN BINARY",
         rows, put_comparison);
    copy(conn, "COPY item (project_id, id, prompt) FROM STDIN BINARY", unique ? rows : REPEATED, put_item);
    copy(conn, "COPY response (item_id, id, text) FROM STDIN BINARY", 2 * texts, put_responses);
    must_pq(conn, PQexec(conn, "COMMIT"));
    report("copy normalised", rows, from);
    PQfinish(conn);
    return rate;
}

/* ---- ingest ---- */

static struct ingest *ingest_with(int writers, int group_rows)
{
    struct ingest *ingest = NULL;
    struct ingest_options options = {.conninfo = cluster_conninfo(cluster),
                                     .writers = writers,
                                     .group_rows = group_rows,
                                     .queue_rows = 8192,
                                     .deadline_ms = 60000};
    must(ingest_start(&options, &ingest, &err));
    return ingest;
}

static double bench_batch(long rows)
{
    struct ingest *ingest = ingest_with(1, 500);
    struct usage from = now();
    for (long i = 0; i < rows; i += BATCH) {
        struct ingest_batch *batch;
        struct ingest_report done;
        must(ingest_batch_open(ingest, false, 10, &batch, &err));
        for (long line = 1; line <= BATCH; line++) {
            struct arena arena = {0};
            struct judgement j;
            make_judgement(i + line - 1, &arena, &j);
            must(ingest_batch_add(batch, &j, line, &err));
            arena_free(&arena);
        }
        must(ingest_batch_finish(batch, &done, &err));
        if (done.accepted != BATCH)
            exit(1);
        ingest_batch_free(batch);
    }
    double rate = report("batch", rows, from);
    ingest_free(ingest);
    return rate;
}

struct post {
    struct ingest_entry entry;
    struct arena arena;
    struct post *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct post *answered;
static sem_t answers;

static void post_done(struct ingest_entry *entry)
{
    struct post *post = (struct post *)entry;
    pthread_mutex_lock(&lock);
    post->next = answered;
    answered = post;
    pthread_mutex_unlock(&lock);
    sem_post(&answers);
}

static struct post *next_answered(void)
{
    while (sem_wait(&answers) != 0)
        ;
    pthread_mutex_lock(&lock);
    struct post *post = answered;
    answered = post->next;
    pthread_mutex_unlock(&lock);
    return post;
}

static double bench_posts(const char *what, int writers, int group_rows, long rows)
{
    static struct post posts[POSTS];
    struct ingest *ingest = ingest_with(writers, group_rows);
    struct usage from = now();
    sem_init(&answers, 0, 0);
    for (int i = 0; i < POSTS; i++)
        post_done(&posts[i].entry);
    for (long i = 0; i < rows + POSTS; i++) {
        struct post *post = next_answered();
        if (i >= POSTS && post->entry.verdict != JUDGEMENT_STORED)
            exit(1);
        arena_free(&post->arena);
        if (i >= rows)
            continue;
        memset(&post->entry, 0, sizeof post->entry);
        post->entry.done = post_done;
        make_judgement(i, &post->arena, &post->entry.judgement);
        must(ingest_submit(ingest, &post->entry, &err));
    }
    double rate = report(what, rows, from);
    ingest_free(ingest);
    return rate;
}

/* ---- the whole ---- */

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *walk)
{
    (void)s, (void)kind, (void)walk;
    return remove(path);
}

static void run(long rows)
{
    printf("%s texts, %d bytes each, three a row\n", unique ? "unique" : "repeated", TEXT - 8);
    make_rows(rows);
    double ceiling = bench_copy(rows);
    make_rows(rows);
    double batch = bench_batch(rows);
    make_rows(rows);
    double group = bench_posts("group", 2, 500, rows);
    make_rows(rows / 10);
    double two = bench_posts("row by row, 2", 2, 1, rows / 10);
    make_rows(rows / 10);
    double eight = bench_posts("row by row, 8", 8, 1, rows / 10);
    printf("batch / copy wide %.2f   group / row by row %.1f (2 writers) %.1f (8 writers)\n\n", batch / ceiling,
           group / two, group / eight);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/egalign-bench-XXXXXX", option[80], unsafe[] = "--allow-unsafe-storage";
    struct config config;
    struct buf out = {0};
    bool created;
    long rows = argc > 1 ? atol(argv[1]) / BATCH * BATCH : 50000;
    made = mem_array((size_t)rows, sizeof *made);
    struct project_settings settings = {.refit_after_comparisons = -1, .refit_after_seconds = -1};
    if (!made || !mkdtemp(folder) || chmod(folder, 0711) < 0)
        return 1;
    snprintf(option, sizeof option, "--data-dir=%s/data", folder);
    must(config_load(&config, 2, (char *[]){option, unsafe}, &err));
    must(cluster_start(&config, &cluster, &err));
    must(cluster_wait_ready(cluster, 60000, &err));
    must(store_migrate(cluster_conninfo(cluster), 20000, NULL, &err));
    must(store_pool(&config, cluster_conninfo(cluster), "bench", &pool, &err));
    must(project_create(pool, STR_LITERAL("bench"), &settings, &created, &out, &err));
    must(project_find(pool, STR_LITERAL("bench"), &project, &err));
    for (int kind = 0; kind < 2; kind++) {
        unique = kind == 0;
        if (argc < 3 || strcmp(argv[2], unique ? "unique" : "repeated") == 0)
            run(rows);
    }
    pool_free(pool);
    cluster_stop(cluster);
    buf_free(&out);
    config_free(&config);
    mem_free(made);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
