/* ingest: identity, judgements, blocks and the writers, against a private cluster. */
#include "unit/test.h"
#include "unit/ingest_fixture.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/block.h"
#include "store/identity.h"

/* ---- ids and digests ---- */

static void ids_follow_from_content_and_nothing_else(void **state)
{
    (void)state;
    struct uuid other = new_id(), a = identity_item(&project, STR_LITERAL("x"), false);
    struct uuid same = identity_item(&project, STR_LITERAL("x"), false);
    struct uuid differing[] = {
        identity_item(&other, STR_LITERAL("x"), false),
        identity_item(&project, STR_LITERAL("x"), true),
        identity_item(&project, STR_LITERAL("y"), false),
        identity_annotator(&project, STR_LITERAL("x")),
        identity_key(&project, STR_LITERAL("x")),
        identity_response(&project, (struct str){0}, STR_LITERAL("x")),
        identity_response(&project, STR_LITERAL("x"), STR_LITERAL("")),
    };
    assert_memory_equal(&a, &same, sizeof a);
    assert_int_equal(a.bytes[6] >> 4, 8);
    assert_int_equal(a.bytes[8] >> 6, 2);
    for (size_t i = 0; i < sizeof differing / sizeof differing[0]; i++) {
        assert_memory_not_equal(&a, &differing[i], sizeof a);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(&differing[k], &differing[i], sizeof a);
    }
}

/* Puts one more thing into a record; `which` from 0 on, false when there are no more. */
static bool vary(struct record *r, int which)
{
    static struct str reason = {"tone", 4};
    switch (which) {
    case 0:
        r->outcome = OUTCOME_TIE;
        return true;
    case 1:
        r->strength = 2;
        return true;
    case 2:
        r->shown_first = SIDE_A;
        r->seen.given |= 1 << RECORD_SHOWN_FIRST;
        return true;
    case 3:
        r->duration_ms = 0;
        r->seen.given |= 1 << RECORD_DURATION_MS;
        return true;
    case 4:
        r->created_at = 0;
        r->seen.given |= 1 << RECORD_CREATED_AT;
        return true;
    case 5:
        r->skip_reason = STR_LITERAL("late");
        r->seen.given |= 1 << RECORD_SKIP_REASON;
        return true;
    case 6:
        r->reasons = (struct json_list){&reason, 1};
        r->seen.given |= 1 << RECORD_REASONS;
        return true;
    case 7:
        record_set_meta(r, STR_LITERAL("{}"));
        return true;
    case 8:
        record_set_annotator(r, STR_LITERAL("somebody else"));
        return true;
    case 9:
        record_set_response(r, SIDE_B, STR_LITERAL("another answer"), STR_LITERAL("gpt3"));
        return true;
    case 10:
        record_set_prompt(r, STR_LITERAL("another prompt"));
        return true;
    default:
        return false;
    }
}

static void the_digest_covers_all_that_is_stored(void **state)
{
    (void)state;
    struct uuid id = new_id();
    struct record plain = record_of("ada", "digests");
    struct judgement first = judgement_of(&plain, &id), again = judgement_of(&plain, &id);
    assert_memory_equal(first.digest, again.digest, JUDGEMENT_DIGEST);
    int kinds = 0;
    for (struct record r = plain; vary(&r, kinds); r = plain, kinds++) {
        struct judgement other = judgement_of(&r, &id);
        assert_memory_not_equal(first.digest, other.digest, JUDGEMENT_DIGEST);
    }
    assert_int_equal(kinds, 11);
}

static void what_cannot_be_stored_is_refused_before(void **state)
{
    (void)state;
    struct judgement j;
    struct uuid id = new_id();
    struct record r = record_of("ada", "refusals");
    record_set_response(&r, SIDE_B, STR_LITERAL("one answer"), (struct str){0});
    assert_int_equal(judgement_of_record(&r, &project, NULL, &arena, &j, &f.err), -1);
    assert_int_equal(f.err.code, ERR_INVALID_VALUE);
    assert_string_equal(f.err.pointer, "/b");
    record_set_response(&r, SIDE_B, (struct str){"nul\0", 4}, (struct str){0});
    assert_int_equal(judgement_of_record(&r, &project, NULL, &arena, &j, &f.err), -1);
    assert_string_equal(f.err.pointer, "/b/text");
    r = record_of("ada", "refusals");
    r.id = new_id();
    r.seen.given |= 1 << RECORD_ID;
    assert_int_equal(judgement_of_record(&r, &project, &id, &arena, &j, &f.err), -1);
    assert_string_equal(f.err.pointer, "/id");
}

/* ---- blocks ---- */

enum { MOST = 64 };

struct bench {
    struct known *known;
    struct block block;
    struct judgement rows[MOST];
};

static void bench_open(struct bench *b)
{
    b->known = known_new(1024, &f.err);
    assert_non_null(b->known);
    assert_int_equal(block_init(&b->block, b->known, MOST, &f.err), 0);
}

static void bench_close(struct bench *b)
{
    block_free(&b->block);
    known_free(b->known);
}

static void commit(struct bench *b, int count)
{
    block_clear(&b->block);
    for (int i = 0; i < count; i++)
        block_add(&b->block, &b->rows[i], i + 1);
    block_commit(&b->block, f.pool, pg_deadline(5000));
}

static void a_row_is_new_then_replayed_then_in_conflict(void **state)
{
    (void)state;
    struct bench b;
    struct uuid id = new_id();
    struct record r = record_of("ada", "thrice");
    bench_open(&b);
    b.rows[0] = judgement_of(&r, &id);
    commit(&b, 1);
    assert_int_equal(b.block.rows[0].verdict, JUDGEMENT_STORED);
    commit(&b, 1);
    assert_int_equal(b.block.rows[0].verdict, JUDGEMENT_REPLAYED);
    r.outcome = OUTCOME_B;
    b.rows[0] = judgement_of(&r, &id);
    commit(&b, 1);
    assert_int_equal(b.block.rows[0].verdict, JUDGEMENT_REFUSED);
    assert_int_equal(b.block.rows[0].err.code, ERR_CONFLICT);
    assert_int_equal(b.block.rows[0].err.line, 1);
    assert_true(holds("(SELECT count(*) = 1 AND min(outcome::text) = 'a' FROM comparison "
                      "JOIN item i ON i.id = item_id WHERE prompt = 'thrice')"));
    bench_close(&b);
}

static void twins_in_one_block_are_judged_by_the_first(void **state)
{
    (void)state;
    struct bench b;
    struct uuid id = new_id();
    struct record r = record_of("ada", "twins");
    bench_open(&b);
    b.rows[0] = judgement_of(&r, &id);
    b.rows[1] = judgement_of(&r, NULL);
    b.rows[2] = judgement_of(&r, &id);
    r.outcome = OUTCOME_B;
    b.rows[3] = judgement_of(&r, &id);
    commit(&b, 4);
    assert_int_equal(b.block.rows[0].verdict, JUDGEMENT_STORED);
    assert_int_equal(b.block.rows[1].verdict, JUDGEMENT_STORED);
    assert_int_equal(b.block.rows[2].verdict, JUDGEMENT_REPLAYED);
    assert_int_equal(b.block.rows[3].err.code, ERR_CONFLICT);
    struct judgement last = b.rows[3];
    b.rows[3] = b.rows[0];
    b.rows[0] = last;
    commit(&b, 4); /* the first is in conflict with what is stored, its twins are not */
    assert_int_equal(b.block.rows[0].err.code, ERR_CONFLICT);
    assert_int_equal(b.block.rows[2].verdict, JUDGEMENT_REPLAYED);
    assert_int_equal(b.block.rows[3].verdict, JUDGEMENT_REPLAYED);
    bench_close(&b);
}

static void a_poison_row_fails_alone(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    for (int i = 0; i < MOST; i++) {
        struct record r = record_of("ada", i == 37 ? "not UTF-8: \xff" : "poison");
        b.rows[i] = judgement_of(&r, NULL);
    }
    commit(&b, MOST);
    for (int i = 0; i < MOST; i++)
        assert_int_equal(b.block.rows[i].verdict, i == 37 ? JUDGEMENT_REFUSED : JUDGEMENT_STORED);
    assert_int_equal(b.block.rows[37].err.code, ERR_INVALID_VALUE);
    bench_close(&b);
}

/* The same judgement by ids instead of texts. */
static struct judgement by_ids(const struct judgement *j)
{
    struct record r = record_of("ada", "");
    r.prompt_form = PROMPT_NONE;
    r.item = j->item;
    r.side[SIDE_A] = (struct record_side){.form = SIDE_ID, .id = j->a.id};
    r.side[SIDE_B] = (struct record_side){.form = SIDE_ID, .id = j->b.id};
    return judgement_of(&r, NULL);
}

static void references_must_exist_and_belong_together(void **state)
{
    (void)state;
    struct bench b;
    struct record r = record_of("ada", "references"), other = record_of("ada", "other references");
    bench_open(&b);
    b.rows[0] = judgement_of(&r, NULL);
    b.rows[1] = judgement_of(&other, NULL);
    struct judgement good = by_ids(&b.rows[0]), bad = good, foreign = good, unknown = good;
    bad.b.id = b.rows[1].b.id;
    foreign.project = new_id();
    unknown.item = new_id();
    for (int known = 0; known <= 1; known++) {
        bench_close(&b);
        bench_open(&b);
        struct judgement rows[] = {judgement_of(&r, NULL), judgement_of(&other, NULL)};
        memcpy(b.rows, rows, sizeof rows);
        commit(&b, 2);
        if (!known)
            known_forget(b.known);
        struct judgement refs[] = {good, bad, foreign, unknown, judgement_of(&r, NULL)};
        refs[0].id = new_id();
        memcpy(b.rows, refs, sizeof refs);
        commit(&b, 5);
        assert_int_equal(b.block.rows[0].verdict, JUDGEMENT_STORED);
        for (int i = 1; i <= 3; i++)
            assert_int_equal(b.block.rows[i].err.code, ERR_UNKNOWN_REFERENCE);
        assert_string_equal(b.block.rows[1].err.pointer, "/b");
        assert_string_equal(b.block.rows[3].err.pointer, "/item");
        assert_int_equal(b.block.rows[4].verdict, JUDGEMENT_STORED);
    }
    bench_close(&b);
}

static void all_members_reach_their_columns(void **state)
{
    (void)state;
    struct bench b;
    struct str reasons[] = {STR_LITERAL("a \"quoted\" \\ one"), STR_LITERAL("{x,y}")};
    struct record_message turn = record_message_of(ROLE_USER, STR_LITERAL("say \"hi\""));
    struct record r = record_of("ada", "columns");
    for (int i = 1; i <= 7; i++)
        vary(&r, i);
    r.outcome = OUTCOME_SKIP;
    r.shown_first = SIDE_B;
    r.created_at = 1;
    r.reasons = (struct json_list){reasons, 2};
    record_set_meta(&r, STR_LITERAL("{ \"k\" : [1.50, null] }"));
    record_set_messages(&r, (struct json_list){&turn, 1});
    bench_open(&b);
    b.rows[0] = judgement_of(&r, NULL);
    commit(&b, 1);
    assert_int_equal(b.block.rows[0].verdict, JUDGEMENT_STORED);
    assert_true(holds("(SELECT count(*) = 1 FROM comparison c JOIN item i ON i.id = c.item_id "
                      "JOIN response b ON b.id = c.response_b WHERE i.prompt_is_messages "
                      "AND i.prompt::json->0->>'content' = 'say \"hi\"' AND b.policy = 'gpt2' "
                      "AND outcome = 'skip' AND strength = 2 AND shown_first = 'b' AND duration_ms = 0 "
                      "AND skip_reason = 'late' AND reasons = ARRAY['a \"quoted\" \\ one', '{x,y}'] "
                      "AND meta::text = '{ \"k\" : [1.50, null] }' "
                      "AND judged_at = '1970-01-01 00:00:00.000001Z')"));
    bench_close(&b);
}

static void what_is_known_is_not_sent_again(void **state)
{
    (void)state;
    struct bench b;
    struct record r = record_of("ada", "known");
    bench_open(&b);
    b.rows[0] = judgement_of(&r, NULL);
    commit(&b, 1);
    b.rows[0] = judgement_of(&r, NULL);
    commit(&b, 1);
    assert_int_equal(b.block.rows[0].verdict, JUDGEMENT_STORED);
    assert_int_equal(b.block.rowset.item[0].count + b.block.rowset.response[0].count, 0);
    known_forget(b.known);
    b.rows[0] = judgement_of(&r, NULL);
    commit(&b, 1);
    assert_int_equal(b.block.rows[0].verdict, JUDGEMENT_STORED);
    assert_int_equal(b.block.rowset.item[0].count + b.block.rowset.response[0].count, 3);
    bench_close(&b);
}

/* ---- concurrency ---- */

enum { ROUNDS = 40, OVERLAP = 32 };

struct opposite {
    pthread_t thread;
    bool backwards;
    int refused;
};

static struct uuid shared_ids[ROUNDS][OVERLAP];

static void *commit_overlapping(void *context)
{
    struct opposite *me = context;
    struct bench b;
    struct arena own = {0};
    struct err err;
    bench_open(&b);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < OVERLAP; i++) {
            char name[32];
            int which = me->backwards ? OVERLAP - 1 - i : i;
            snprintf(name, sizeof name, "person %d of %d", which, round);
            struct record r = {0};
            record_set_annotator(&r, str_of(name));
            record_set_prompt(&r, str_of(name));
            record_set_response(&r, SIDE_A, STR_LITERAL("1"), (struct str){0});
            record_set_response(&r, SIDE_B, STR_LITERAL("2"), (struct str){0});
            record_set_outcome(&r, OUTCOME_A);
            struct judgement j;
            judgement_of_record(&r, &project, &shared_ids[round][which], &own, &j, &err);
            judgement_copy(&j, &own, &b.rows[i], &err);
        }
        commit(&b, OVERLAP);
        for (int i = 0; i < OVERLAP; i++)
            me->refused += b.block.rows[i].verdict == JUDGEMENT_REFUSED;
    }
    arena_free(&own);
    bench_close(&b);
    return NULL;
}

static void writers_of_the_same_rows_never_deadlock(void **state)
{
    (void)state;
    struct opposite pair[2] = {{.backwards = false}, {.backwards = true}};
    for (int i = 0; i < ROUNDS * OVERLAP; i++)
        shared_ids[i / OVERLAP][i % OVERLAP] = new_id();
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&pair[i].thread, NULL, commit_overlapping, &pair[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(pair[i].thread, NULL);
    assert_int_equal(pair[0].refused + pair[1].refused, 0);
    assert_true(holds("(SELECT count(*) = 40 * 32 FROM comparison c JOIN annotator n ON n.id = annotator_id "
                      "WHERE n.name LIKE 'person % of %')"));
    assert_true(holds("(SELECT deadlocks = 0 FROM pg_stat_database WHERE datname = current_database())"));
}

/* ---- the writers ---- */

struct post {
    struct ingest_entry entry;
    sem_t answered;
};

static void post_done(struct ingest_entry *entry)
{
    sem_post(&((struct post *)entry)->answered);
}

static int post_submit(struct ingest *ingest, struct post *post, const struct judgement *j)
{
    memset(&post->entry, 0, sizeof post->entry);
    post->entry.judgement = *j;
    post->entry.done = post_done;
    sem_init(&post->answered, 0, 0);
    return ingest_submit(ingest, &post->entry, &f.err);
}

static void post_wait(struct post *post)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    assert_int_equal(sem_timedwait(&post->answered, &until), 0);
}

enum { POSTS = 64 };

static void one_key_posted_64_times_at_once_is_stored_once(void **state)
{
    (void)state;
    static struct post posts[POSTS];
    struct ingest *ingest = ingest_with(2, 1000, 5000);
    struct uuid id = new_id();
    struct record r = record_of("ada", "sixty-four");
    struct judgement j = judgement_of(&r, &id);
    int verdicts[3] = {0};
    for (int i = 0; i < POSTS; i++)
        assert_int_equal(post_submit(ingest, &posts[i], &j), 0);
    for (int i = 0; i < POSTS; i++) {
        post_wait(&posts[i]);
        verdicts[posts[i].entry.verdict]++;
    }
    assert_int_equal(verdicts[JUDGEMENT_STORED], 1);
    assert_int_equal(verdicts[JUDGEMENT_REPLAYED], POSTS - 1);
    ingest_free(ingest);
}

/* A restored database may lack what was committed. An idle connection that died with the old one is the only sign. */
static void what_was_known_of_a_database_that_was_replaced_is_sent_again(void **state)
{
    (void)state;
    struct ingest *ingest = ingest_with(1, 1000, 5000);
    struct record r = record_of("ada", "restored");
    struct pg *pg = NULL;
    for (int round = 0; round < 2; round++) {
        struct post post;
        struct judgement j = judgement_of(&r, NULL);
        assert_int_equal(post_submit(ingest, &post, &j), 0);
        post_wait(&post);
        assert_int_equal(post.entry.verdict, JUDGEMENT_STORED);
        if (round == 0) {
            assert_int_equal(pool_take(f.pool, 0, &pg, &f.err), 0);
            assert_int_equal(pg_script(pg, "TRUNCATE comparison, response, item, annotator CASCADE;"
                                           "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                                           "WHERE application_name = 'egalign ingest'", &f.err), 0);
            pool_give(f.pool, pg);
        }
    }
    assert_true(holds("(SELECT count(*) = 1 FROM comparison c JOIN annotator n ON n.id = c.annotator_id "
                      "JOIN item i ON i.id = c.item_id JOIN response a ON a.id = c.response_a "
                      "JOIN response b ON b.id = c.response_b)"));
    ingest_free(ingest);
}

static void stopping_commits_and_answers_all_that_waits(void **state)
{
    (void)state;
    static struct post posts[1500];
    struct ingest *ingest = ingest_with(2, 2000, 5000);
    struct record r = record_of("ada", "drain");
    for (int i = 0; i < 1500; i++) {
        struct judgement j = judgement_of(&r, NULL);
        assert_int_equal(post_submit(ingest, &posts[i], &j), 0);
    }
    ingest_stop(ingest);
    for (int i = 0; i < 1500; i++) {
        assert_int_equal(sem_trywait(&posts[i].answered), 0);
        assert_int_equal(posts[i].entry.verdict, JUDGEMENT_STORED);
    }
    struct judgement late = judgement_of(&r, NULL);
    assert_int_equal(post_submit(ingest, &posts[0], &late), -1);
    assert_int_equal(f.err.code, ERR_DRAINING);
    assert_true(holds("(SELECT count(*) = 1500 FROM comparison JOIN item i ON i.id = item_id WHERE prompt = 'drain')"));
    ingest_free(ingest);
}

static int signal_backends(const pid_t *pids, int count, int signal_number)
{
    int sent = 0;
    for (int i = 0; i < count; i++)
        sent += kill(pids[i], signal_number) == 0;
    return sent;
}

/* The server's processes that serve connections: those of its children whose title names the local socket. */
static int find_backends(pid_t *pids, int most)
{
    char path[64], line[256];
    int found = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)cluster_pid(f.cluster), (int)cluster_pid(f.cluster));
    FILE *children = fopen(path, "r");
    int child;
    while (children && found < most && fscanf(children, "%d", &child) == 1) {
        snprintf(path, sizeof path, "/proc/%d/cmdline", child);
        FILE *title = fopen(path, "r");
        if (title && fgets(line, sizeof line, title) && strstr(line, "[local]"))
            pids[found++] = child;
        if (title)
            fclose(title);
    }
    if (children)
        fclose(children);
    return found;
}

static void a_frozen_database_is_told_in_time_and_nothing_is_stored_twice(void **state)
{
    (void)state;
    static struct post posts[40];
    pid_t pids[32];
    struct ingest *ingest = ingest_with(1, 32, 800);
    struct record r = record_of("ada", "frozen");
    struct uuid ids[40];
    struct judgement j = judgement_of(&r, NULL);
    assert_int_equal(post_submit(ingest, &posts[0], &j), 0);
    post_wait(&posts[0]);
    int frozen = find_backends(pids, 32), accepted = 0;
    assert_true(frozen > 0);
    assert_int_equal(signal_backends(pids, frozen, SIGSTOP), frozen);
    for (int i = 0; i < 40; i++) {
        ids[i] = new_id();
        j = judgement_of(&r, &ids[i]);
        if (post_submit(ingest, &posts[i], &j) == 0)
            accepted++;
        else
            assert_int_equal(f.err.code, ERR_OVERLOADED);
        clock_sleep_ns(i == 0 ? 50000000 : 0); /* the first is taken, the others wait behind it */
    }
    assert_int_equal(accepted, 33);
    for (int i = 0; i < accepted; i++) {
        post_wait(&posts[i]);
        assert_int_equal(posts[i].entry.verdict, JUDGEMENT_REFUSED);
        assert_int_equal(posts[i].entry.err.code, ERR_DATABASE_DOWN);
    }
    signal_backends(pids, frozen, SIGCONT);
    for (int i = 0; i < accepted; i++) {
        j = judgement_of(&r, &ids[i]);
        for (int tries = 0; tries < 400; tries++) {
            assert_int_equal(post_submit(ingest, &posts[i], &j), 0);
            post_wait(&posts[i]);
            if (posts[i].entry.verdict != JUDGEMENT_REFUSED || posts[i].entry.err.code != ERR_DATABASE_DOWN)
                break;
            clock_sleep_ns(50000000); /* it is connecting again, with backoff */
        }
        assert_int_not_equal(posts[i].entry.verdict, JUDGEMENT_REFUSED);
    }
    ingest_free(ingest);
    assert_true(holds("(SELECT count(*) = 34 FROM comparison JOIN item i ON i.id = item_id WHERE prompt = 'frozen')"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_follow_from_content_and_nothing_else),
        cmocka_unit_test(the_digest_covers_all_that_is_stored),
        cmocka_unit_test(what_cannot_be_stored_is_refused_before),
        cmocka_unit_test(a_row_is_new_then_replayed_then_in_conflict),
        cmocka_unit_test(twins_in_one_block_are_judged_by_the_first),
        cmocka_unit_test(a_poison_row_fails_alone),
        cmocka_unit_test(references_must_exist_and_belong_together),
        cmocka_unit_test(all_members_reach_their_columns),
        cmocka_unit_test(what_is_known_is_not_sent_again),
        cmocka_unit_test(writers_of_the_same_rows_never_deadlock),
        cmocka_unit_test(one_key_posted_64_times_at_once_is_stored_once),
        cmocka_unit_test(what_was_known_of_a_database_that_was_replaced_is_sent_again),
        cmocka_unit_test(stopping_commits_and_answers_all_that_waits),
        cmocka_unit_test(a_frozen_database_is_told_in_time_and_nothing_is_stored_twice),
    };
    return cmocka_run_group_tests_name("ingest", tests, set_up, tear_down);
}
