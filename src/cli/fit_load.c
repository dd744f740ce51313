#include "cli/fit_load.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/intern.h"
#include "formats/format.h"
#include "formats/lines.h"
#include "formats/transcript.h"

/* A line takes a language model long enough that people should see it move. */
enum { MAX_LINE = 4 << 20, MAX_TEXT = 1 << 20, MAX_DEPTH = 16, PROGRESS_LINES = 4096, PROGRESS_LINES_ENCODED = 16 };

/* The reading of one file. */
struct reader {
    struct fit_load *load;
    struct lines *lines;
    struct arena arena; /* of one line */
    struct buf prompt;  /* messages as one text */
    float *features;    /* of one response, by the lm encoder */
    struct intern annotators, items, responses;
    enum format format;
    bool format_known;
};

/* Our own lines have an outcome, TRL's have not. */
static enum format format_of(const struct ndjson_line *line)
{
    return memmem(line->text, line->length, "\"outcome\"", 9) ? FORMAT_JSONL : FORMAT_TRL;
}

static int keep_name(struct fit_load *l, struct str name, struct err *err)
{
    if (mem_grow(&l->name, l->names, &l->name_room, sizeof *l->name, err) < 0)
        return -1;
    char *copy = arena_strndup(&l->arena, name.ptr, name.len);
    if (!copy)
        return err_memory(err);
    l->name[l->names++] = copy;
    return 0;
}

static int annotator_of(struct reader *r, struct str name, struct err *err)
{
    bool fresh;
    int number = intern(&r->annotators, 0, name, &fresh, err);
    if (number >= 0 && fresh &&
        (keep_name(r->load, name, err) < 0 || dataset_add_annotator(r->load->ds, err) < 0))
        return -1;
    return number;
}

/* The prompt as one text, as the service sees it. The view lasts until the next line. */
static int prompt_of(struct reader *r, const struct record *record, struct str *ret, struct err *err)
{
    if (record->prompt_form != PROMPT_MESSAGES) {
        *ret = record->prompt_text;
        return 0;
    }
    buf_clear(&r->prompt);
    transcript_prompt(&record->prompt_messages, &r->prompt);
    *ret = (struct str){r->prompt.data ? r->prompt.data : "", r->prompt.length};
    return r->prompt.failed ? err_memory(err) : 0;
}

/* Copies a response with its prompt, when texts are kept. */
static int keep_text(struct fit_load *l, int item, struct str prompt, struct str response, struct err *err)
{
    struct fit_load_text text = {.item = item};
    if (!l->keep)
        return 0;
    if (mem_grow(&l->text, l->texts, &l->text_room, sizeof *l->text, err) < 0)
        return -1;
    text.prompt = (struct str){arena_strndup(&l->arena, prompt.ptr ? prompt.ptr : "", prompt.len), prompt.len};
    text.response = (struct str){arena_strndup(&l->arena, response.ptr, response.len), response.len};
    if (!text.prompt.ptr || !text.response.ptr)
        return err_memory(err);
    l->text[l->texts++] = text;
    return 0;
}

static int keep_comparison(struct fit_load *l, const struct comparison *c, struct err *err)
{
    if (!l->keep)
        return 0;
    if (mem_grow(&l->comparison, l->comparisons, &l->comparison_room, sizeof *l->comparison, err) < 0)
        return -1;
    l->comparison[l->comparisons++] = *c;
    return 0;
}

static int item_of(struct reader *r, struct str prompt, struct err *err)
{
    bool fresh;
    int number = intern(&r->items, 0, prompt, &fresh, err);
    return number >= 0 && fresh ? dataset_add_item(r->load->ds, prompt, err) : number;
}

static int response_of(struct reader *r, int item, struct str prompt, const struct record_side *side, struct err *err)
{
    struct fit_load *l = r->load;
    bool fresh;
    int number = intern(&r->responses, item, side->response.text, &fresh, err);
    if (number < 0 || !fresh)
        return number;
    if (keep_text(l, item, prompt, side->response.text, err) < 0)
        return -1;
    if (!l->encode)
        return dataset_add_response(l->ds, item, side->response.text, err);
    if (encode_texts(l->encode, 1, &prompt, &side->response.text, r->features, err) < 0)
        return -1;
    return dataset_add_features(l->ds, item, r->features, err);
}

static int take_record(struct reader *r, const struct record *record, struct err *err)
{
    static const enum choice choices[] = {[OUTCOME_A] = CHOICE_A,
                                          [OUTCOME_B] = CHOICE_B,
                                          [OUTCOME_TIE] = CHOICE_TIE,
                                          [OUTCOME_BOTH_BAD] = CHOICE_BOTH_BAD};
    if (record->outcome == OUTCOME_SKIP) {
        r->load->skips++;
        return 0;
    }
    if (record->side[SIDE_A].form != SIDE_TEXT || record->side[SIDE_B].form != SIDE_TEXT)
        return err_at(err, ERR_MISSING_MEMBER, "/a", "an offline fit needs the texts of both responses");
    struct comparison c = {.outcome = choices[record->outcome], .strength = (int)record->strength};
    struct str prompt;
    if (prompt_of(r, record, &prompt, err) < 0)
        return -1;
    int item = item_of(r, prompt, err);
    if (item < 0 || (c.annotator = annotator_of(r, record->annotator, err)) < 0 ||
        (c.a = response_of(r, item, prompt, &record->side[SIDE_A], err)) < 0 ||
        (c.b = response_of(r, item, prompt, &record->side[SIDE_B], err)) < 0)
        return -1;
    if (c.a == c.b) {
        r->load->identical++;
        return 0;
    }
    return dataset_add_comparison(r->load->ds, &c, err) < 0 ? -1 : keep_comparison(r->load, &c, err);
}

static int take_line(struct reader *r, struct ndjson_line *line, struct err *err)
{
    const struct format_options options = {.limits = {.depth = MAX_DEPTH, .text_bytes = MAX_TEXT},
                                           .annotator_field = r->load->annotator_field,
                                           .anonymous = r->load->anonymous};
    struct record record;
    if (!r->format_known)
        r->format = format_of(line);
    r->format_known = true;
    int failed = format_read_line(r->format, line->text, line->length, &options, &record, &r->arena, err);
    if (failed >= 0)
        failed = take_record(r, &record, err);
    arena_free(&r->arena);
    if (failed < 0 && err->line == 0)
        err->line = line->number;
    return failed;
}

static void show(const struct reader *r)
{
    int64_t size = lines_size(r->lines), offset = lines_offset(r->lines);
    if (size > 0)
        fprintf(stderr, "\rreading %3d %%, %ld lines\033[K", (int)(100 * offset / size), r->load->lines);
    else
        fprintf(stderr, "\rreading, %ld lines\033[K", r->load->lines);
}

static int read_all(struct reader *r, struct err *err)
{
    struct ndjson_line line;
    int got, every = r->load->encode ? PROGRESS_LINES_ENCODED : PROGRESS_LINES;
    while ((got = lines_next(r->lines, &line, err)) > 0) {
        if (take_line(r, &line, err) < 0)
            return -1;
        if (++r->load->lines % every == 0 && r->load->show)
            show(r);
    }
    return got;
}

/* An empty data set for the encoder, and room for its features. */
static int open_dataset(struct fit_load *l, struct reader *r, struct err *err)
{
    if (!l->encode) {
        l->ds = dataset_new_hashed(l->buckets, err);
        return l->ds ? 0 : -1;
    }
    l->ds = dataset_new_dense(l->dimension, err);
    if (!l->ds)
        return -1;
    dataset_name_encoder(l->ds, l->digest);
    r->features = mem_array((size_t)l->dimension, sizeof *r->features);
    return r->features ? 0 : err_memory(err);
}

int fit_load(struct fit_load *l, const char *path, struct err *err)
{
    struct reader r = {.load = l};
    int failed = -1;
    if (open_dataset(l, &r, err) < 0)
        return -1;
    r.lines = lines_open(path, MAX_LINE, err);
    if (r.lines)
        failed = read_all(&r, err);
    if (r.lines)
        lines_close(r.lines);
    if (l->show)
        fprintf(stderr, "\r\033[K");
    buf_free(&r.prompt);
    mem_free(r.features);
    arena_free(&r.arena);
    intern_free(&r.annotators);
    intern_free(&r.items);
    intern_free(&r.responses);
    return failed;
}

void fit_load_free(struct fit_load *l)
{
    dataset_free(l->ds);
    mem_free(l->name);
    mem_free(l->text);
    mem_free(l->comparison);
    arena_free(&l->arena);
}
