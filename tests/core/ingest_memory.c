/* ingest_memory: a batch of 200,000 lines takes no more memory than one of 20,000. */
#include "unit/test.h"
#include "unit/ingest_fixture.h"

/* The sanitizers hold freed memory back to catch its use: how much a process has then says nothing. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { KEEPS_FREED_MEMORY = 1 };
#else
enum { KEEPS_FREED_MEMORY = 0 };
#endif

enum { SHORT = 20000, LONG = 200000, MOST_GROWTH_KB = 8192 };

/* Highest resident memory of this process so far, in kB. */
static long peak_kb(void)
{
    char line[128];
    long kb = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        sscanf(line, "VmHWM: %ld", &kb);
    if (status)
        fclose(status);
    return kb;
}

/* Streams `lines` comparisons of 300 texts by 50 people, all or nothing. */
static void stream(struct ingest *ingest, long lines)
{
    struct ingest_batch *batch = NULL;
    struct ingest_report report;
    assert_int_equal(ingest_batch_open(ingest, false, 10, &batch, &f.err), 0);
    for (long line = 1; line <= lines; line++) {
        char name[32], prompt[64];
        snprintf(name, sizeof name, "person %ld", line % 50);
        snprintf(prompt, sizeof prompt, "prompt %ld of %ld", line % 100, lines);
        struct record r = record_of(name, prompt);
        struct judgement j = judgement_of(&r, NULL);
        assert_int_equal(ingest_batch_add(batch, &j, line, &f.err), 0);
        arena_free(&arena);
    }
    assert_int_equal(ingest_batch_finish(batch, &report, &f.err), 0);
    assert_int_equal(report.accepted, lines);
    ingest_batch_free(batch);
}

static void a_long_batch_takes_no_more_memory(void **state)
{
    (void)state;
    struct ingest *ingest = ingest_with(1, 100, 60000);
    stream(ingest, SHORT);
    long before = peak_kb();
    stream(ingest, LONG);
    assert_true(before > 0);
    if (!KEEPS_FREED_MEMORY)
        assert_in_range(peak_kb() - before, 0, MOST_GROWTH_KB);
    ingest_free(ingest);
    assert_true(holds("(SELECT count(*) = 220000 FROM comparison)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_batch_takes_no_more_memory),
    };
    return cmocka_run_group_tests_name("ingest_memory", tests, set_up, tear_down);
}
