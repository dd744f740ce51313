/* The rollout: which prompts, what the policy answers, and what the scorer says of it. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "core/align/ppo_parts.h"
#include "core/lm/generate.h"

int ppo_rollout_make(struct ppo *p, struct err *err)
{
    struct ppo_rollout *r = &p->rollout;
    const struct ppo_options *o = &p->options;
    size_t n = (size_t)o->episodes, most = n * (size_t)o->response_tokens;
    size_t inputs = n * (size_t)(p->longest + o->response_tokens - 1), D = (size_t)p->model->shape.width;
    r->episodes = mem_zeroed(n, sizeof *r->episodes);
    r->asked = mem_zeroed(n, sizeof *r->asked);
    r->tokens = mem_array(most, sizeof *r->tokens);
    r->count = mem_zeroed(n, sizeof *r->count);
    r->ended = mem_zeroed(n, sizeof *r->ended);
    r->scores = mem_array(n * (size_t)(p->inputs.groups + 3), sizeof *r->scores);
    r->first = mem_zeroed(2 * (n + 1), sizeof *r->first);
    r->order = mem_array(n, sizeof *r->order);
    r->drawn = mem_aligned(8 * most, sizeof *r->drawn);
    r->trunk = o->frozen > 0 ? mem_aligned(inputs * D, sizeof *r->trunk) : NULL;
    if (!r->episodes || !r->asked || !r->tokens || !r->count || !r->ended || !r->scores || !r->first || !r->order ||
        !r->drawn || (o->frozen > 0 && !r->trunk))
        return err_memory(err);
    r->kl = r->scores + n * (size_t)(p->inputs.groups + 1);
    r->score = r->kl + n;
    r->input = r->first + n + 1;
    float **flat[] = {&r->logp, &r->reference, &r->entropy, &r->values, &r->rewards, &r->advantages, &r->returns};
    for (size_t i = 0; i < sizeof flat / sizeof flat[0]; i++)
        *flat[i] = r->drawn + (i + 1) * most;
    return 0;
}

void ppo_rollout_free(struct ppo_rollout *r)
{
    void *all[] = {r->episodes, r->asked, r->tokens, r->count, r->ended, r->scores, r->first, r->order, r->drawn,
                   r->trunk};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        mem_free(all[i]);
    buf_free(&r->text);
}

void ppo_order_prompts(struct ppo *p)
{
    struct rng rng;
    for (int i = 0; i < p->inputs.prompt_count; i++)
        p->order[i] = (uint32_t)i;
    rng_init(&rng, p->options.seed, (uint64_t)PPO_STREAM_PROMPTS << 32 | (uint64_t)p->state.pass);
    rng_shuffle(&rng, p->order, (size_t)p->inputs.prompt_count);
}

/* The prompts of this update. When a pass ends within it, a prompt may come twice: its samples are numbered on, for
 * random numbers are keyed by (seed; update, prompt; sample; step). */
static void take_prompts(struct ppo *p)
{
    const struct ppo_options *o = &p->options;
    int64_t first_pass = p->state.pass;
    for (int i = 0; i < o->episodes; i += o->samples) {
        if (p->state.next == p->inputs.prompt_count) {
            p->state.next = 0;
            p->state.pass++;
            ppo_order_prompts(p);
        }
        uint32_t prompt = p->order[p->state.next++];
        uint32_t sample = (uint32_t)(p->state.pass - first_pass) * (uint32_t)o->samples;
        for (int s = 0; s < o->samples; s++) {
            p->rollout.episodes[i + s] = (struct ppo_episode){.prompt = (int)prompt, .sample = sample + (uint32_t)s};
            p->rollout.asked[i + s] = (struct generate_prompt){.id = (uint64_t)p->state.updates << 32 | prompt,
                                                               .sample = sample + (uint32_t)s,
                                                               .tokens = p->prompts[prompt].tokens,
                                                               .length = p->prompts[prompt].length};
        }
    }
}

static bool stop_sampling(void *context, long tokens)
{
    const struct ppo *p = context;
    (void)tokens;
    return p->inputs.stop && p->inputs.stop(p->inputs.context);
}

static int generate_responses(struct ppo *p, struct err *err)
{
    const struct ppo_options *o = &p->options;
    const struct ppo_rollout *r = &p->rollout;
    struct generated to = {.tokens = r->tokens, .logp = r->drawn, .count = r->count, .ended = r->ended};
    struct generate_options how = {.gemm = o->gemm,
                                   .sampling = {.seed = o->seed, .temperature = (float)o->temperature, .top_p = 1},
                                   .max_new = o->response_tokens,
                                   .eos = o->fixed_length ? -1 : p->inputs.eos,
                                   .slots = o->slots,
                                   .adapters = p->adapters,
                                   .memory_limit = o->memory_limit,
                                   .stop = stop_sampling,
                                   .context = p};
    return generate(p->model, &how, o->episodes, r->asked, &to, err);
}

int ppo_shown(const struct ppo_options *o, int eos, const int32_t *tokens, int count, bool ended, bool *ret_truncated)
{
    bool can_end = eos >= 0 && !o->fixed_length;
    *ret_truncated = (can_end || o->cut_token >= 0) && !ended;
    for (int t = o->cut_from; o->cut_token >= 0 && t < count; t++)
        if (tokens[t] == o->cut_token) {
            *ret_truncated = false;
            return t + 1;
        }
    return ended ? count - 1 : count;
}

/* Decodes what the scorer sees. The text may move while it grows: views are made last. */
static int decode(struct ppo *p, struct err *err)
{
    struct ppo_rollout *r = &p->rollout;
    buf_clear(&r->text);
    for (int i = 0; i < p->options.episodes; i++) {
        struct ppo_episode *e = &r->episodes[i];
        size_t before = r->text.length;
        size_t count =
            (size_t)ppo_shown(&p->options, p->inputs.eos, e->tokens, e->count, r->ended[i], &e->truncated);
        if (p->inputs.tokenizer &&
            tokenizer_decode(p->inputs.tokenizer, e->tokens, count, TOKENIZER_CONTINUED, &r->text, err) < 0)
            return -1;
        e->text.len = r->text.length - before;
    }
    const char *at = r->text.data ? r->text.data : "";
    for (int i = 0; i < p->options.episodes; i++) {
        r->episodes[i].text.ptr = at;
        at += r->episodes[i].text.len;
    }
    return r->text.failed ? err_memory(err) : 0;
}

int ppo_sample(struct ppo *p, struct err *err)
{
    struct ppo_rollout *r = &p->rollout;
    ppo_tell(p, PPO_GENERATE);
    take_prompts(p);
    if (generate_responses(p, err) < 0)
        return -1;
    for (int i = 0; i < p->options.episodes; i++) {
        struct ppo_episode *e = &r->episodes[i];
        e->tokens = r->tokens + (size_t)i * (size_t)p->options.response_tokens;
        e->count = r->count[i];
        r->first[i + 1] = r->first[i] + e->count;
        r->input[i + 1] = r->input[i] + p->prompts[e->prompt].length + e->count - 1;
    }
    return decode(p, err);
}

int ppo_ask_scores(struct ppo *p, struct err *err)
{
    struct ppo_rollout *r = &p->rollout;
    int n = p->options.episodes, columns = p->inputs.groups + 1;
    ppo_tell(p, PPO_SCORE);
    if (p->inputs.score(p->inputs.score_context, n, r->episodes, r->scores, err) < 0)
        return -1;
    for (int i = 0; i < n * columns; i++)
        if (!isfinite(r->scores[i]))
            return err_set(err, ERR_NUMERICAL, "the score of group %d for episode %d (prompt %d) is not finite",
                           i % columns, i / columns, r->episodes[i / columns].prompt);
    return 0;
}
