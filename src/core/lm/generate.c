#include "core/lm/generate.h"

#include <string.h>

#include "base/mem.h"
#include "core/lm/transformer.h"

enum {
    PREFILL_TOKENS = 512,   /* of prompts admitted in one pass, unless one is longer */
    LOGIT_FLOATS = 16 << 20 /* logits at once, but for models of a huge vocabulary */
};

/* A living sequence. */
struct row {
    int prompt, slot;
    int past;     /* tokens in the cache */
    int produced; /* tokens drawn */
    int32_t next; /* the last of them, which goes in now */
};

struct generation {
    const struct generate_options *options;
    const struct generate_prompt *prompts;
    const struct generated *out;
    const struct lm_shape *shape;
    int count, admitted; /* prompts in all, and taken so far */
    struct lm_run *run;
    struct lm_cache cache;
    struct row *rows; /* [slots] the living ones, first `alive` */
    int alive;
    int *free_slots, free_count;
    int *starts, *pasts, *slots, *last; /* of the batch: [slots + 1], [slots] ... */
    int32_t *tokens;
    int most_tokens;
    int *order; /* [threads][V], for top_k and top_p */
    long drawn;
    const float *logits; /* of the rows from `first_row` on */
    int first_row;
};

static int cache_length(const struct lm_shape *s, const struct generate_options *o, int longest)
{
    return longest + o->max_new < s->context ? longest + o->max_new : s->context;
}

/* A row of logits for each of the living, as far as they stay small. */
static int head_rows(const struct lm_shape *s, const struct generate_options *o)
{
    int most = LOGIT_FLOATS / s->vocabulary < 16 ? 16 : LOGIT_FLOATS / s->vocabulary;
    return o->slots < most ? o->slots : most;
}

static struct lm_options run_options(const struct lm_shape *s, const struct generate_options *o, int longest)
{
    return (struct lm_options){.gemm = o->gemm, .adapters = o->adapters, .mapped = o->mapped,
                               .max_tokens = (longest > PREFILL_TOKENS ? longest : PREFILL_TOKENS) + o->slots,
                               .max_sequence = cache_length(s, o, longest), .head_rows = head_rows(s, o)};
}

static size_t cache_floats(const struct lm_shape *s, const struct generate_options *o, int longest)
{
    struct attention a = {.kv_heads = s->kv_heads, .head_width = s->head_width};
    return (size_t)s->layers * attention_cache_size(&a, o->slots, cache_length(s, o, longest));
}

size_t generate_bytes(const struct lm_shape *shape, const struct generate_options *options, int longest)
{
    struct lm_options o = run_options(shape, options, longest);
    size_t order = (size_t)threads_count(options->gemm.threads) * (size_t)shape->vocabulary * sizeof(int);
    return lm_run_bytes(shape, &o) + cache_floats(shape, options, longest) * sizeof(float) + order;
}

static int check(const struct lm_model *m, const struct generate_options *o, int n,
                 const struct generate_prompt *prompts, int *ret_longest, struct err *err)
{
    const struct sampling *how = &o->sampling;
    *ret_longest = 0;
    if (o->slots < 1 || o->slots > 1 << 16 || o->max_new < 1 || o->max_new > 1 << 20)
        return err_set(err, ERR_INVALID_VALUE, "%d slots, %d new tokens: both must be above 0", o->slots, o->max_new);
    if (!(how->temperature >= 0 && how->temperature <= 100) || how->top_k < 0 || !(how->top_p > 0 && how->top_p <= 1))
        return err_set(err, ERR_INVALID_VALUE, "temperature %g, top_k %d, top_p %g are no way to sample",
                       (double)how->temperature, how->top_k, (double)how->top_p);
    for (int i = 0; i < n; i++) {
        if (prompts[i].length < 1 || prompts[i].length >= m->shape.context)
            return err_set(err, ERR_INVALID_VALUE, "prompt %d has %d tokens, not 1 .. %d", i, prompts[i].length,
                           m->shape.context - 1);
        if (prompts[i].length > *ret_longest)
            *ret_longest = prompts[i].length;
    }
    return 0;
}

static void close_generation(struct generation *g)
{
    void *all[] = {g->cache.values, g->rows, g->free_slots, g->starts, g->pasts,
                   g->slots,        g->last, g->tokens,     g->order};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        mem_free(all[i]);
    lm_run_free(g->run);
}

static int open_generation(struct generation *g, const struct lm_model *m, int longest, struct err *err)
{
    const struct generate_options *o = g->options;
    struct lm_options options = run_options(&m->shape, o, longest);
    size_t slots = (size_t)o->slots, need = generate_bytes(&m->shape, o, longest);
    if (o->memory_limit && need > o->memory_limit)
        return err_set(err, ERR_NO_MEMORY, "sampling %d at once needs %.2f GB, and %.2f GB are allowed", o->slots,
                       (double)need / 1e9, (double)o->memory_limit / 1e9);
    g->shape = &m->shape;
    g->most_tokens = options.max_tokens;
    g->cache = (struct lm_cache){.slots = o->slots, .length = options.max_sequence};
    g->cache.values = mem_aligned(cache_floats(&m->shape, o, longest), sizeof(float));
    g->rows = mem_zeroed(slots, sizeof *g->rows);
    g->free_slots = mem_zeroed(slots, sizeof *g->free_slots);
    g->starts = mem_zeroed(slots + 1, sizeof *g->starts);
    g->pasts = mem_zeroed(slots, sizeof *g->pasts);
    g->slots = mem_zeroed(slots, sizeof *g->slots);
    g->last = mem_zeroed(slots, sizeof *g->last);
    g->tokens = mem_zeroed((size_t)g->most_tokens, sizeof *g->tokens);
    g->order = mem_array((size_t)threads_count(o->gemm.threads) * (size_t)m->shape.vocabulary, sizeof *g->order);
    if (!g->cache.values || !g->rows || !g->free_slots || !g->starts || !g->pasts || !g->slots || !g->last ||
        !g->tokens || !g->order)
        return err_set(err, ERR_NO_MEMORY, "no memory to sample %d at once (%.2f GB)", o->slots, (double)need / 1e9);
    for (int i = 0; i < o->slots; i++)
        g->free_slots[g->free_count++] = o->slots - 1 - i;
    g->run = lm_run_new(m, &options, err);
    return g->run ? 0 : -1;
}

/* Appends a sequence to the batch. */
static void append(struct generation *g, int row, const int32_t *tokens, int n)
{
    int at = g->starts[row];
    memcpy(g->tokens + at, tokens, (size_t)n * sizeof *tokens);
    g->starts[row + 1] = at + n;
    g->pasts[row] = g->rows[row].past;
    g->slots[row] = g->rows[row].slot;
    g->last[row] = at + n - 1;
    g->rows[row].past += n;
}

/* The next batch: the living, then as many new prompts as there are slots and room for. */
static void compose(struct generation *g)
{
    for (int i = 0; i < g->alive; i++)
        append(g, i, &g->rows[i].next, 1);
    while (g->free_count > 0 && g->admitted < g->count) {
        const struct generate_prompt *p = &g->prompts[g->admitted];
        if (g->starts[g->alive] + p->length > g->most_tokens)
            return;
        g->rows[g->alive] = (struct row){.prompt = g->admitted++, .slot = g->free_slots[--g->free_count]};
        append(g, g->alive++, p->tokens, p->length);
    }
}

static void draw_row(void *context, int block, int thread)
{
    struct generation *g = context;
    struct row *r = &g->rows[g->first_row + block];
    const struct generate_prompt *p = &g->prompts[r->prompt];
    size_t V = (size_t)g->shape->vocabulary, at = (size_t)r->prompt * g->options->max_new + r->produced;
    double u = sampling_uniform(g->options->sampling.seed, p->id, p->sample, (uint32_t)r->produced);
    r->next = sampling_draw(lm_run_engine(g->run)->kernels, &g->options->sampling, (int)V,
                            (float *)g->logits + (size_t)block * V, u, g->order + (size_t)thread * V,
                            &g->out->logp[at]);
    g->out->tokens[at] = r->next;
    r->produced++;
}

static void draw(struct generation *g)
{
    int chunk = lm_head_rows(g->run);
    for (g->first_row = 0; g->first_row < g->alive; g->first_row += chunk) {
        int rows = g->alive - g->first_row < chunk ? g->alive - g->first_row : chunk;
        g->logits = lm_logits(g->run, rows, g->last + g->first_row);
        threads_run(g->options->gemm.threads, rows, draw_row, g);
    }
    g->drawn += g->alive;
}

/* Takes finished sequences out; the last one fills the gap. */
static void compact(struct generation *g)
{
    for (int i = g->alive - 1; i >= 0; i--) {
        struct row *r = &g->rows[i];
        bool ended = g->options->eos >= 0 && r->next == g->options->eos;
        if (!ended && r->produced < g->options->max_new && r->past < g->shape->context)
            continue;
        g->out->count[r->prompt] = r->produced;
        g->out->ended[r->prompt] = ended;
        g->free_slots[g->free_count++] = r->slot;
        g->rows[i] = g->rows[--g->alive];
    }
}

static int run_generation(struct generation *g, struct err *err)
{
    while (g->alive > 0 || g->admitted < g->count) {
        compose(g);
        struct lm_batch batch = {.sequences = g->alive, .starts = g->starts, .tokens = g->tokens, .pasts = g->pasts,
                                 .slots = g->slots, .wanted = g->last, .wanted_count = g->alive};
        if (lm_forward(g->run, &batch, &g->cache, err) < 0)
            return -1;
        draw(g);
        compact(g);
        if (g->options->stop && g->options->stop(g->options->context, g->drawn))
            return err_set(err, ERR_CANCELLED, "sampling was stopped after %ld tokens", g->drawn);
    }
    return 0;
}

int generate(const struct lm_model *model, const struct generate_options *options, int n,
             const struct generate_prompt *prompts, const struct generated *ret, struct err *err)
{
    int longest;
    if (n <= 0)
        return 0;
    if (check(model, options, n, prompts, &longest, err) < 0)
        return -1;
    struct generate_options fitted = *options;
    fitted.slots = n < options->slots ? n : options->slots;
    fitted.mapped = model->mapped != NULL;
    struct generation g = {.options = &fitted, .prompts = prompts, .out = ret, .count = n};
    int result = open_generation(&g, model, longest, err);
    if (result == 0)
        result = run_generation(&g, err);
    close_generation(&g);
    return result;
}
