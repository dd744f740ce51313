/* The state of PPO on disk: a snapshot with the model or the adapters (value head included), moments and trainer.json.
 * struct ppo_state is plain data and is stored byte for byte, so that no number is rounded on the way. The reference is
 * not stored: it is given again, and its digest is part of the course. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "core/align/ppo_parts.h"
#include "core/align/snapshot.h"
#include "core/lm/checkpoint.h"

static void digest_options(const struct ppo *p, struct sha256 *hash)
{
    const struct ppo_options *o = &p->options;
    const double all[] = {
        (double)o->updates, o->frozen, o->episodes, o->samples, o->response_tokens, o->temperature, o->fixed_length,
        o->cut_token, o->cut_from, o->end_penalty, o->penalty_replaces, o->slots, o->scaling, o->score_clip,
        o->whiten_rewards, o->gamma, o->lambda, o->beta, o->adaptive_beta, o->kl_target, o->kl_horizon, o->kl_limit,
        o->epochs, o->minibatches, o->pack_tokens, o->ratio_clip, o->value_clip, o->value_coefficient,
        o->entropy_coefficient, o->early_stop_kl, o->rate, o->schedule, o->adam_form, o->beta1, o->beta2, o->epsilon,
        o->weight_decay, o->gradient_clip, p->inputs.eos, p->inputs.groups,
    };
    sha256_update(hash, all, sizeof all);
    sha256_update(hash, &o->seed, sizeof o->seed);
    sha256_update(hash, o->gemm.backend->name, strlen(o->gemm.backend->name));
}

static void digest_objective(const struct objective_options *o, struct sha256 *hash)
{
    const double all[] = {o->mode,  o->groups,       o->alpha,  o->step,      o->ema,
                          o->floor, o->disagreement, o->margin, o->least_size};
    size_t bytes = (size_t)o->groups * sizeof(double);
    sha256_update(hash, all, sizeof all);
    sha256_update(hash, o->eta, bytes);
    sha256_update(hash, o->size, bytes);
    if (o->mode == OBJECTIVE_REGRET)
        sha256_update(hash, o->best, bytes);
}

/* Where and how a run is adapted. */
static void digest_adapters(const struct lm_adapters *a, struct sha256 *hash)
{
    const double how[] = {a->rank, a->alpha, a->heads};
    sha256_update(hash, how, sizeof how);
    for (int i = 0; i < a->count; i++)
        sha256_update(hash, a->items[i].tensor, strlen(a->items[i].tensor) + 1);
}

/* The base below adapters, as floats: the same whether it is mapped or not. */
static int digest_base(const struct lm_model *m, struct sha256 *hash, struct err *err)
{
    enum { TOGETHER = 1 << 16 };
    float *values = mem_array(TOGETHER, sizeof *values);
    if (!values)
        return err_memory(err);
    for (int i = 0; i < m->layout.tensor_count; i++) {
        size_t count = lm_tensor_count(&m->layout.tensors[i]);
        for (size_t from = 0; from < count; from += TOGETHER) {
            size_t n = count - from < TOGETHER ? count - from : TOGETHER;
            lm_model_read(m, i, from, n, values);
            sha256_update(hash, values, n * sizeof *values);
        }
    }
    mem_free(values);
    return 0;
}

int ppo_digest(struct ppo *p, struct err *err)
{
    uint8_t bytes[SHA256_SIZE];
    struct sha256 hash;
    sha256_init(&hash);
    digest_options(p, &hash);
    digest_objective(&p->objective, &hash);
    for (int i = 0; i < p->inputs.prompt_count; i++) {
        sha256_update(&hash, &p->prompts[i].length, sizeof p->prompts[i].length);
        sha256_update(&hash, p->prompts[i].tokens, (size_t)p->prompts[i].length * sizeof(int32_t));
    }
    if (p->adapters)
        digest_adapters(p->adapters, &hash);
    else
        sha256_update(&hash, p->model->weights, p->model->layout.count * sizeof(float));
    if (p->adapters && digest_base(p->model, &hash, err) < 0)
        return -1;
    sha256_update(&hash, p->reference, lm_trained(p->run).count * sizeof(float));
    if (p->inputs.score_digest)
        sha256_update(&hash, p->inputs.score_digest, SHA256_SIZE);
    sha256_final(&hash, bytes);
    sha256_hex(bytes, p->course);
    return 0;
}

static void write_state(const struct ppo_state *s, char text[2 * sizeof *s + 1])
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = (const uint8_t *)s;
    for (size_t i = 0; i < sizeof *s; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * sizeof *s] = '\0';
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_state(const char *text, struct ppo_state *ret)
{
    uint8_t *bytes = (uint8_t *)ret;
    if (strlen(text) != 2 * sizeof *ret)
        return false;
    for (size_t i = 0; i < sizeof *ret; i++) {
        int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static json_t *describe(const void *trainer)
{
    const struct ppo *p = trainer;
    char state[2 * sizeof p->state + 1];
    write_state(&p->state, state);
    return json_pack("{s:I,s:I,s:f,s:s}", "update", (json_int_t)p->state.updates, "episode",
                     (json_int_t)p->state.episodes, "beta", p->state.beta, "state", state);
}

static bool is_usable(const struct ppo *p, const struct ppo_state *s)
{
    return s->updates >= 0 && s->updates <= p->options.updates && s->pass >= 0 && s->next >= 0 &&
           s->next <= p->inputs.prompt_count && isfinite(s->beta) && s->beta >= 0;
}

static bool take(void *trainer, const json_t *saved)
{
    struct ppo *p = trainer;
    struct ppo_state state;
    const char *text = json_string_value(json_object_get(saved, "state"));
    if (!text || !read_state(text, &state) || !is_usable(p, &state))
        return false;
    p->state = state;
    ppo_order_prompts(p);
    return true;
}

static int save_weights(void *trainer, const char *folder, struct err *err)
{
    const struct ppo *p = trainer;
    if (p->adapters)
        return lora_save(p->adapters, folder, err);
    return checkpoint_save(p->own, folder, NULL, DTYPE_F32, err);
}

static int load_weights(void *trainer, const char *folder, struct err *err)
{
    struct ppo *p = trainer;
    if (p->adapters)
        return lora_reload(p->adapters, folder, err);
    return snapshot_load_weights(p->own, folder, err);
}

static struct snapshot_trainer snapshot_of(struct ppo *p)
{
    return (struct snapshot_trainer){.trainer = p,
                                     .step = p->state.updates,
                                     .course = p->course,
                                     .adam = p->adam,
                                     .save_weights = save_weights,
                                     .load_weights = load_weights,
                                     .describe = describe,
                                     .take = take};
}

int ppo_save(struct ppo *p, const char *out, struct err *err)
{
    struct snapshot_trainer t = snapshot_of(p);
    return snapshot_save(&t, out, err);
}

int ppo_resume(struct ppo *p, const char *out, struct err *err)
{
    struct snapshot_trainer t = snapshot_of(p);
    return snapshot_resume(&t, out, err);
}
