#include "cli/demo_reviews.h"

#include <stdio.h>

#include "base/mem.h"
#include "cli/demo_id.h"
#include "core/lab/reviews.h"
#include "formats/lines.h"
#include "formats/record.h"

enum { LINE_MAX_BYTES = 1 << 22, NAME_SIZE = 24, MOST_TRIES = 64 };
enum { STREAM_REVIEWS = 10, STREAM_PROMPTS, STREAM_PEOPLE, STREAM_ORDER };
static const int64_t FIRST_JUDGEMENT_US = 1767603600000000; /* 2026-01-05T09:00:00Z */

static int flush_output(struct err *err)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : err_errno(err, "standard output");
}

/* ---- texts ---- */

struct review {
    struct json_seen seen;
    struct str prompt, response;
};
static const struct json_field review_fields[] = {
    JSON_FIELD(STR, struct review, prompt, "prompt"),
    JSON_FIELD(STR, struct review, response, "response"),
};
static const struct json_shape review_shape =
    JSON_SHAPE(struct review, review_fields, "Review", "An example to learn from.");

static struct str view(const struct buf *b)
{
    return (struct str){b->data, b->length};
}

int demo_write_reviews(const struct demo_reviews *d, struct err *err)
{
    struct buf prompt = {0}, response = {0}, line = {0};
    struct rng rng;
    rng_init(&rng, d->seed, STREAM_REVIEWS);
    for (int64_t done = 0; done < d->count && !line.failed;) {
        int index = (int)rng_below(&rng, REVIEWS_PROMPTS);
        if (reviews_held_out(index))
            continue;
        buf_clear(&prompt);
        buf_clear(&response);
        buf_clear(&line);
        reviews_prompt(&prompt, index);
        reviews_response(&response, index, &rng);
        struct review review = {.seen.given = 3, .prompt = view(&prompt), .response = view(&response)};
        json_write(&line, &review_shape, &review);
        if (!line.failed)
            puts(line.data);
        done++;
    }
    int failed = line.failed ? err_memory(err) : flush_output(err);
    buf_free(&prompt);
    buf_free(&response);
    buf_free(&line);
    return failed;
}

int demo_write_prompts(const struct demo_reviews *d, struct err *err)
{
    uint32_t order[REVIEWS_PROMPTS];
    struct buf prompt = {0};
    struct rng rng;
    int64_t left = d->count > 0 ? d->count : REVIEWS_PROMPTS;
    for (uint32_t i = 0; i < REVIEWS_PROMPTS; i++)
        order[i] = i;
    rng_init(&rng, d->seed, STREAM_PROMPTS);
    rng_shuffle(&rng, order, REVIEWS_PROMPTS);
    for (int i = 0; i < REVIEWS_PROMPTS && left > 0 && !prompt.failed; i++) {
        if (reviews_held_out((int)order[i]) != (bool)d->held_out)
            continue;
        buf_clear(&prompt);
        reviews_prompt(&prompt, (int)order[i]);
        if (!prompt.failed)
            puts(prompt.data);
        left--;
    }
    int failed = prompt.failed ? err_memory(err) : flush_output(err);
    buf_free(&prompt);
    return failed;
}

/* ---- people ---- */

struct item {
    struct json_seen seen;
    struct str prompt;
    struct json_list responses; /* struct record_response */
};
static const struct json_field response_item = JSON_ITEM(OBJECT, .shape = &record_response_shape);
static const struct json_field item_fields[] = {
    JSON_FIELD(STR, struct item, prompt, "prompt", .flags = JSON_REQUIRED),
    JSON_FIELD(LIST, struct item, responses, "responses", .flags = JSON_REQUIRED, .item = &response_item,
               .item_size = sizeof(struct record_response)),
};
static const struct json_shape item_shape = {
    .name = "Item", .size = sizeof(struct item), .fields = item_fields, .count = 2, .open = true};

/* Items in memory; texts lie in the arena. */
struct items {
    struct arena arena;
    struct item *all;
    size_t count, room;
};

static int add_item(struct items *items, const struct ndjson_line *line, struct err *err)
{
    static const struct json_limits limits = {.depth = 8, .text_bytes = LINE_MAX_BYTES};
    char *text = arena_strndup(&items->arena, line->text, line->length);
    struct item item;
    if (!text)
        return err_memory(err);
    if (json_read(text, line->length, &item_shape, &limits, &item, &items->arena, err) < 0)
        return err_wrap(err, "line %ld", line->number);
    if (item.responses.count < 2)
        return 0;
    if (items->count == items->room) {
        size_t room = items->room ? 2 * items->room : 256;
        struct item *more = mem_resize(items->all, room, sizeof *more);
        if (!more)
            return err_memory(err);
        items->all = more;
        items->room = room;
    }
    items->all[items->count++] = item;
    return 0;
}

static int read_items(struct items *items, struct err *err)
{
    struct ndjson_line line;
    struct lines *lines = lines_open("-", LINE_MAX_BYTES, err);
    int more = lines ? 1 : -1;
    while (more > 0) {
        more = lines_next(lines, &line, err);
        if (more > 0 && line.length > 0 && add_item(items, &line, err) < 0)
            more = -1;
    }
    lines_close(lines);
    if (more == 0 && items->count == 0)
        more = err_set(err, ERR_INSUFFICIENT_DATA, "no item on standard input has two responses");
    return more;
}

/* Two different responses of a random item; false when chance finds none. */
static bool pick_pair(const struct items *items, struct rng *rng, const struct item **ret, size_t pair[2])
{
    for (int i = 0; i < MOST_TRIES; i++) {
        const struct item *item = &items->all[rng_below(rng, (uint32_t)items->count)];
        const struct record_response *responses = item->responses.items;
        pair[0] = rng_below(rng, (uint32_t)item->responses.count);
        pair[1] = rng_below(rng, (uint32_t)item->responses.count);
        *ret = item;
        if (!str_equal(responses[pair[0]].text, responses[pair[1]].text))
            return true;
    }
    return false;
}

/* One judgement; the number in a name does not tell the taste. */
static void compare(const struct items *items, enum reviews_taste taste, uint32_t number, int64_t time_us,
                    struct rng *rng, struct buf *line)
{
    const struct item *item;
    size_t pair[2];
    char name[NAME_SIZE];
    struct record r = {.created_at = time_us};
    struct reviews_measure measure[2];
    if (!pick_pair(items, rng, &item, pair))
        return;
    snprintf(name, sizeof name, "reader-%03u", number);
    r.id = demo_id(time_us, rng);
    record_set_annotator(&r, str_of(name));
    record_set_prompt(&r, item->prompt);
    for (int side = 0; side < 2; side++) {
        const struct record_response *response = &((struct record_response *)item->responses.items)[pair[side]];
        reviews_measure(item->prompt, response->text, &measure[side]);
        record_set_response(&r, (enum record_side_name)side, response->text, response->policy);
    }
    record_set_outcome(&r, reviews_prefers(taste, &measure[0], &measure[1], rng) ? OUTCOME_A : OUTCOME_B);
    r.seen.given |= UINT64_C(1) << RECORD_ID | UINT64_C(1) << RECORD_CREATED_AT;
    json_write(line, &record_shape, &r);
    buf_char(line, '\n');
}

/* All judgements of all people, in the order of time: everybody's first, everybody's second, ... */
static int write_comparisons(const struct demo_reviews *d, const struct items *items, uint32_t *order, struct err *err)
{
    uint32_t people = (uint32_t)(d->majority + d->minority);
    struct buf line = {0};
    struct rng rng;
    int64_t time_us = FIRST_JUDGEMENT_US;
    for (uint32_t i = 0; i < people; i++)
        order[i] = i;
    rng_init(&rng, d->seed, STREAM_ORDER);
    rng_shuffle(&rng, order, people);
    rng_init(&rng, d->seed, STREAM_PEOPLE);
    for (int64_t c = 0; c < d->comparisons * (int64_t)people && !line.failed; c++, time_us += 7000000) {
        uint32_t number = (uint32_t)(c % people);
        enum reviews_taste taste = order[number] < d->majority ? REVIEWS_SENTIMENT : REVIEWS_CONCISENESS;
        buf_clear(&line);
        compare(items, taste, number, time_us, &rng, &line);
        if (!line.failed)
            fwrite(line.data ? line.data : "", 1, line.length, stdout);
    }
    int failed = line.failed ? err_memory(err) : flush_output(err);
    buf_free(&line);
    return failed;
}

int demo_judge(const struct demo_reviews *d, struct err *err)
{
    struct items items = {0};
    uint32_t *order = mem_array((size_t)(d->majority + d->minority), sizeof *order);
    int failed = order ? read_items(&items, err) : err_memory(err);
    if (failed == 0)
        failed = write_comparisons(d, &items, order, err);
    mem_free(order);
    mem_free(items.all);
    arena_free(&items.arena);
    return failed;
}
