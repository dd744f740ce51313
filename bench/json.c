/* CPU time to read one 1.4 kB comparison: our reader by table against jansson (parse and the same look-ups), in turns,
 * in one run. usage: build/release/bench/json [SECONDS]   (about 1 s a round, five rounds, the median is printed) */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/record.h"

enum { ROUNDS = 5 };

static const struct json_limits limits = {.depth = 8, .text_bytes = 65536};

/* A string of `count` sentences, with as many escapes and letters beyond ASCII as answers of language models have. */
static void put_sentences(struct buf *out, int count)
{
    buf_char(out, '"');
    for (int i = 0; i < count; i++)
        buf_text(out, i % 3 ? "To this plan the other side had said no before, and nobody was surprised. "
                            : "The caf\xc3\xa9 said \\\"no\\\" to the plan, and nobody was surprised by that.\\n\\n");
    buf_char(out, '"');
}

/* CPU time of this process: the machine may be busy with other things. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void make_document(struct buf *out)
{
    buf_text(out, "{\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"annotator\":\"worker-0017\",\"prompt\":");
    put_sentences(out, 2);
    buf_text(out, ",\"a\":{\"text\":");
    put_sentences(out, 7);
    buf_text(out, ",\"policy\":\"model-1\"},\"b\":{\"text\":");
    put_sentences(out, 7);
    buf_text(out, ",\"policy\":\"model-2\"},\"outcome\":\"a\",\"strength\":2,\"duration_ms\":8400}");
}

/* Nanoseconds a document, over about `seconds`. The copy that the reader needs is part of it. */
static double time_ours(const struct buf *document, double seconds)
{
    char *copy = malloc(document->length + 1);
    int64_t begin = cpu_ns(), now = begin;
    long n = 0;
    while ((double)(now - begin) < seconds * 1e9) {
        for (int i = 0; i < 100; i++, n++) {
            struct record record;
            struct arena arena = {0};
            struct err err;
            memcpy(copy, document->data, document->length + 1);
            if (record_read(copy, document->length, &limits, &record, &arena, &err)) {
                fprintf(stderr, "json: %s: %s\n", err.pointer, err.message);
                exit(1);
            }
            arena_free(&arena);
        }
        now = cpu_ns();
    }
    free(copy);
    return (double)(now - begin) / (double)n;
}

static double time_jansson(const struct buf *document, double seconds)
{
    static const char *const members[] = {"id", "annotator", "prompt", "a", "b", "outcome", "strength", "duration_ms"};
    int64_t begin = cpu_ns(), now = begin;
    long n = 0;
    while ((double)(now - begin) < seconds * 1e9) {
        for (int i = 0; i < 100; i++, n++) {
            json_t *tree = json_loadb(document->data, document->length, JSON_REJECT_DUPLICATES, NULL);
            for (size_t m = 0; m < sizeof members / sizeof members[0]; m++)
                if (!json_object_get(tree, members[m]))
                    exit(1);
            json_decref(tree);
        }
        now = cpu_ns();
    }
    return (double)(now - begin) / (double)n;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) / (2 * ROUNDS) : 0.5, ours[ROUNDS], theirs[ROUNDS];
    struct buf document = {0};
    make_document(&document);
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = time_ours(&document, seconds);
        theirs[i] = time_jansson(&document, seconds);
    }
    qsort(ours, ROUNDS, sizeof ours[0], ascending);
    qsort(theirs, ROUNDS, sizeof theirs[0], ascending);
    double a = ours[ROUNDS / 2], b = theirs[ROUNDS / 2];
    printf("one comparison of %zu bytes: ours %.2f us (%.2f GB/s), jansson %.2f us, ratio %.1f\n", document.length,
           a / 1e3, (double)document.length / a, b / 1e3, b / a);
    buf_free(&document);
    return 0;
}
