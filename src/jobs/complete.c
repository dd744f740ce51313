#include "jobs/complete.h"

#include <string.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "core/align/language_model.h"
#include "core/align/responses.h"
#include "core/lm/generate.h"
#include "formats/complete_options.h"
#include "jobs/machine.h"
#include "jobs/policy_folder.h"
#include "jobs/reporter.h"
#include "store/completion.h"
#include "store/identity.h"
#include "store/policy.h"

enum { TOGETHER = 64 /* completions between two times of storing, or those of one prompt */ };

/* One prompt of the job. */
struct question {
    struct uuid item;
    bool plain; /* given as text, so that its item may have to be made */
    bool done;  /* its samples are stored */
    struct str text;
    uint64_t key;          /* what its random numbers are keyed by */
    struct token_list ids; /* within the template */
};

struct complete {
    const struct job_context *job;
    struct reporter reporter;
    struct arena arena;
    struct complete_options options;
    struct policy policy;
    struct language_model lm;
    struct question *questions; /* [count], in the arena */
    int count;
    int longest;                /* tokens of a prompt that is to be answered */

    /* Of one turn: room for the prompts of at most `room` completions, and where these go. */
    int room;
    struct generate_prompt *prompts;
    struct generated out;

    int64_t started_ns;
    long completions; /* stored, of this job */
    long tokens;      /* drawn by this attempt, before the present turn */
};

/* ---- what is asked ---- */

static int read_options(struct complete *c, struct err *err)
{
    static const struct json_limits limits = {.depth = 8, .text_bytes = 1 << 20};
    char *text;
    size_t length;
    struct pg *pg = reporter_pg(&c->reporter, 0, err);
    if (!pg || job_params(pg, c->job->lease, &c->arena, &text, &length, err) < 0)
        return -1;
    if (json_read(text, length, &complete_options_shape, &limits, &c->options, &c->arena, err) < 0)
        return err_wrap(err, "option %s", err->pointer);
    complete_options_fill(&c->options);
    return policy_read(pg, &c->job->lease->project, c->options.policy, POLICY_WRITES, &c->arena, &c->policy, err);
}

/* Texts and items of all prompts, and which of them are done. */
static int read_questions(struct complete *c, struct err *err)
{
    const struct complete_prompt *asked = c->options.prompts.items;
    int n = c->count = (int)c->options.prompts.count;
    c->questions = arena_zeroed(&c->arena, (size_t)n, sizeof *c->questions);
    struct uuid *items = arena_zeroed(&c->arena, (size_t)n, sizeof *items);
    struct str *texts = arena_zeroed(&c->arena, (size_t)n, sizeof *texts);
    bool *done = arena_zeroed(&c->arena, (size_t)n, sizeof *done);
    struct pg *pg = reporter_pg(&c->reporter, 0, err);
    int named = 0;
    if (!c->questions || !items || !texts || !done)
        return err_memory(err);
    for (int i = 0; i < n; i++)
        if (asked[i].form == COMPLETE_ITEM)
            items[named++] = asked[i].item.id;
    if (!pg || completion_prompts(pg, &c->job->lease->project, items, named, &c->arena, texts, err) < 0 ||
        completion_done(pg, c->job->lease, done, n, err) < 0)
        return -1;
    for (int i = 0, next = 0; i < n; i++) {
        struct question *q = &c->questions[i];
        q->plain = asked[i].form == COMPLETE_TEXT;
        q->done = done[i];
        q->text = q->plain ? asked[i].text : texts[next];
        q->item = q->plain ? identity_item(&c->job->lease->project, q->text, false) : items[next];
        q->key = responses_key(q->text);
        next += !q->plain;
        c->completions += q->done ? (long)c->options.samples : 0;
    }
    return 0;
}

/* ---- the model ---- */

static int load_model(struct complete *c, struct err *err)
{
    reporter_tell(&c->reporter, "loading", 0, "{}", true);
    if (policy_folder_check(&c->policy, err) < 0)
        return -1;
    if (language_model_open(&c->lm, c->job->threads, err) < 0)
        return -1;
    return machine_load_model(&c->lm, c->policy.folder, err);
}

/* All prompts as tokens, so that one that does not fit is known before the first is sampled. */
static int encode_questions(struct complete *c, struct err *err)
{
    int context = c->lm.model->shape.context;
    for (int i = 0; i < c->count; i++) {
        struct question *q = &c->questions[i];
        if (q->done)
            continue;
        if (dialogue_prompt(&c->lm.dialogue, q->text, &q->ids, err) < 0)
            return err_wrap(err, "prompt %d", i);
        if (q->ids.count == 0 || q->ids.count >= (size_t)context)
            return err_set(err, ERR_INVALID_VALUE, "prompt %d has %zu tokens, and the model's context is %d", i,
                           q->ids.count, context);
        c->longest = (int)q->ids.count > c->longest ? (int)q->ids.count : c->longest;
    }
    return 0;
}

/* How a turn of `count` completions is sampled. */
static struct generate_options sampling(const struct complete *c, int count)
{
    return (struct generate_options){
        .gemm = c->lm.gemm,
        .sampling = {.seed = (uint64_t)c->options.seed,
                     .temperature = (float)c->options.temperature,
                     .top_k = (int)c->options.top_k,
                     .top_p = (float)c->options.top_p},
        .max_new = (int)c->options.max_tokens,
        .eos = c->lm.dialogue.end,
        .slots = count,
        .memory_limit = machine_memory(),
    };
}

static int make_room(struct complete *c, struct err *err)
{
    int samples = (int)c->options.samples, all_at_once = samples * c->count;
    c->room = samples * (TOGETHER / samples);
    struct generate_options largest = sampling(c, c->room < all_at_once ? c->room : all_at_once);
    if (machine_samples(c->lm.model, &largest, c->longest, err) < 0)
        return -1;
    size_t n = (size_t)c->room, all = n * (size_t)c->options.max_tokens;
    c->prompts = mem_zeroed(n, sizeof *c->prompts);
    c->out = (struct generated){.tokens = mem_array(all, sizeof *c->out.tokens),
                                .logp = mem_array(all, sizeof *c->out.logp),
                                .count = mem_array(n, sizeof *c->out.count),
                                .ended = mem_array(n, sizeof *c->out.ended)};
    if (!c->prompts || !c->out.tokens || !c->out.logp || !c->out.count || !c->out.ended)
        return err_memory(err);
    return 0;
}

/* ---- sampling ---- */

/* Tells how far it is, `tokens` into the present turn of `turn` completions. */
static void tell(struct complete *c, long turn, long tokens, bool important)
{
    struct buf out = {0};
    double seconds = (double)(clock_mono_ns() - c->started_ns) / 1e9;
    double all = (double)c->count * (double)c->options.samples;
    double part = (double)tokens / ((double)c->options.max_tokens * (double)(turn ? turn : 1)) * (double)turn;
    json_open(&out, '{');
    json_member_int(&out, "completions", c->completions);
    json_member_int(&out, "tokens", c->tokens + tokens);
    json_member_real(&out, "tokens_per_second", seconds > 0 ? (double)(c->tokens + tokens) / seconds : 0);
    json_close(&out, '}');
    reporter_tell(&c->reporter, "sampling", ((double)c->completions + part) / all, out.failed ? "{}" : out.data,
                  important);
    buf_free(&out);
}

struct turn {
    struct complete *c;
    int first, last; /* questions first .. last - 1, those that are not done */
    int count;       /* completions */
};

/* generate's callback. */
static bool stop(void *context, long tokens)
{
    const struct turn *t = context;
    tell(t->c, t->count, tokens, false);
    return t->c->reporter.lost;
}

/* The prompts of the next turn; false when nothing is left. */
static bool next_turn(struct complete *c, struct turn *t)
{
    int samples = (int)c->options.samples;
    t->first = t->last;
    t->count = 0;
    for (; t->last < c->count && t->count + samples <= c->room; t->last++) {
        const struct question *q = &c->questions[t->last];
        for (int s = 0; s < samples && !q->done; s++)
            c->prompts[t->count++] = (struct generate_prompt){
                .id = q->key, .sample = (uint32_t)s, .tokens = q->ids.ids, .length = (int)q->ids.count};
    }
    return t->count > 0;
}

static int sample(struct complete *c, struct turn *t, struct err *err)
{
    struct generate_options options = sampling(c, t->count);
    options.stop = stop;
    options.context = t;
    if (generate(c->lm.model, &options, t->count, c->prompts, &c->out, err) < 0)
        return reporter_check(&c->reporter, err) < 0 ? -1 : err_wrap(err, "sampling");
    return 0;
}

/* ---- storing ---- */

static void put_figures(const struct complete *c, const struct question *q, int n, struct str text, struct buf *out)
{
    struct uuid response = identity_response(&q->item, str_of(c->policy.name), text);
    double logp = 0;
    for (int i = 0; i < c->out.count[n]; i++)
        logp += (double)c->out.logp[(size_t)n * (size_t)c->options.max_tokens + (size_t)i];
    json_open(out, '{');
    json_key(out, "item");
    json_put_uuid(out, &q->item);
    json_key(out, "response");
    json_put_uuid(out, &response);
    json_member_int(out, "seed", c->options.seed);
    json_member_int(out, "sample", c->prompts[n].sample);
    json_member_int(out, "tokens", c->out.count[n]);
    json_member_real(out, "logp", logp);
    json_member_bool(out, "ended", c->out.ended[n]);
    json_close(out, '}');
}

/* Completion n as text and figures, in the arena. */
static int render(const struct complete *c, const struct question *q, int n, struct arena *arena,
                  struct completion *ret, struct err *err)
{
    struct buf raw = {0}, text = {0}, figures = {0};
    const int32_t *ids = c->out.tokens + (size_t)n * (size_t)c->options.max_tokens;
    int result =
        tokenizer_decode(c->lm.tokenizer, ids, (size_t)c->out.count[n], TOKENIZER_CONTINUED, &raw, err);
    if (result == 0) {
        buf_readable(&text, raw.data, raw.length);
        put_figures(c, q, n, (struct str){text.data ? text.data : "", text.length}, &figures);
        ret->text = (struct str){arena_strndup(arena, text.data ? text.data : "", text.length), text.length};
        ret->figures = (struct str){arena_strndup(arena, figures.data ? figures.data : "", figures.length),
                                    figures.length};
        if (text.failed || figures.failed || !ret->text.ptr || !ret->figures.ptr)
            result = err_memory(err);
    }
    buf_free(&raw);
    buf_free(&text);
    buf_free(&figures);
    return result;
}

/* Stores the samples of question `place`, the completions from n on. */
static int store_question(struct complete *c, int place, int n, struct err *err)
{
    const struct question *q = &c->questions[place];
    struct arena arena = {0};
    struct completion *samples = arena_zeroed(&arena, (size_t)c->options.samples, sizeof *samples);
    struct pg *pg = reporter_pg(&c->reporter, 0, err);
    int result = !samples ? err_memory(err) : pg ? 0 : -1;
    for (int s = 0; result == 0 && s < (int)c->options.samples; s++)
        result = render(c, q, n + s, &arena, &samples[s], err);
    if (result == 0)
        result = completion_store(pg, c->job->lease,
                                  &(struct completion_set){.place = place,
                                                           .item = q->item,
                                                           .makes_item = q->plain,
                                                           .prompt = q->text,
                                                           .policy = str_of(c->policy.name),
                                                           .samples = samples,
                                                           .count = (int)c->options.samples},
                                  err);
    arena_free(&arena);
    return result;
}

static int store_turn(struct complete *c, const struct turn *t, struct err *err)
{
    int n = 0;
    for (int i = t->first; i < t->last; i++) {
        if (c->questions[i].done)
            continue;
        if (store_question(c, i, n, err) < 0)
            return -1;
        n += (int)c->options.samples;
        c->completions += (long)c->options.samples;
    }
    for (int i = 0; i < t->count; i++)
        c->tokens += c->out.count[i];
    return 0;
}

static int answer(struct complete *c, struct err *err)
{
    struct turn t = {.c = c};
    c->started_ns = clock_mono_ns();
    while (next_turn(c, &t)) {
        tell(c, 0, 0, true);
        if (sample(c, &t, err) < 0 || store_turn(c, &t, err) < 0)
            return -1;
    }
    tell(c, 0, 0, true);
    return reporter_check(&c->reporter, err);
}

static int finish(struct complete *c, struct err *err)
{
    struct pg *pg = reporter_pg(&c->reporter, 0, err);
    return pg ? job_end(pg, c->job->lease, JOB_DONE, NULL, "done", err) : -1;
}

static void close_all(struct complete *c)
{
    for (int i = 0; c->questions && i < c->count; i++)
        token_list_free(&c->questions[i].ids);
    mem_free(c->prompts);
    mem_free(c->out.tokens);
    mem_free(c->out.logp);
    mem_free(c->out.count);
    mem_free(c->out.ended);
    language_model_close(&c->lm);
    arena_free(&c->arena);
    reporter_close(&c->reporter);
}

int complete_run(const struct job_context *job, struct err *err)
{
    struct complete c = {.job = job, .reporter = {.job = job}};
    int result = -1;
    if (read_options(&c, err) == 0 && read_questions(&c, err) == 0 && load_model(&c, err) == 0 &&
        encode_questions(&c, err) == 0 && make_room(&c, err) == 0 && answer(&c, err) == 0)
        result = finish(&c, err);
    close_all(&c);
    return result;
}
