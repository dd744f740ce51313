#include "jobs/references.h"

#include <stdio.h>
#include <unistd.h>

#include "base/json.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "core/lm/generate.h"
#include "core/lm/replace.h"
#include "formats/lines.h"
#include "jobs/machine.h"
#include "store/training_input.h"

enum { LINE_MOST = 64 << 20, TOGETHER = 256 /* prompts whose answers are sampled at once */ };

/* A prompt on its way, in the arena. */
struct entry {
    struct json_seen seen;
    struct str prompt, read;
    struct json_list references; /* struct str */
};

static const struct json_field reference_item = JSON_ITEM(STR);
static const struct json_field fields[] = {
    JSON_FIELD(STR, struct entry, prompt, "prompt", .flags = JSON_REQUIRED),
    JSON_FIELD(STR, struct entry, read, "read", .flags = JSON_REQUIRED),
    JSON_FIELD(LIST, struct entry, references, "references", .flags = JSON_REQUIRED, .least = 1, .most = 1 << 16,
               .item = &reference_item, .item_size = sizeof(struct str)),
};
static const struct json_shape shape = JSON_SHAPE(struct entry, fields, "Reference", "A prompt with responses.");

struct drawing {
    struct reporter *reporter;
    const struct language_model *lm;
    const struct references_wanted *wanted;
    struct arena *arena;
    struct entry *entries;
    size_t count, room;
    size_t seen; /* prompts that were looked at */
    int longest; /* tokens of a prompt that was drawn */
};

static int add(struct drawing *d, struct entry e, struct err *err)
{
    if (d->count == d->room) {
        size_t room = d->room ? 2 * d->room : 256;
        struct entry *entries = mem_resize(d->entries, room, sizeof *entries);
        if (!entries)
            return err_memory(err);
        d->entries = entries;
        d->room = room;
    }
    d->entries[d->count++] = e;
    return 0;
}

static struct str keep(struct arena *arena, struct str text)
{
    return (struct str){arena_strndup(arena, text.ptr ? text.ptr : "", text.len), text.len};
}

/* ---- drawing prompts ---- */

static int take_prompt(void *context, const struct training_prompt *row, struct err *err)
{
    struct drawing *d = context;
    struct token_list tokens = {0};
    int context_size = d->lm->model->shape.context;
    int result = dialogue_prompt(&d->lm->dialogue, row->prompt, &tokens, err);
    size_t length = tokens.count;
    token_list_free(&tokens);
    d->seen++;
    if (result < 0 || length == 0 || length > (size_t)d->wanted->prompt_tokens ||
        length + (size_t)d->wanted->ppo->response_tokens > (size_t)context_size)
        return result;
    d->longest = (int)length > d->longest ? (int)length : d->longest;
    struct entry e = {.prompt = keep(d->arena, row->prompt), .read = keep(d->arena, row->read)};
    return e.prompt.ptr && e.read.ptr ? add(d, e, err) : err_memory(err);
}

static int draw_prompts(struct drawing *d, struct err *err)
{
    const struct references_wanted *w = d->wanted;
    struct pg *pg = reporter_pg(d->reporter, 0, err);
    if (!pg || training_input_prompts(pg, &d->reporter->job->lease->project, w->items, w->item_count, w->most,
                                      take_prompt, d, err) < 0)
        return -1;
    if (w->items && d->seen < w->item_count)
        return err_set(err, ERR_UNKNOWN_REFERENCE, "of the %zu items, %zu are in this project", w->item_count, d->seen);
    if (d->count == 0)
        return err_set(err, ERR_INSUFFICIENT_DATA,
                       "of %zu prompts none leaves room for a response of %d tokens within the limits", d->seen,
                       w->ppo->response_tokens);
    reporter_say(d->reporter, "info", "%zu of %zu prompts fit", d->count, d->seen);
    return 0;
}

/* ---- sampling responses ---- */

static bool stop(void *context, long tokens)
{
    const struct drawing *d = context;
    (void)tokens;
    return *d->reporter->job->stop || d->reporter->lost;
}

static struct generate_options sampling(struct drawing *d)
{
    const struct ppo_options *o = d->wanted->ppo;
    return (struct generate_options){
        .gemm = o->gemm,
        .sampling = {.seed = o->seed, .temperature = (float)o->temperature, .top_p = 1},
        .max_new = o->response_tokens,
        .eos = o->fixed_length ? -1 : d->lm->dialogue.end,
        .slots = o->slots,
        .memory_limit = machine_memory(),
        .stop = stop,
        .context = d,
    };
}

/* The texts of a prompt's responses, from `first` of what was generated on. */
static int keep_texts(struct drawing *d, struct entry *e, const struct generated *out, int first, struct err *err)
{
    const struct ppo_options *o = d->wanted->ppo;
    struct str *texts = arena_zeroed(d->arena, (size_t)d->wanted->each, sizeof *texts);
    struct buf raw = {0}, text = {0};
    int result = texts ? 0 : err_memory(err);
    for (int i = first; i < first + d->wanted->each && result == 0; i++) {
        bool truncated;
        const int32_t *tokens = out->tokens + (size_t)i * (size_t)o->response_tokens;
        int count = ppo_shown(o, d->lm->dialogue.end, tokens, out->count[i], out->ended[i], &truncated);
        buf_clear(&raw);
        buf_clear(&text);
        result = tokenizer_decode(d->lm->tokenizer, tokens, (size_t)count, TOKENIZER_CONTINUED, &raw, err);
        buf_readable(&text, raw.data ? raw.data : "", raw.length);
        texts[i - first] = keep(d->arena, (struct str){text.data, text.length});
        if (result == 0 && (text.failed || !texts[i - first].ptr))
            result = err_memory(err);
    }
    e->references = (struct json_list){texts, (size_t)d->wanted->each};
    e->seen.given = 7;
    buf_free(&raw);
    buf_free(&text);
    return result;
}

/* Samples the responses to the prompts from `first` on, `count` of them. */
static int sample_some(struct drawing *d, size_t first, size_t count, struct err *err)
{
    const struct ppo_options *o = d->wanted->ppo;
    size_t each = (size_t)d->wanted->each, n = count * each, all = n * (size_t)o->response_tokens;
    struct token_list *tokens = mem_zeroed(count, sizeof *tokens);
    struct generate_prompt *prompts = mem_array(n, sizeof *prompts);
    struct generated out = {mem_array(all, sizeof *out.tokens), mem_array(all, sizeof *out.logp),
                            mem_array(n, sizeof *out.count), mem_array(n, sizeof *out.ended)};
    struct generate_options how = sampling(d);
    int result = tokens && prompts && out.tokens && out.logp && out.count && out.ended ? 0 : err_memory(err);
    for (size_t i = 0; i < count && result == 0; i++) {
        result = dialogue_prompt(&d->lm->dialogue, d->entries[first + i].prompt, &tokens[i], err);
        for (size_t s = 0; s < each; s++) /* no update of PPO has such an id */
            prompts[i * each + s] = (struct generate_prompt){.id = UINT64_C(1) << 63 | (first + i),
                                                             .sample = (uint32_t)s,
                                                             .tokens = tokens[i].ids,
                                                             .length = (int)tokens[i].count};
    }
    if (result == 0)
        result = generate(d->lm->model, &how, (int)n, prompts, &out, err);
    for (size_t i = 0; i < count && result == 0; i++)
        result = keep_texts(d, &d->entries[first + i], &out, (int)(i * each), err);
    for (size_t i = 0; tokens && i < count; i++)
        token_list_free(&tokens[i]);
    mem_free(tokens);
    mem_free(prompts);
    mem_free(out.tokens);
    mem_free(out.logp);
    mem_free(out.count);
    mem_free(out.ended);
    return result;
}

static int sample_all(struct drawing *d, struct err *err)
{
    struct generate_options how = sampling(d);
    if (machine_samples(d->lm->model, &how, d->longest, err) < 0)
        return -1;
    for (size_t i = 0; i < d->count; i += TOGETHER) {
        reporter_tell(d->reporter, "references", 0, "{}", i == 0);
        if (sample_some(d, i, d->count - i < TOGETHER ? d->count - i : TOGETHER, err) < 0)
            return reporter_check(d->reporter, err) < 0 ? -1 : err_wrap(err, "sampling references");
    }
    return 0;
}

/* ---- the file ---- */

static int write_entries(FILE *file, void *context, struct err *err)
{
    const struct drawing *d = context;
    struct buf line = {0};
    int result = 0;
    for (size_t i = 0; i < d->count && result == 0; i++) {
        struct entry e = d->entries[i];
        buf_clear(&line);
        json_write(&line, &shape, &e);
        buf_char(&line, '\n');
        if (line.failed)
            result = err_memory(err);
        else if (fwrite(line.data, 1, line.length, file) != line.length)
            result = err_errno(err, "cannot write the references");
    }
    buf_free(&line);
    return result;
}

static int read_entries(struct drawing *d, struct err *err)
{
    static const struct json_limits limits = {.depth = 3, .text_bytes = LINE_MOST};
    struct ndjson_line line;
    struct lines *lines = lines_open(d->wanted->path, LINE_MOST, err);
    int more = lines ? 1 : -1;
    while (more > 0 && (more = lines_next(lines, &line, err)) > 0) {
        struct entry e;
        char *text = arena_strndup(d->arena, line.text, line.length);
        if (!text)
            more = err_memory(err);
        else if (json_read(text, line.length, &shape, &limits, &e, d->arena, err) < 0 || add(d, e, err) < 0)
            more = err_wrap(err, "%s, line %ld", d->wanted->path, line.number);
    }
    lines_close(lines);
    return more;
}

/* ---- as training takes them ---- */

static int arrange(struct drawing *d, struct references *r, struct err *err)
{
    size_t n = d->count, total = 0;
    for (size_t i = 0; i < n; i++)
        total += d->entries[i].references.count;
    struct str *prompt = arena_zeroed(&r->arena, n, sizeof *prompt), *read = arena_zeroed(&r->arena, n, sizeof *read);
    struct str *response = arena_zeroed(&r->arena, total + 1, sizeof *response);
    int *start = arena_zeroed(&r->arena, n + 1, sizeof *start);
    r->tokens = arena_zeroed(&r->arena, n, sizeof *r->tokens);
    r->asked = arena_zeroed(&r->arena, n, sizeof *r->asked);
    if (!prompt || !read || !response || !start || !r->tokens || !r->asked)
        return err_memory(err);
    r->prompt = prompt;
    r->set = (struct reference_set){(int)n, read, start, response};
    for (size_t i = 0; i < n; i++) {
        const struct entry *e = &d->entries[i];
        prompt[i] = e->prompt;
        read[i] = e->read;
        for (size_t k = 0; k < e->references.count; k++)
            response[start[i] + (int)k] = ((const struct str *)e->references.items)[k];
        start[i + 1] = start[i] + (int)e->references.count;
        if (dialogue_prompt(&d->lm->dialogue, e->prompt, &r->tokens[i], err) < 0)
            return -1;
        r->asked[i] = (struct ppo_prompt){r->tokens[i].ids, (int)r->tokens[i].count};
    }
    return 0;
}

int references_get(struct reporter *reporter, const struct language_model *lm, const struct references_wanted *wanted,
                   struct references *ret, struct err *err)
{
    *ret = (struct references){0};
    struct drawing d = {.reporter = reporter, .lm = lm, .wanted = wanted, .arena = &ret->arena};
    int result;
    if (access(wanted->path, F_OK) == 0)
        result = read_entries(&d, err);
    else if ((result = draw_prompts(&d, err)) == 0 && (result = sample_all(&d, err)) == 0)
        result = replace_file(wanted->path, write_entries, &d, err);
    if (result == 0)
        result = arrange(&d, ret, err);
    mem_free(d.entries);
    return result;
}

void references_free(struct references *r)
{
    for (int i = 0; r->tokens && i < r->set.prompts; i++)
        token_list_free(&r->tokens[i]);
    arena_free(&r->arena);
    *r = (struct references){0};
}
