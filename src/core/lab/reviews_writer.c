#include "core/lab/reviews_writer.h"

#include <math.h>

#include "base/mem.h"
#include "core/align/sft.h"
#include "core/lm/bpe_train.h"
#include "core/lm/generate.h"
#include "core/lm/transformer.h"

enum { HEAD_WIDTH = 32, CONTEXT = 96, BATCH_TOKENS = 2048, TELL_EVERY = 16, SLOTS = 128, SCORED_AT_ONCE = 64 };
enum { STREAM_REVIEWS = 40 };

/* ---- training ---- */

/* Calls `take` with each of the reviews to learn from: the same ones whenever it is called. */
static int read_reviews(const struct reviews_writer *w, const struct reviews_writer_options *o,
                        int (*take)(void *context, struct str prompt, struct str response, struct err *err),
                        void *context, struct err *err)
{
    struct buf response = {0};
    struct rng rng;
    int failed = 0;
    rng_init(&rng, o->seed, STREAM_REVIEWS);
    for (int done = 0; done < o->reviews && failed == 0;) {
        int index = (int)rng_below(&rng, REVIEWS_PROMPTS);
        if (reviews_held_out(index))
            continue;
        buf_clear(&response);
        reviews_response(&response, index, &rng);
        failed = response.failed ? err_memory(err)
                                 : take(context, reviews_writer_prompt(w, index),
                                        (struct str){response.data, response.length}, err);
        done++;
    }
    buf_free(&response);
    return failed;
}

static int learn_pieces(void *context, struct str prompt, struct str response, struct err *err)
{
    return bpe_trainer_add(context, prompt, err) < 0 || bpe_trainer_add(context, response, err) < 0 ? -1 : 0;
}

static int make_tokenizer(struct reviews_writer *w, const struct reviews_writer_options *o, struct err *err)
{
    struct bpe_trainer *trainer = bpe_trainer_new(err);
    if (trainer && read_reviews(w, o, learn_pieces, trainer, err) == 0)
        w->tokenizer = bpe_trainer_finish(trainer, o->vocabulary, err);
    bpe_trainer_free(trainer);
    if (!w->tokenizer)
        return -1;
    return dialogue_make(w->tokenizer, "{prompt}", tokenizer_end(w->tokenizer), &w->dialogue, err);
}

static int make_model(struct reviews_writer *w, const struct reviews_writer_options *o, struct err *err)
{
    int heads = o->width / HEAD_WIDTH;
    struct lm_shape shape = {.family = LM_GPT2,
                             .vocabulary = (int)tokenizer_count(w->tokenizer),
                             .context = CONTEXT,
                             .layers = o->layers,
                             .width = o->width,
                             .heads = heads,
                             .kv_heads = heads,
                             .head_width = HEAD_WIDTH,
                             .hidden = 4 * o->width,
                             .norm_eps = 1e-5,
                             .tied = true,
                             .bos = w->dialogue.end,
                             .eos = w->dialogue.end};
    w->model = lm_model_new(&shape, err);
    if (w->model)
        lm_model_randomize(w->model, o->seed);
    return w->model ? 0 : -1;
}

struct lesson {
    const struct reviews_writer *writer;
    struct sft_data data;
};

static int learn_review(void *context, struct str prompt, struct str response, struct err *err)
{
    struct lesson *l = context;
    return sft_data_add(&l->data, &l->writer->dialogue, prompt, response, err);
}

static int train(struct reviews_writer *w, const struct reviews_writer_options *o, struct err *err)
{
    struct lesson lesson = {w, {.longest = CONTEXT, .seed = o->seed, .held_out = 0.05}};
    struct sft_options options = {.gemm = o->gemm,
                                  .epochs = o->epochs,
                                  .batch_tokens = BATCH_TOKENS,
                                  .rate = o->rate,
                                  .warm_up = 0.05,
                                  .weight_decay = 0.1,
                                  .seed = o->seed};
    struct sft *s = NULL;
    struct sft_step step;
    double loss = 0;
    long predictions;
    int failed = read_reviews(w, o, learn_review, &lesson, err);
    if (failed == 0) {
        s = sft_new(w->model, &lesson.data, &options, err);
        failed = s ? 0 : -1;
    }
    while (failed == 0 && sft_done(s) < sft_steps(s)) {
        failed = sft_advance(s, &step, err);
        if (o->tell && sft_done(s) % TELL_EVERY == 0)
            o->tell(o->context, (double)sft_done(s) / (double)sft_steps(s));
    }
    if (failed == 0)
        failed = sft_held_out(s, &loss, &predictions, err);
    w->perplexity = exp(loss);
    sft_free(s);
    sft_data_free(&lesson.data);
    return failed;
}

static int write_prompts(struct reviews_writer *w, struct err *err)
{
    for (int i = 0; i < REVIEWS_PROMPTS; i++) {
        reviews_prompt(&w->prompts, i);
        w->text[i + 1] = w->prompts.length;
    }
    return w->prompts.failed ? err_memory(err) : 0;
}

static int encode_prompts(struct reviews_writer *w, struct err *err)
{
    for (int i = 0; i < REVIEWS_PROMPTS; i++) {
        if (dialogue_prompt(&w->dialogue, reviews_writer_prompt(w, i), &w->tokens, err) < 0)
            return -1;
        w->token[i + 1] = w->tokens.count;
    }
    return w->tokens.failed ? err_memory(err) : 0;
}

int reviews_writer_open(const struct reviews_writer_options *options, struct reviews_writer *ret, struct err *err)
{
    *ret =
        (struct reviews_writer){.gemm = options->gemm, .dialogue.end = -1, .response_tokens = options->response_tokens};
    return write_prompts(ret, err) < 0 || make_tokenizer(ret, options, err) < 0 || encode_prompts(ret, err) < 0 ||
                   make_model(ret, options, err) < 0 || train(ret, options, err) < 0
               ? -1
               : 0;
}

void reviews_writer_close(struct reviews_writer *w)
{
    dialogue_free(&w->dialogue);
    tokenizer_free(w->tokenizer);
    lm_model_free(w->model);
    buf_free(&w->prompts);
    token_list_free(&w->tokens);
}

struct str reviews_writer_prompt(const struct reviews_writer *w, int index)
{
    return (struct str){w->prompts.data + w->text[index], w->text[index + 1] - w->text[index]};
}

int reviews_writer_tokens(const struct reviews_writer *w, int index, const int32_t **ret)
{
    *ret = w->tokens.ids + w->token[index];
    return (int)(w->token[index + 1] - w->token[index]);
}

/* ---- sampling ---- */

/* What generation fills and the reference reads again. */
struct draft {
    struct generate_prompt *prompts;
    struct generated out;
    int room; /* tokens of a response at most */
};

static int draft_open(const struct reviews_writer *w, const struct reviews_samples *s, uint64_t seed,
                      const struct lm_model *policy, struct draft *ret, struct err *err)
{
    size_t n = (size_t)s->count, all = n * (size_t)w->response_tokens;
    *ret = (struct draft){.prompts = mem_zeroed(n, sizeof *ret->prompts),
                          .out = {.tokens = mem_array(all, sizeof *ret->out.tokens),
                                  .logp = mem_array(all, sizeof *ret->out.logp),
                                  .count = mem_array(n, sizeof *ret->out.count),
                                  .ended = mem_array(n, sizeof *ret->out.ended)},
                          .room = w->response_tokens};
    if (!ret->prompts || !ret->out.tokens || !ret->out.logp || !ret->out.count || !ret->out.ended)
        return err_memory(err);
    struct generate_options options = {.gemm = w->gemm,
                                       .sampling = {.seed = seed, .temperature = 1, .top_p = 1},
                                       .max_new = w->response_tokens,
                                       .eos = w->dialogue.end,
                                       .slots = s->count < SLOTS ? s->count : SLOTS};
    for (int i = 0; i < s->count; i++) {
        struct generate_prompt *p = &ret->prompts[i];
        p->id = (uint64_t)s->prompt[i / s->each];
        p->sample = (uint32_t)(i % s->each);
        p->length = reviews_writer_tokens(w, (int)p->id, &p->tokens);
    }
    return generate(policy, &options, s->count, ret->prompts, &ret->out, err);
}

static void draft_close(struct draft *d)
{
    mem_free(d->prompts);
    mem_free(d->out.tokens);
    mem_free(d->out.logp);
    mem_free(d->out.count);
    mem_free(d->out.ended);
}

static int read_texts(const struct reviews_writer *w, const struct draft *d, struct reviews_samples *s, struct err *err)
{
    for (int i = 0; i < s->count; i++) {
        const int32_t *ids = d->out.tokens + (size_t)i * (size_t)d->room;
        size_t count = (size_t)d->out.count[i] - d->out.ended[i];
        if (tokenizer_decode(w->tokenizer, ids, count, TOKENIZER_CONTINUED, &s->text, err) < 0)
            return -1;
        s->start[i + 1] = s->text.length;
        s->ended += (double)d->out.ended[i] / s->count;
    }
    buf_char(&s->text, '\n'); /* there is something to point at, even when nothing was written */
    if (s->text.failed)
        return err_memory(err);
    for (int i = 0; i < s->count; i++)
        reviews_measure(reviews_writer_prompt(w, s->prompt[i / s->each]), reviews_sampled(s, i), &s->measure[i]);
    return 0;
}

/* Subtracts the reference's log-probability of one packed batch of responses, first .. first + n - 1. */
static int subtract_reference(const struct draft *d, struct lm_run *run, struct sft_batch *b, float *logp, int first,
                              int n, double *kl, struct err *err)
{
    struct sft_data data = {0};
    int failed = 0, k = 0;
    sft_batch_clear(b);
    for (int i = first; i < first + n && failed == 0; i++) {
        struct sft_example e = {.length = d->prompts[i].length + d->out.count[i], .prompt = d->prompts[i].length};
        data.tokens.count = 0;
        for (int t = 0; t < e.length; t++)
            token_list_put(&data.tokens, t < e.prompt
                                             ? d->prompts[i].tokens[t]
                                             : d->out.tokens[(size_t)i * (size_t)d->room + (size_t)(t - e.prompt)]);
        failed = data.tokens.failed ? err_memory(err) : 0;
        if (failed == 0)
            sft_batch_add(b, &data, &e);
    }
    if (failed == 0) {
        struct lm_batch view = sft_batch_view(b);
        failed = lm_forward(run, &view, NULL, err);
    }
    if (failed == 0)
        lm_head(run,
                &(struct lm_head_request){
                    .count = b->predictions, .rows = b->rows, .targets = b->targets, .temperature = 1, .logp = logp});
    for (int i = first; i < first + n && failed == 0; i++)
        for (int t = 0; t < d->out.count[i]; t++)
            kl[i] -= logp[k++];
    token_list_free(&data.tokens);
    return failed;
}

static int measure_kl(const struct reviews_writer *w, const struct draft *d, struct reviews_samples *s, struct err *err)
{
    int room = SCORED_AT_ONCE * CONTEXT, failed = 0;
    struct sft_batch batch = {0};
    struct lm_options options = {.gemm = w->gemm, .max_tokens = room};
    struct lm_run *run = lm_run_new(w->model, &options, err);
    float *logp = mem_array((size_t)room, sizeof *logp);
    if (!run || !logp || sft_batch_make(room, &batch, err) < 0)
        failed = run && !logp ? err_memory(err) : -1;
    for (int i = 0; i < s->count; i++)
        for (int t = 0; t < d->out.count[i]; t++)
            s->kl[i] += d->out.logp[(size_t)i * (size_t)d->room + (size_t)t];
    for (int first = 0; first < s->count && failed == 0; first += SCORED_AT_ONCE) {
        int n = s->count - first < SCORED_AT_ONCE ? s->count - first : SCORED_AT_ONCE;
        failed = subtract_reference(d, run, &batch, logp, first, n, s->kl, err);
    }
    lm_run_free(run);
    mem_free(logp);
    sft_batch_free(&batch);
    return failed;
}

int reviews_sample(const struct reviews_writer *w, const struct lm_model *policy, int prompts, const int *prompt,
                   int each, uint64_t seed, struct reviews_samples *ret, struct err *err)
{
    size_t n = (size_t)prompts * (size_t)each;
    struct draft draft = {0};
    *ret = (struct reviews_samples){.count = (int)n,
                                    .prompts = prompts,
                                    .each = each,
                                    .prompt = mem_array((size_t)prompts, sizeof *ret->prompt),
                                    .start = mem_zeroed(n + 1, sizeof *ret->start),
                                    .measure = mem_zeroed(n, sizeof *ret->measure),
                                    .kl = mem_zeroed(n, sizeof *ret->kl)};
    if (!ret->prompt || !ret->start || !ret->measure || !ret->kl)
        return err_memory(err);
    memcpy(ret->prompt, prompt, (size_t)prompts * sizeof *prompt);
    int failed = draft_open(w, ret, seed, policy ? policy : w->model, &draft, err);
    if (failed == 0)
        failed = read_texts(w, &draft, ret, err);
    if (failed == 0 && policy)
        failed = measure_kl(w, &draft, ret, err);
    draft_close(&draft);
    return failed;
}

void reviews_samples_free(struct reviews_samples *s)
{
    mem_free(s->prompt);
    mem_free(s->start);
    mem_free(s->measure);
    mem_free(s->kl);
    buf_free(&s->text);
}

struct str reviews_sampled(const struct reviews_samples *s, int i)
{
    return (struct str){s->text.data + s->start[i], s->start[i + 1] - s->start[i]};
}

struct reviews_summary reviews_summarise(const struct reviews_samples *s)
{
    struct reviews_summary sum = {0};
    double sentences = 0, derived = 0;
    for (int i = 0; i < s->count; i++) {
        const struct reviews_measure *m = &s->measure[i];
        sum.kl += s->kl[i] / s->count;
        sum.sentiment += m->sentiment / s->count;
        sum.words += (double)m->words / s->count;
        sentences += m->sentences;
        derived += m->derived;
    }
    sum.derived = sentences > 0 ? derived / sentences : 0;
    return sum;
}
