/* egalign demo: a population of annotators whose taste is known, as comparisons in our own JSONL.
 *
 * Four in five like short answers, one in five thorough ones; a response's worth to a person is plus or minus the
 * logarithm of its length, judged with logistic noise, now and then with carelessness, ties and skips. A few newcomers
 * have judged too little to be placed. The same seed gives the same lines, ids and times included. */
#include "cli/command.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "cli/demo_id.h"
#include "cli/demo_reviews.h"
#include "cli/demo_text.h"
#include "formats/record.h"

enum {
    CONCISE = 64,
    DETAILED = 16,
    NEWCOMERS = 6,
    PEOPLE = CONCISE + DETAILED + NEWCOMERS,
    JUDGEMENTS = 45, /* of each who is no newcomer */
    NEWCOMER_JUDGEMENTS = 4,
    SAMPLES = 2, /* responses of a style to a prompt */
    RESPONSES = DEMO_STYLES * SAMPLES,
    ROWS = (CONCISE + DETAILED) * JUDGEMENTS + NEWCOMERS * NEWCOMER_JUDGEMENTS,
    NAME_SIZE = 16,
};
static const double TASTE = 1.8;     /* worth of a response e times as long, or as short */
static const double CARELESS = 0.04; /* share of judgements made without looking */
static const double CLOSE = 0.35;    /* differences felt below this are called ties half of the time */
static const int64_t FIRST_JUDGEMENT_US = 1767603600000000; /* 2026-01-05T09:00:00Z */

/* Streams of the seed, so that a change of the texts does not change who judges what. */
enum { STREAM_TEXTS, STREAM_ORDER, STREAM_JUDGEMENTS };

struct demo_text {
    size_t start, length; /* in demo.texts */
    double log_words;     /* of an answer */
};

struct demo {
    struct buf texts; /* all prompts and responses, one after another */
    struct demo_text prompt[DEMO_PROMPTS], answer[DEMO_PROMPTS][RESPONSES];
    uint32_t order[ROWS]; /* who judges, row by row */
    struct rng rng;       /* of the judgements */
    struct buf line;
};

static bool is_newcomer(int person) {
    return person >= CONCISE + DETAILED;
}

static bool likes_short(int person) {
    return is_newcomer(person) ? person % 2 == 0 : person < CONCISE;
}

static int judgements_of(int person) {
    return is_newcomer(person) ? NEWCOMER_JUDGEMENTS : JUDGEMENTS;
}

/* The number in a person's name, which does not tell the group: 37 and PEOPLE have no common divisor. */
static int number_of(int person) {
    return person * 37 % PEOPLE;
}

static struct str text_of(const struct demo *d, const struct demo_text *text) {
    return (struct str){d->texts.data + text->start, text->length};
}

/* Answer j to prompt i; its style's earlier samples are other texts, for two equal ones are no comparison. */
static void make_answer(struct demo *d, int i, int j, struct rng *rng) {
    struct demo_text *answer = &d->answer[i][j];
    bool fresh = false;
    answer->start = d->texts.length;
    while (!fresh && !d->texts.failed) {
        d->texts.length = answer->start;
        answer->log_words = log(demo_response(&d->texts, i, (enum demo_style)(j / SAMPLES), rng));
        answer->length = d->texts.length - answer->start;
        fresh = true;
        for (int k = j - j % SAMPLES; k < j; k++)
            fresh = fresh && !str_equal(text_of(d, &d->answer[i][k]), text_of(d, answer));
    }
}

static int make_texts(struct demo *d, uint64_t seed, struct err *err) {
    struct rng rng;
    rng_init(&rng, seed, STREAM_TEXTS);
    for (int i = 0; i < DEMO_PROMPTS; i++) {
        d->prompt[i].start = d->texts.length;
        demo_prompt(&d->texts, i);
        d->prompt[i].length = d->texts.length - d->prompt[i].start;
        for (int j = 0; j < RESPONSES; j++)
            make_answer(d, i, j, &rng);
    }
    return d->texts.failed ? err_memory(err) : 0;
}

static void make_order(struct demo *d, uint64_t seed) {
    struct rng rng;
    int row = 0;
    for (int person = 0; person < PEOPLE; person++)
        for (int n = judgements_of(person); n > 0; n--)
            d->order[row++] = (uint32_t)person;
    rng_init(&rng, seed, STREAM_ORDER);
    rng_shuffle(&rng, d->order, ROWS);
}

static void give(struct record *r, enum record_member member) {
    r->seen.given |= (uint64_t)1 << member;
}

/* What `person` says of two answers whose log-lengths are given. */
static void judge(struct record *r, int person, double log_a, double log_b, struct rng *rng) {
    double u = rng_uniform(rng), whim = rng_uniform(rng);
    double taste = likes_short(person) ? -TASTE : TASTE;
    double felt = taste * (log_a - log_b) + log((u + 1e-12) / (1 - u));

    if (whim < CARELESS)
        felt = whim < CARELESS / 2 ? 1 : -1;
    if (whim > 0.985) {
        record_set_outcome(r, OUTCOME_SKIP);
        r->skip_reason = STR_LITERAL("I know nothing about this");
        give(r, RECORD_SKIP_REASON);
    } else if (whim > 0.98) {
        record_set_outcome(r, OUTCOME_BOTH_BAD);
    } else if (fabs(felt) < CLOSE && whim > 0.5) {
        record_set_outcome(r, OUTCOME_TIE);
    } else {
        record_set_outcome(r, felt > 0 ? OUTCOME_A : OUTCOME_B);
        r->strength = fabs(felt) > 4 ? 3 : fabs(felt) > 1.5 ? 2 : 1;
        give(r, RECORD_STRENGTH);
    }
}

static void add_row(struct demo *d, int row) {
    struct record r = {0};
    struct rng *rng = &d->rng;
    char name[NAME_SIZE];
    int person = (int)d->order[row], item = (int)rng_below(rng, DEMO_PROMPTS);
    int a = (int)rng_below(rng, RESPONSES), b = (a + 1 + (int)rng_below(rng, RESPONSES - 1)) % RESPONSES;
    const struct demo_text *first = &d->answer[item][a], *second = &d->answer[item][b];

    snprintf(name, sizeof name, "person-%02d", number_of(person));
    r.created_at = FIRST_JUDGEMENT_US + row * (int64_t)41000000;
    r.id = demo_id(r.created_at, rng);
    give(&r, RECORD_ID);
    give(&r, RECORD_CREATED_AT);
    record_set_annotator(&r, str_of(name));
    record_set_prompt(&r, text_of(d, &d->prompt[item]));
    record_set_response(&r, SIDE_A, text_of(d, first), str_of(demo_policies[a / SAMPLES]));
    record_set_response(&r, SIDE_B, text_of(d, second), str_of(demo_policies[b / SAMPLES]));
    judge(&r, person, first->log_words, second->log_words, rng);
    r.shown_first = rng_below(rng, 2) ? SIDE_A : SIDE_B;
    give(&r, RECORD_SHOWN_FIRST);
    r.duration_ms =
        (int64_t)(4000 * exp(0.5 * rng_normal(rng)) + 90 * (exp(first->log_words) + exp(second->log_words)));
    give(&r, RECORD_DURATION_MS);
    json_write(&d->line, &record_shape, &r);
    buf_char(&d->line, '\n');
}

static int write_rows(struct demo *d, FILE *out, struct err *err) {
    for (int row = 0; row < ROWS; row++) {
        buf_clear(&d->line);
        add_row(d, row);
        if (d->line.failed)
            return err_memory(err);
        if (fwrite(d->line.data, 1, d->line.length, out) != d->line.length)
            return err_errno(err, "standard output");
    }
    return fflush(out) == 0 ? 0 : err_errno(err, "standard output");
}

/* The answer key: {"annotator", "group", "comparisons"} a line, in the order of the names. */
static int write_key(const char *path, struct err *err) {
    FILE *file = fopen(path, "w");
    if (!file)
        return err_errno(err, "%s", path);
    for (int number = 0; number < PEOPLE; number++) {
        int person = 0;
        while (number_of(person) != number)
            person++;
        fprintf(file, "{\"annotator\": \"person-%02d\", \"group\": \"%s\", \"comparisons\": %d}\n", number,
                likes_short(person) ? "concise" : "detailed", judgements_of(person));
    }
    bool failed = ferror(file);
    return fclose(file) != 0 || failed ? err_errno(err, "%s", path) : 0;
}

static int demo_write(uint64_t seed, const char *key, struct err *err) {
    struct demo *d = mem_zeroed(1, sizeof *d);
    if (!d)
        return err_memory(err);
    int status = make_texts(d, seed, err);
    make_order(d, seed);
    rng_init(&d->rng, seed, STREAM_JUDGEMENTS);
    if (status == 0)
        status = write_rows(d, stdout, err);
    if (status == 0 && key)
        status = write_key(key, err);
    buf_free(&d->texts);
    buf_free(&d->line);
    mem_free(d);
    return status;
}

static int usage(FILE *out) {
    fprintf(out,
            "usage: egalign demo [--seed N] [--key FILE]\n"
            "       egalign demo reviews [--count N] [--seed N]\n"
            "       egalign demo prompts [--held-out] [--count N] [--seed N]\n"
            "       egalign demo judge [--majority N] [--minority N] [--comparisons N] [--seed N]\n\n"
            "Without a word: the comparisons of a demo population as NDJSON: %d people who like short answers,\n"
            "%d who like thorough ones, %d newcomers with too little to go by; %d comparisons of short texts by\n"
            "three policies.\n\n"
            "The others are for the demo of policies, whose texts are short reviews:\n"
            "  reviews   texts to train a language model on, {\"prompt\", \"response\"} a line (10000)\n"
            "  prompts   beginnings of reviews, one a line; with --held-out those that no training sees (all)\n"
            "  judge     reads items, {\"prompt\", \"responses\": [{\"text\", \"policy\"}, ...]} a line, and writes\n"
            "            what people say of them as comparisons: a majority (160) that likes praise, a minority (40)\n"
            "            that likes few words, 50 comparisons each\n\n"
            "  --seed N    another population, other texts of the same kind (default 1)\n"
            "  --key FILE  also writes who likes what, one JSON object a line\n",
            CONCISE, DETAILED, NEWCOMERS, ROWS);
    return out == stdout ? 0 : 2;
}

struct arguments {
    const char *key;
    int64_t seed;
    struct demo_reviews reviews;
};

/* False on a command line that is not usable. */
static bool parse(int argc, char **argv, struct arguments *a) {
    const struct {
        const char *name;
        int64_t *to, least, most;
    } numbers[] = {{"--seed", &a->seed, 0, INT64_MAX},
                   {"--count", &a->reviews.count, 1, 10000000},
                   {"--majority", &a->reviews.majority, 0, 100000},
                   {"--minority", &a->reviews.minority, 0, 100000},
                   {"--comparisons", &a->reviews.comparisons, 1, 100000}};
    for (int i = 0; i < argc; i++) {
        size_t n = 0;
        if (strcmp(argv[i], "--held-out") == 0) {
            a->reviews.held_out = true;
            continue;
        }
        if (i + 1 == argc)
            return false;
        if (strcmp(argv[i], "--key") == 0) {
            a->key = argv[++i];
            continue;
        }
        while (n < sizeof numbers / sizeof numbers[0] && strcmp(argv[i], numbers[n].name) != 0)
            n++;
        if (n == sizeof numbers / sizeof numbers[0] || !str_to_int64(str_of(argv[++i]), numbers[n].to) ||
            *numbers[n].to < numbers[n].least || *numbers[n].to > numbers[n].most)
            return false;
    }
    return a->reviews.majority + a->reviews.minority > 0;
}

int command_demo(int argc, char **argv) {
    struct err err;
    struct arguments a = {.seed = 1, .reviews = {.majority = 160, .minority = 40, .comparisons = 50}};
    const char *what = argc > 1 && argv[1][0] != '-' ? argv[1] : "";
    int first = *what ? 2 : 1, failed;

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout);
    if (strcmp(what, "reviews") == 0)
        a.reviews.count = 10000;
    if (!parse(argc - first, argv + first, &a))
        return usage(stderr);
    a.reviews.seed = (uint64_t)a.seed;
    if (!*what)
        failed = demo_write((uint64_t)a.seed, a.key, &err);
    else if (strcmp(what, "reviews") == 0)
        failed = demo_write_reviews(&a.reviews, &err);
    else if (strcmp(what, "prompts") == 0)
        failed = demo_write_prompts(&a.reviews, &err);
    else if (strcmp(what, "judge") == 0)
        failed = demo_judge(&a.reviews, &err);
    else
        return usage(stderr);
    return failed < 0 ? command_failed("demo", &err) : 0;
}
