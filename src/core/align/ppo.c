#include "core/align/ppo.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "core/align/ppo_parts.h"
#include "core/lm/checkpoint.h"
#include "core/lm/generate.h"

bool ppo_stopped(const struct ppo *p, struct err *err)
{
    if (!p->inputs.stop || !p->inputs.stop(p->inputs.context))
        return false;
    err_set(err, ERR_CANCELLED, "update %lld was given up", (long long)p->state.updates + 1);
    return true;
}

void ppo_tell(const struct ppo *p, enum ppo_phase phase)
{
    if (p->inputs.phase)
        p->inputs.phase(p->inputs.context, phase);
}

/* The adapters that the options ask for, without their vector. */
static struct lm_adapters *plan_adapters(const struct lm_shape *shape, const struct ppo_options *o, struct err *err)
{
    struct lora_options how = lora_chosen(&o->lora, shape->family, o->frozen, 1);
    return lora_plan(shape, &how, err);
}

static struct lm_options run_options(const struct ppo_options *o, int longest, struct lm_adapters *adapters)
{
    return (struct lm_options){.gemm = o->gemm,
                               .max_tokens = ppo_pack_room(o, longest),
                               .max_sequence = longest + o->response_tokens - 1,
                               .train = true,
                               .frozen = o->frozen,
                               .recompute = o->recompute,
                               .mapped = o->mapped,
                               .adapters = adapters};
}

static size_t rollout_bytes(const struct lm_shape *shape, const struct ppo_options *o, int longest)
{
    size_t inputs = (size_t)o->episodes * (size_t)(longest + o->response_tokens);
    size_t room = (size_t)ppo_pack_room(o, longest);
    size_t flat = (size_t)o->episodes * (size_t)o->response_tokens * 9 * sizeof(float) + room * 8 * sizeof(float);
    return flat + (o->frozen > 0 ? (inputs + room) * (size_t)shape->width * sizeof(float) : 0);
}

static size_t sampling_bytes(const struct lm_shape *shape, const struct ppo_options *o, int longest,
                             struct lm_adapters *adapters)
{
    struct generate_options how = {.gemm = o->gemm, .max_new = o->response_tokens, .slots = o->slots,
                                   .adapters = adapters, .mapped = o->mapped};
    return generate_bytes(shape, &how, longest);
}

size_t ppo_bytes(const struct lm_shape *shape, const struct ppo_options *options, int longest)
{
    struct lm_shape running = *shape;
    struct lm_layout layout;
    struct lm_adapters *adapters = options->lora.rank ? plan_adapters(shape, options, NULL) : NULL;
    struct lm_options run = run_options(options, longest, adapters);
    if (options->lora.rank && !adapters)
        return 0;
    running.scalars = adapters ? shape->scalars : 1;
    if (lm_layout_make(&running, &layout, NULL) < 0) {
        lora_free(adapters);
        return SIZE_MAX;
    }
    size_t weights = options->mapped ? 0 : layout.count;
    size_t trained =
        adapters ? adapters->total : layout.count - lm_layout_start(&layout, &running, options->frozen);
    lm_layout_free(&layout);
    size_t bytes = (weights + (adapters ? 5 : 4) * trained) * sizeof(float) + adamw_bytes(trained) +
                   lm_run_bytes(&running, &run) + rollout_bytes(shape, options, longest) +
                   sampling_bytes(shape, options, longest, adapters);
    lora_free(adapters);
    return bytes;
}

static int copy_prompts(struct ppo *p, struct err *err)
{
    size_t tokens = 0;
    int count = p->inputs.prompt_count;
    for (int i = 0; i < count; i++)
        tokens += (size_t)p->inputs.prompts[i].length;
    p->prompt_tokens = mem_array(tokens, sizeof *p->prompt_tokens);
    p->prompts = mem_array((size_t)count, sizeof *p->prompts);
    p->order = mem_array((size_t)count, sizeof *p->order);
    if (!p->prompt_tokens || !p->prompts || !p->order)
        return err_memory(err);
    int32_t *to = p->prompt_tokens;
    for (int i = 0; i < count; i++) {
        const struct ppo_prompt *from = &p->inputs.prompts[i];
        memcpy(to, from->tokens, (size_t)from->length * sizeof *to);
        p->prompts[i] = (struct ppo_prompt){to, from->length};
        p->longest = from->length > p->longest ? from->length : p->longest;
        to += from->length;
    }
    p->inputs.prompts = p->prompts;
    return 0;
}

static int open_training(struct ppo *p, struct err *err)
{
    const struct ppo_options *o = &p->options;
    struct lm_options run = run_options(o, p->longest, p->adapters);
    struct adamw_options adam = {.form = o->adam_form,
                                 .beta1 = (float)o->beta1,
                                 .beta2 = (float)o->beta2,
                                 .epsilon = (float)o->epsilon,
                                 .weight_decay = (float)o->weight_decay,
                                 .clip = (float)o->gradient_clip};
    p->run = lm_run_new(p->model, &run, err);
    p->adam = p->run ? adamw_new(p->model, p->run, &adam, err) : NULL;
    if (!p->adam)
        return -1;
    size_t n = lm_trained(p->run).count;
    p->reference = mem_aligned(n, sizeof *p->reference);
    p->kept.weights = mem_aligned(n, sizeof *p->kept.weights);
    p->kept.m = mem_aligned(n, sizeof *p->kept.m);
    p->kept.v = mem_aligned(n, sizeof *p->kept.v);
    return p->reference && p->kept.weights && p->kept.m && p->kept.v ? 0 : err_memory(err);
}

/* The reference's trained vector. Its value head is never asked. */
static void take_reference(struct ppo *p, const struct lm_model *reference)
{
    struct lm_trained t = lm_trained(p->run);
    memcpy(p->reference, t.weights, t.count * sizeof *p->reference);
    if (reference && !p->adapters)
        memcpy(p->reference, reference->weights + t.start,
               (lm_model_below_scalars(reference) - t.start) * sizeof *p->reference);
}

/* Adapters on the policy that was given, with its value head if it has one. */
static int adapt(struct ppo *p, struct err *err)
{
    const struct lm_model *policy = p->model = p->inputs.policy;
    const struct lm_layout *l = &policy->layout;
    struct lm_adapters *a = p->adapters = plan_adapters(&policy->shape, &p->options, err);
    if (!a || lora_start(a, p->options.seed, err) < 0)
        return -1;
    if (policy->shape.scalars != 1)
        return 0;
    int first = lm_layout_find(l, l->scalar.weight);
    lm_model_read(policy, first, 0, (size_t)policy->shape.width, a->weights + a->head_weight);
    lm_model_read(policy, first + 1, 0, 1, a->weights + a->head_bias);
    return 0;
}

/* What runs and is trained: a copy of the policy, or adapters on it. */
static int take_policy(struct ppo *p, struct err *err)
{
    if (p->options.lora.rank)
        return adapt(p, err);
    p->model = p->own = lm_model_copy(p->inputs.policy, 1, err);
    return p->own ? 0 : -1;
}

static int open_ppo(struct ppo *p, struct err *err)
{
    const struct ppo_inputs *in = &p->inputs;
    if (copy_prompts(p, err) < 0)
        return -1;
    p->options.mapped = in->policy->mapped != NULL;
    size_t need = ppo_bytes(&in->policy->shape, &p->options, p->longest), limit = p->options.memory_limit;
    if (limit && need > limit)
        return err_set(err, ERR_NO_MEMORY, "training needs %.2f GB of memory, and %.2f GB are allowed: fewer tokens in "
                       "a pass, adapters, frozen blocks or recompute need less", (double)need / 1e9,
                       (double)limit / 1e9);
    if (take_policy(p, err) < 0 || open_training(p, err) < 0 || ppo_rollout_make(p, err) < 0 ||
        ppo_pack_make(p, err) < 0)
        return -1;
    take_reference(p, in->reference);
    p->state.beta = p->options.beta;
    objective_start(&p->objective, &p->state.objective);
    ppo_order_prompts(p);
    return ppo_digest(p, err);
}

struct ppo *ppo_new(const struct ppo_inputs *inputs, const struct ppo_options *options, struct err *err)
{
    if (ppo_check(inputs, options, err) < 0)
        return NULL;
    struct ppo *p = mem_zeroed(1, sizeof *p);
    if (!p) {
        err_memory(err);
        return NULL;
    }
    p->inputs = *inputs;
    p->options = *options;
    p->objective = *inputs->objective;
    if (open_ppo(p, err) < 0) {
        ppo_free(p);
        return NULL;
    }
    p->inputs.policy = p->inputs.reference = NULL; /* the caller may free them */
    p->inputs.objective = &p->objective;
    return p;
}

void ppo_free(struct ppo *p)
{
    if (!p)
        return;
    adamw_free(p->adam);
    lm_run_free(p->run);
    lora_free(p->adapters);
    lm_model_free(p->own);
    ppo_rollout_free(&p->rollout);
    ppo_pack_free(&p->pack);
    void *all[] = {p->reference, p->kept.weights, p->kept.m, p->kept.v, p->prompt_tokens, p->prompts, p->order};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        mem_free(all[i]);
    mem_free(p);
}

int64_t ppo_done(const struct ppo *p)
{
    return p->state.updates;
}

const struct ppo_episode *ppo_episodes(const struct ppo *p, int *ret_count, const double **ret_scores)
{
    *ret_count = p->options.episodes;
    *ret_scores = p->rollout.scores;
    return p->rollout.episodes;
}

const struct lm_model *ppo_model(const struct ppo *p)
{
    return p->model;
}

const struct lm_adapters *ppo_adapters(const struct ppo *p)
{
    return p->adapters;
}

struct lm_model *ppo_policy(const struct ppo *p, struct err *err)
{
    if (p->model->mapped) {
        err_set(err, ERR_INVALID_VALUE, "a policy whose weights stay in files is merged only while it is written");
        return NULL;
    }
    struct lm_model *policy = lm_model_copy(p->model, 0, err);
    if (policy && p->adapters)
        lora_merge(p->adapters, policy);
    return policy;
}

int ppo_write_policy(const struct ppo *p, const char *folder, const char *like, enum safetensors_dtype stored,
                     struct err *err)
{
    struct checkpoint_source source = {.model = p->model, .adapters = p->adapters, .headless = true};
    return checkpoint_write(&source, folder, like, stored, err);
}

/* Copies the trained vector and the optimiser to where they are kept, or back. */
static void move_kept(struct ppo *p, bool back)
{
    struct lm_trained t = lm_trained(p->run);
    size_t bytes = t.count * sizeof(float);
    struct {
        float *live, *kept;
    } pairs[] = {{t.weights, p->kept.weights}, {p->adam->m, p->kept.m}, {p->adam->v, p->kept.v}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        memcpy(back ? pairs[i].live : pairs[i].kept, back ? pairs[i].kept : pairs[i].live, bytes);
    if (back)
        p->adam->step = p->kept.step;
    else
        p->kept.step = p->adam->step;
}

static double rate_now(const struct ppo *p)
{
    double done = (double)p->state.updates / (double)p->options.updates;
    switch (p->options.schedule) {
    case PPO_LINEAR:
        return p->options.rate * (1 - done);
    case PPO_COSINE:
        return p->options.rate * 0.5 * (1 + cos(M_PI * done));
    default:
        return p->options.rate;
    }
}

static int update(struct ppo *p, struct ppo_metrics *m, struct err *err)
{
    const struct ppo_options *o = &p->options;
    struct ppo_state *s = &p->state;
    m->rate = rate_now(p);
    if (ppo_sample(p, err) < 0 || ppo_ask_scores(p, err) < 0 || ppo_prepare(p, err) < 0 || ppo_reward(p, m, err) < 0 ||
        ppo_learn(p, m, err) < 0)
        return -1;
    if (o->adaptive_beta)
        s->beta = ppo_adapt_beta(s->beta, m->kl, o->kl_target, o->kl_horizon, o->episodes);
    m->update = ++s->updates;
    m->episode = s->episodes += o->episodes;
    return 0;
}

int ppo_update(struct ppo *p, struct ppo_metrics *ret, struct err *err)
{
    struct ppo_state before = p->state;
    if (p->state.updates >= p->options.updates)
        return err_set(err, ERR_INVALID_VALUE, "all %lld updates are done", (long long)p->options.updates);
    *ret = (struct ppo_metrics){0};
    move_kept(p, false);
    if (update(p, ret, err) == 0)
        return 0;
    move_kept(p, true);
    p->state = before;
    ppo_order_prompts(p);
    return -1;
}
