#include "jobs/ppo_settings.h"

#include <stdio.h>
#include <string.h>

#include "jobs/lora_settings.h"

/* Both enums of presets are one list, told by name; the orders of the other names are those of the engine's enums. */
_Static_assert(PPO_SETTINGS_DEFAULT_PRESET == 0, "the first preset is the default in both lists");

static void apply_integers(const struct ppo_settings *s, struct ppo_options *o, int *prompt_tokens)
{
    const struct json_integer integers[] = {
        {PPO_FROZEN_BLOCKS, s->frozen_blocks, &o->frozen},
        {PPO_EPISODES, s->episodes, &o->episodes},
        {PPO_SAMPLES, s->samples, &o->samples},
        {PPO_PROMPT_TOKENS, s->prompt_tokens, prompt_tokens},
        {PPO_RESPONSE_TOKENS, s->response_tokens, &o->response_tokens},
        {PPO_CUT_FROM, s->cut_from, &o->cut_from},
        {PPO_SLOTS, s->slots, &o->slots},
        {PPO_EPOCHS, s->epochs, &o->epochs},
        {PPO_MINIBATCHES, s->minibatches, &o->minibatches},
        {PPO_PACK_TOKENS, s->pack_tokens, &o->pack_tokens},
    };
    json_take_integers(&s->seen, integers, sizeof integers / sizeof integers[0]);
    if (json_given(&s->seen, PPO_SEED))
        o->seed = (uint64_t)s->seed;
    if (json_given(&s->seen, PPO_UPDATES))
        o->updates = s->updates;
}

static void apply_reals(const struct ppo_settings *s, struct ppo_options *o)
{
    const struct json_real reals[] = {
        {PPO_TEMPERATURE, s->temperature, &o->temperature},
        {PPO_END_PENALTY, s->end_penalty, &o->end_penalty},
        {PPO_SCORE_CLIP, s->score_clip, &o->score_clip},
        {PPO_GAMMA, s->gamma, &o->gamma},
        {PPO_LAMBDA, s->lambda, &o->lambda},
        {PPO_BETA, s->beta, &o->beta},
        {PPO_KL_TARGET, s->kl_target, &o->kl_target},
        {PPO_KL_HORIZON, s->kl_horizon, &o->kl_horizon},
        {PPO_KL_LIMIT, s->kl_limit, &o->kl_limit},
        {PPO_RATIO_CLIP, s->ratio_clip, &o->ratio_clip},
        {PPO_VALUE_CLIP, s->value_clip, &o->value_clip},
        {PPO_VALUE_COEFFICIENT, s->value_coefficient, &o->value_coefficient},
        {PPO_ENTROPY_COEFFICIENT, s->entropy_coefficient, &o->entropy_coefficient},
        {PPO_EARLY_STOP_KL, s->early_stop_kl, &o->early_stop_kl},
        {PPO_LEARNING_RATE, s->rate, &o->rate},
        {PPO_ADAM_BETA1, s->beta1, &o->beta1},
        {PPO_ADAM_BETA2, s->beta2, &o->beta2},
        {PPO_ADAM_EPSILON, s->epsilon, &o->epsilon},
        {PPO_WEIGHT_DECAY, s->weight_decay, &o->weight_decay},
        {PPO_GRADIENT_CLIP, s->gradient_clip, &o->gradient_clip},
    };
    json_take_reals(&s->seen, reals, sizeof reals / sizeof reals[0]);
}

static void apply_choices(const struct ppo_settings *s, struct ppo_options *o)
{
    const struct {
        int field;
        bool value, *to;
    } switches[] = {
        {PPO_RECOMPUTE, s->recompute, &o->recompute},
        {PPO_FIXED_LENGTH, s->fixed_length, &o->fixed_length},
        {PPO_PENALTY_REPLACES, s->penalty_replaces, &o->penalty_replaces},
        {PPO_WHITEN_REWARDS, s->whiten_rewards, &o->whiten_rewards},
        {PPO_ADAPTIVE_BETA, s->adaptive_beta, &o->adaptive_beta},
    };
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++)
        if (json_given(&s->seen, switches[i].field))
            *switches[i].to = switches[i].value;
    if (json_given(&s->seen, PPO_SCORE_SCALING))
        o->scaling = (enum ppo_scaling)s->scaling;
    if (json_given(&s->seen, PPO_SCHEDULE))
        o->schedule = (enum ppo_schedule)s->schedule;
    if (json_given(&s->seen, PPO_ADAM_FORM))
        o->adam_form = (enum adam_form)s->adam_form;
}

/* The one token that the text is. */
static int find_cut(const struct tokenizer *t, struct str text, const char *pointer, int *ret, struct err *err)
{
    char at[64];
    struct token_list tokens = {0};
    int result = tokenizer_encode(t, text, TOKENIZER_CONTINUED, &tokens, err);
    if (result == 0 && tokens.count != 1) {
        snprintf(at, sizeof at, "%s/cut_text", pointer);
        result = err_at(err, ERR_INVALID_VALUE, at, "\"%.*s\" is %zu tokens of this model, not one", (int)text.len,
                        text.ptr, tokens.count);
    }
    if (result == 0)
        *ret = tokens.ids[0];
    token_list_free(&tokens);
    return result;
}

/* What a given number and one of the preset contradict in. */
static int check_together(const struct ppo_options *o, const char *pointer, struct err *err)
{
    char at[64];
    if (o->minibatches > o->episodes) {
        snprintf(at, sizeof at, "%s/minibatches", pointer);
        return err_at(err, ERR_INVALID_VALUE, at, "%d minibatches of %d episodes", o->minibatches, o->episodes);
    }
    if (o->samples > o->episodes || o->episodes % o->samples != 0) {
        snprintf(at, sizeof at, "%s/samples_per_prompt", pointer);
        return err_at(err, ERR_INVALID_VALUE, at, "%d samples a prompt do not divide %d episodes", o->samples,
                      o->episodes);
    }
    if (o->cut_from > o->response_tokens) {
        snprintf(at, sizeof at, "%s/cut_from", pointer);
        return err_at(err, ERR_INVALID_VALUE, at, "cut_from is %d; responses have at most %d tokens", o->cut_from,
                      o->response_tokens);
    }
    return 0;
}

int ppo_settings_apply(const struct ppo_settings *s, const char *pointer, const struct tokenizer *tokenizer,
                       struct ppo_options *ret, const struct ppo_preset **ret_preset, int *ret_prompt_tokens,
                       struct err *err)
{
    const struct ppo_preset *preset = ppo_preset_of(ppo_settings_presets[s->preset]);
    struct str cut = str_of(preset->cut_text ? preset->cut_text : "");
    *ret = preset->options;
    *ret_preset = preset;
    *ret_prompt_tokens = preset->prompt_tokens;
    apply_integers(s, ret, ret_prompt_tokens);
    apply_reals(s, ret);
    apply_choices(s, ret);
    lora_settings_apply(&s->seen, PPO_LORA, &s->lora, &ret->lora);
    const struct lora_settings in_all = {.rank = ret->lora.rank};
    if (lora_settings_check(&s->seen, PPO_LORA, &in_all, true, pointer, err) < 0)
        return -1;
    if (json_given(&s->seen, PPO_CUT_TEXT))
        cut = json_has(&s->seen, PPO_CUT_TEXT) ? s->cut_text : str_of("");
    if (cut.len > 0 && tokenizer && find_cut(tokenizer, cut, pointer, &ret->cut_token, err) < 0)
        return -1;
    return check_together(ret, pointer, err);
}

int ppo_settings_check_shape(const struct ppo_options *o, const struct lm_shape *shape, const char *pointer,
                             struct err *err)
{
    char at[64];
    struct lora_options how = lora_chosen(&o->lora, shape->family, o->frozen, 1);
    if (o->frozen > shape->layers - (o->lora.rank > 0)) {
        snprintf(at, sizeof at, "%s/frozen_blocks", pointer);
        return err_at(err, ERR_INVALID_VALUE, at, "%d frozen blocks of %d%s", o->frozen, shape->layers,
                      o->lora.rank ? ", and adapters need one" : "");
    }
    if (o->lora.rank == 0)
        return 0;
    struct lm_adapters *plan = lora_plan(shape, &how, err);
    snprintf(at, sizeof at, "%s/lora_targets", pointer);
    if (!plan && err->code == ERR_INVALID_VALUE)
        snprintf(err->pointer, sizeof err->pointer, "%s", at);
    lora_free(plan);
    return plan ? 0 : -1;
}
