#include "core/align/responses.h"

#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "core/lm/generate.h"
#include "core/lm/transformer.h"

enum { PASS_TOKENS = 2048 /* of a scoring pass, unless one sequence is longer */ };

uint64_t responses_key(struct str prompt)
{
    uint8_t digest[SHA256_SIZE];
    uint64_t key = 0;
    sha256(prompt.ptr, prompt.len, digest);
    for (int i = 0; i < 8; i++)
        key = key << 8 | digest[i];
    return key;
}

void response_set_free(struct response_set *s)
{
    for (int i = 0; s->prompt && i < s->prompts; i++)
        token_list_free(&s->prompt[i]);
    mem_free(s->prompt);
    mem_free(s->token);
    mem_free(s->count);
    mem_free(s->logp);
    mem_free(s->text);
    arena_free(&s->arena);
    *s = (struct response_set){0};
}

/* ---- sampling ---- */

/* What generate is given and gives, beside the set. */
struct draw {
    const struct responses_options *o;
    struct generate_prompt *prompt; /* [n] */
    float *logp;                    /* [n][max_tokens] */
    bool *ended;                    /* [n] */
    long expected;                  /* tokens at most */
};

static bool stopped(void *context, long tokens)
{
    const struct draw *d = context;
    return d->o->progress && !d->o->progress(d->o->context, (double)tokens / (double)d->expected);
}

static int set_alloc(struct response_set *s, const struct responses_options *o, int prompts, struct err *err)
{
    *s = (struct response_set){.prompts = prompts, .samples = o->samples, .n = prompts * o->samples,
                               .temperature = o->temperature, .max_tokens = o->max_tokens};
    size_t n = (size_t)s->n;
    s->prompt = mem_zeroed((size_t)prompts, sizeof *s->prompt);
    s->token = mem_array(n * (size_t)o->max_tokens, sizeof *s->token);
    s->count = mem_zeroed(n, sizeof *s->count);
    s->logp = mem_zeroed(n, sizeof *s->logp);
    s->text = mem_zeroed(n, sizeof *s->text);
    return s->prompt && s->token && s->count && s->logp && s->text ? 0 : err_memory(err);
}

static int draw_open(struct draw *d, struct response_set *s, const struct str *prompt, int context, struct err *err)
{
    size_t n = (size_t)s->n;
    d->prompt = mem_array(n, sizeof *d->prompt);
    d->logp = mem_array(n * (size_t)s->max_tokens, sizeof *d->logp);
    d->ended = mem_array(n, sizeof *d->ended);
    d->expected = (long)s->n * s->max_tokens;
    if (!d->prompt || !d->logp || !d->ended)
        return err_memory(err);
    for (int i = 0; i < s->n; i++) {
        const struct token_list *tokens = &s->prompt[i / s->samples];
        if (tokens->count == 0 || tokens->count >= (size_t)context)
            return err_set(err, ERR_INVALID_VALUE, "prompt %d has %zu tokens, and the model's context is %d",
                           i / s->samples, tokens->count, context);
        d->prompt[i] = (struct generate_prompt){.id = responses_key(prompt[i / s->samples]),
                                                .sample = (uint32_t)(i % s->samples),
                                                .tokens = tokens->ids,
                                                .length = (int)tokens->count};
    }
    return 0;
}

static void draw_close(struct draw *d)
{
    mem_free(d->prompt);
    mem_free(d->logp);
    mem_free(d->ended);
}

static int generate_all(const struct language_model *lm, const struct responses_options *o, struct draw *d,
                        struct response_set *s, struct err *err)
{
    struct generate_options options = {
        .gemm = lm->gemm,
        .sampling = {.seed = o->seed, .temperature = (float)o->temperature, .top_p = 1},
        .max_new = o->max_tokens,
        .eos = lm->dialogue.end,
        .slots = o->slots < s->n ? o->slots : s->n,
        .memory_limit = o->memory_limit,
        .stop = stopped,
        .context = d,
    };
    struct generated out = {.tokens = s->token, .logp = d->logp, .count = s->count, .ended = d->ended};
    return generate(lm->model, &options, s->n, d->prompt, &out, err);
}

/* Text and summed log-probability of completion i. */
static int settle(const struct language_model *lm, const struct draw *d, struct response_set *s, int i,
                  struct err *err)
{
    struct buf raw = {0}, text = {0};
    size_t at = (size_t)i * (size_t)s->max_tokens;
    for (int t = 0; t < s->count[i]; t++)
        s->logp[i] += (double)d->logp[at + (size_t)t];
    int result = tokenizer_decode(lm->tokenizer, s->token + at, (size_t)s->count[i], TOKENIZER_CONTINUED, &raw, err);
    if (result == 0) {
        buf_readable(&text, raw.data, raw.length);
        s->text[i] = (struct str){arena_strndup(&s->arena, text.data ? text.data : "", text.length), text.length};
        result = text.failed || !s->text[i].ptr ? err_memory(err) : 0;
    }
    buf_free(&raw);
    buf_free(&text);
    return result;
}

int responses_sample(const struct language_model *lm, const struct responses_options *o, int prompts,
                     const struct str *prompt, struct response_set *ret, struct err *err)
{
    struct draw d = {.o = o};
    int result = set_alloc(ret, o, prompts, err);
    for (int i = 0; i < prompts && result == 0; i++)
        result = dialogue_prompt(&lm->dialogue, prompt[i], &ret->prompt[i], err);
    if (result == 0)
        result = draw_open(&d, ret, prompt, lm->model->shape.context, err);
    if (result == 0)
        result = generate_all(lm, o, &d, ret, err);
    for (int i = 0; i < ret->n && result == 0; i++)
        result = settle(lm, &d, ret, i, err);
    draw_close(&d);
    if (result < 0)
        response_set_free(ret);
    return result;
}

/* ---- under another model ---- */

/* A pass over several sequences, each a prompt and its response. */
struct pass {
    struct lm_run *run;
    int room, tokens, sequences, rows;
    int *start;       /* [sequences + 1] */
    int32_t *token;   /* [room] */
    int *row;         /* [room] where a response's token is predicted */
    int32_t *target;  /* [room] */
    float *logp;      /* [room] */
    int *owner;       /* [room] completion of a row */
};

static int longest_of(const struct response_set *s)
{
    size_t longest = 0;
    for (int i = 0; i < s->n; i++) {
        size_t length = s->prompt[i / s->samples].count + (size_t)s->count[i];
        longest = length > longest ? length : longest;
    }
    return (int)longest;
}

static int pass_open(struct pass *p, const struct language_model *lm, const struct response_set *s, size_t limit,
                     struct err *err)
{
    int longest = longest_of(s);
    p->room = longest > PASS_TOKENS ? longest : PASS_TOKENS;
    struct lm_options options = {
        .gemm = lm->gemm, .max_tokens = p->room, .max_sequence = longest, .memory_limit = limit};
    p->run = lm_run_new(lm->model, &options, err);
    if (!p->run)
        return -1;
    size_t n = (size_t)p->room;
    p->start = mem_zeroed(n + 1, sizeof *p->start);
    p->token = mem_array(n, sizeof *p->token);
    p->row = mem_array(n, sizeof *p->row);
    p->target = mem_array(n, sizeof *p->target);
    p->logp = mem_array(n, sizeof *p->logp);
    p->owner = mem_array(n, sizeof *p->owner);
    return p->start && p->token && p->row && p->target && p->logp && p->owner ? 0 : err_memory(err);
}

static void pass_close(struct pass *p)
{
    lm_run_free(p->run);
    mem_free(p->start);
    mem_free(p->token);
    mem_free(p->row);
    mem_free(p->target);
    mem_free(p->logp);
    mem_free(p->owner);
}

static void pass_add(struct pass *p, const struct response_set *s, int i)
{
    const struct token_list *prompt = &s->prompt[i / s->samples];
    const int32_t *response = s->token + (size_t)i * (size_t)s->max_tokens;
    memcpy(p->token + p->tokens, prompt->ids, prompt->count * sizeof *p->token);
    memcpy(p->token + p->tokens + prompt->count, response, (size_t)s->count[i] * sizeof *p->token);
    for (int t = 0; t < s->count[i]; t++) {
        p->row[p->rows] = p->tokens + (int)prompt->count - 1 + t;
        p->target[p->rows] = response[t];
        p->owner[p->rows++] = i;
    }
    p->tokens += (int)prompt->count + s->count[i];
    p->start[++p->sequences] = p->tokens;
}

static int pass_run(struct pass *p, double temperature, double *ret, struct err *err)
{
    struct lm_batch batch = {.sequences = p->sequences,
                             .starts = p->start,
                             .tokens = p->token,
                             .wanted = p->rows > 0 ? p->row : NULL,
                             .wanted_count = p->rows};
    if (lm_forward(p->run, &batch, NULL, err) < 0)
        return -1;
    lm_head(p->run, &(struct lm_head_request){.count = p->rows, .rows = p->row, .targets = p->target,
                                              .temperature = (float)temperature, .logp = p->logp});
    for (int r = 0; r < p->rows; r++)
        ret[p->owner[r]] += (double)p->logp[r];
    p->tokens = p->sequences = p->rows = 0;
    return 0;
}

static int same_tokens(const struct language_model *lm, const struct str *prompt, const struct response_set *s,
                       struct err *err)
{
    for (int i = 0; i < s->prompts; i++) {
        struct token_list own = {0};
        int result = dialogue_prompt(&lm->dialogue, prompt[i], &own, err);
        bool same = result == 0 && own.count == s->prompt[i].count &&
                    memcmp(own.ids, s->prompt[i].ids, own.count * sizeof *own.ids) == 0;
        token_list_free(&own);
        if (result < 0)
            return -1;
        if (!same)
            return err_set(err, ERR_CONFLICT, "the two models cut the prompts into different tokens, so that their "
                           "log-probabilities cannot be compared");
    }
    for (int i = 0; i < s->n; i++)
        for (int t = 0; t < s->count[i]; t++)
            if (s->token[(size_t)i * (size_t)s->max_tokens + (size_t)t] >= lm->model->shape.vocabulary)
                return err_set(err, ERR_CONFLICT, "the two models have different vocabularies");
    return 0;
}

int responses_logp(const struct language_model *lm, const struct responses_options *o, const struct str *prompt,
                   const struct response_set *s, double *ret, struct err *err)
{
    struct pass p = {0};
    int result = same_tokens(lm, prompt, s, err);
    if (result == 0)
        result = pass_open(&p, lm, s, o->memory_limit, err);
    memset(ret, 0, (size_t)s->n * sizeof *ret);
    for (int i = 0; i < s->n && result == 0; i++) {
        if (p.tokens + (int)s->prompt[i / s->samples].count + s->count[i] > p.room) {
            if (o->progress && !o->progress(o->context, (double)i / s->n))
                result = err_set(err, ERR_CANCELLED, "scoring responses was cancelled");
            else
                result = pass_run(&p, s->temperature, ret, err);
        }
        if (result == 0)
            pass_add(&p, s, i);
    }
    if (result == 0 && p.sequences > 0)
        result = pass_run(&p, s->temperature, ret, err);
    pass_close(&p);
    return result;
}
