/* ppo_options: what a body may say of PPO, and what the engine is told. */
#include "unit/test.h"

#include <string.h>

#include "core/tokenizer_support.h"
#include "jobs/ppo_settings.h"

static struct arena arena;
static struct err err;

static int read_text(const char *json, struct ppo_settings *ret)
{
    static char text[2000];
    strcpy(text, json);
    return ppo_settings_read(text, strlen(text), ret, &arena, &err);
}

static void apply(const char *json, struct ppo_options *ret, int *ret_prompt_tokens)
{
    struct ppo_settings s;
    const struct ppo_preset *preset;
    if (read_text(json, &s) < 0 || ppo_settings_apply(&s, "", NULL, ret, &preset, ret_prompt_tokens, &err) < 0)
        fail_msg("%s: %s", err.pointer, err.message);
}

static void same_names(const char *const *a, const char *const *b)
{
    for (; *a && *b; a++, b++)
        assert_string_equal(*a, *b);
    assert_true(!*a && !*b);
}

static void both_sides_know_the_same_names(void **state)
{
    (void)state;
    assert_int_equal(ppo_presets_count, PPO_SETTINGS_PRESETS);
    for (int i = 0; i < ppo_presets_count; i++)
        assert_string_equal(ppo_presets[i].name, ppo_settings_presets[i]);
    assert_null(ppo_settings_presets[PPO_SETTINGS_PRESETS]);
    same_names(ppo_schedule_names, ppo_settings_schedules);
    same_names(ppo_scaling_names, ppo_settings_scalings);
    same_names(ppo_adam_names, ppo_settings_adam_forms);
}

static void a_preset_arrives_whole(void **state)
{
    (void)state;
    static const char *const given[] = {"{}", "{\"preset\":\"ziegler-sentiment\"}", "{\"preset\":\"tldr\"}",
                                        "{\"preset\":\"maxmin-official\"}"};
    for (int i = 0; i < ppo_presets_count; i++) {
        struct ppo_options o, expected = ppo_presets[i].options;
        int prompt_tokens;
        apply(given[i], &o, &prompt_tokens);
        assert_memory_equal(&o, &expected, sizeof o);
        assert_int_equal(prompt_tokens, ppo_presets[i].prompt_tokens);
        assert_true(o.epochs > 0 && o.epsilon > 0 && o.beta1 > 0 && o.rate > 0 && o.slots > 0 && o.cut_token == -1);
    }
    assert_null(ppo_preset_of("unknown"));
    assert_true(ppo_preset_of(NULL) == &ppo_presets[0]);
}

static void every_member_arrives(void **state)
{
    (void)state;
    struct ppo_options o;
    int prompt_tokens;
    apply("{\"preset\":\"tldr\",\"seed\":9007199254740993,\"updates\":11,\"frozen_blocks\":2,\"recompute\":true,"
          "\"episodes\":12,\"samples_per_prompt\":3,\"prompt_tokens\":13,\"response_tokens\":14,\"temperature\":1.5,"
          "\"fixed_length\":true,\"cut_text\":\".\",\"cut_from\":4,\"end_penalty\":2.5,\"end_penalty_replaces\":false,"
          "\"slots\":15,\"score_scaling\":\"running\",\"score_clip\":3.5,\"whiten_rewards\":true,\"gamma\":0.5,"
          "\"lambda\":0.25,\"beta\":0.125,\"adaptive_beta\":true,\"kl_target\":4.5,\"kl_horizon\":16,\"kl_limit\":5.5,"
          "\"epochs\":17,\"minibatches\":6,\"pack_tokens\":18,\"ratio_clip\":0.375,\"value_clip\":6.5,"
          "\"value_coefficient\":7.5,\"entropy_coefficient\":8.5,\"early_stop_kl\":9.5,\"learning_rate\":0.625,"
          "\"schedule\":\"constant\",\"adam_form\":\"pytorch\",\"adam_beta1\":0.75,\"adam_beta2\":0.875,"
          "\"adam_epsilon\":0.03125,\"weight_decay\":0.0625,\"gradient_clip\":10.5,\"lora_rank\":19,"
          "\"lora_alpha\":11.5,\"lora_targets\":[\"q_proj\",\"down_proj\"],\"lora_mapped\":true}", &o,
          &prompt_tokens);
    assert_true(o.seed == 9007199254740993u && o.updates == 11 && o.frozen == 2 && o.recompute && o.episodes == 12);
    assert_true(o.samples == 3 && prompt_tokens == 13 && o.response_tokens == 14 && o.temperature == 1.5);
    assert_true(o.fixed_length && o.cut_from == 4 && o.end_penalty == 2.5 && !o.penalty_replaces && o.slots == 15);
    assert_true(o.scaling == PPO_SCALE_RUNNING && o.score_clip == 3.5 && o.whiten_rewards && o.gamma == 0.5);
    assert_true(o.lambda == 0.25 && o.beta == 0.125 && o.adaptive_beta && o.kl_target == 4.5 && o.kl_horizon == 16);
    assert_true(o.kl_limit == 5.5 && o.epochs == 17 && o.minibatches == 6 && o.pack_tokens == 18);
    assert_true(o.ratio_clip == 0.375 && o.value_clip == 6.5 && o.value_coefficient == 7.5);
    assert_true(o.entropy_coefficient == 8.5 && o.early_stop_kl == 9.5 && o.rate == 0.625);
    assert_true(o.schedule == PPO_CONSTANT && o.adam_form == ADAM_PYTORCH && o.beta1 == 0.75 && o.beta2 == 0.875);
    assert_true(o.epsilon == 0.03125 && o.weight_decay == 0.0625 && o.gradient_clip == 10.5);
    assert_true(o.lora.rank == 19 && o.lora.alpha == 11.5);
    assert_string_equal(o.lora.targets, "q_proj,down_proj");
}

static void refuses_with_a_pointer(void **state)
{
    (void)state;
    static const struct {
        const char *json, *pointer;
        enum err_code code;
    } cases[] = {
        {"{\"gama\":1}", "/gama", ERR_UNKNOWN_MEMBER},
        {"{\"gamma\":1.5}", "/gamma", ERR_INVALID_VALUE},
        {"{\"preset\":\"huge\"}", "/preset", ERR_INVALID_VALUE},
        {"{\"episodes\":0}", "/episodes", ERR_INVALID_VALUE},
        {"{\"episodes\":10,\"samples_per_prompt\":3}", "/samples_per_prompt", ERR_INVALID_VALUE},
        {"{\"episodes\":10,\"minibatches\":11}", "/minibatches", ERR_INVALID_VALUE},
        {"{\"response_tokens\":5,\"cut_from\":6}", "/cut_from", ERR_INVALID_VALUE},
        {"{\"lora_rank\":1025}", "/lora_rank", ERR_INVALID_VALUE},
        {"{\"lora_rank\":4,\"lora_alpha\":0}", "/lora_alpha", ERR_INVALID_VALUE},
        {"{\"lora_rank\":4,\"lora_targets\":[]}", "/lora_targets", ERR_INVALID_VALUE},
        {"{\"lora_rank\":4,\"lora_targets\":[\"v_proj\",\"lm_head\"]}", "/lora_targets/1", ERR_INVALID_VALUE},
        {"{\"lora_rank\":0,\"lora_alpha\":8}", "/lora_alpha", ERR_INVALID_VALUE},
        {"{\"lora_rank\":0,\"lora_mapped\":true}", "/lora_mapped", ERR_INVALID_VALUE},
    };
    struct ppo_settings s;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_text(cases[i].json, &s), -1);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.pointer, cases[i].pointer);
    }
    struct ppo_options o;
    const struct ppo_preset *preset;
    int prompt_tokens;
    assert_int_equal(read_text("{\"episodes\":3}", &s), 0); /* fewer than the preset's minibatches */
    assert_int_equal(ppo_settings_apply(&s, "/ppo", NULL, &o, &preset, &prompt_tokens, &err), -1);
    assert_string_equal(err.pointer, "/ppo/minibatches");
    assert_int_equal(read_text("{\"lora_targets\":[\"c_attn\"]}", &s), 0); /* the preset has no adapters */
    assert_int_equal(ppo_settings_apply(&s, "/ppo", NULL, &o, &preset, &prompt_tokens, &err), -1);
    assert_string_equal(err.pointer, "/ppo/lora_targets");
}

/* The official preset has adapters, as published; what is given changes them, and rank 0 takes them away. */
static void adapters_come_from_the_preset_too(void **state)
{
    (void)state;
    struct ppo_options o;
    int prompt_tokens;
    apply("{\"preset\":\"maxmin-official\"}", &o, &prompt_tokens);
    assert_true(o.lora.rank == 16 && o.lora.alpha == 32 && !o.lora.targets[0]);
    apply("{\"preset\":\"maxmin-official\",\"lora_targets\":[\"v_proj\"]}", &o, &prompt_tokens);
    assert_true(o.lora.rank == 16 && strcmp(o.lora.targets, "v_proj") == 0);
    apply("{\"preset\":\"maxmin-official\",\"lora_rank\":0}", &o, &prompt_tokens);
    assert_true(o.lora.rank == 0 && o.lora.alpha == 0);
    apply("{\"lora_rank\":4}", &o, &prompt_tokens);
    assert_true(o.lora.rank == 4 && o.lora.alpha == 0); /* twice the rank, when they are made */
    struct lora_options how = lora_chosen(&o.lora, LM_LLAMA, 0, 1);
    assert_true(how.alpha == 8 && strcmp(how.targets, "q_proj,k_proj,v_proj,o_proj") == 0);
}

/* Each name of the table is a module of one family. */
static void every_target_has_a_matrix(void **state)
{
    (void)state;
    struct lm_shape shape = {.vocabulary = 10, .context = 8, .layers = 2, .width = 8, .heads = 2, .kv_heads = 2,
                             .head_width = 4, .hidden = 16, .norm_eps = 1e-5, .rope_theta = 100};
    for (int i = 0; lora_settings_targets[i]; i++) {
        int met = 0;
        for (int family = LM_GPT2; family <= LM_LLAMA; family++) {
            struct lora_options how = {.targets = lora_settings_targets[i], .rank = 1, .alpha = 1};
            shape.family = (enum lm_family)family;
            struct lm_adapters *plan = lora_plan(&shape, &how, &err);
            met += plan != NULL;
            lora_free(plan);
        }
        assert_int_equal(met, 1);
    }
    struct ppo_options o;
    int prompt_tokens;
    shape.family = LM_GPT2;
    apply("{\"lora_rank\":4,\"lora_targets\":[\"v_proj\"]}", &o, &prompt_tokens);
    assert_int_equal(ppo_settings_check_shape(&o, &shape, "/ppo", &err), -1);
    assert_string_equal(err.pointer, "/ppo/lora_targets");
    apply("{\"lora_rank\":4,\"frozen_blocks\":2}", &o, &prompt_tokens);
    assert_int_equal(ppo_settings_check_shape(&o, &shape, "/ppo", &err), -1);
    assert_string_equal(err.pointer, "/ppo/frozen_blocks");
    apply("{\"frozen_blocks\":2}", &o, &prompt_tokens);
    assert_int_equal(ppo_settings_check_shape(&o, &shape, "/ppo", &err), 0);
    apply("{\"frozen_blocks\":3}", &o, &prompt_tokens);
    assert_int_equal(ppo_settings_check_shape(&o, &shape, "/ppo", &err), -1);
}

/* The text becomes the model's token; null takes the preset's away; what is no single token is refused. */
static void finds_the_cut_token(void **state)
{
    (void)state;
    struct tokenizer *t = byte_level("a b");
    struct ppo_settings s;
    struct ppo_options o;
    const struct ppo_preset *preset;
    int prompt_tokens;
    assert_int_equal(read_text("{\"preset\":\"ziegler-sentiment\"}", &s), 0);
    assert_int_equal(ppo_settings_apply(&s, "", t, &o, &preset, &prompt_tokens, &err), 0);
    assert_int_equal(o.cut_token, tokenizer_find(t, "."));
    assert_int_equal(o.cut_from, 16);
    assert_int_equal(read_text("{\"preset\":\"ziegler-sentiment\",\"cut_text\":null}", &s), 0);
    assert_int_equal(ppo_settings_apply(&s, "", t, &o, &preset, &prompt_tokens, &err), 0);
    assert_int_equal(o.cut_token, -1);
    assert_int_equal(read_text("{\"cut_text\":\"ab\"}", &s), 0);
    assert_int_equal(ppo_settings_apply(&s, "", t, &o, &preset, &prompt_tokens, &err), 0);
    assert_int_equal(o.cut_token, tokenizer_find(t, "ab"));
    assert_int_equal(read_text("{\"cut_text\":\"abc\"}", &s), 0);
    assert_int_equal(ppo_settings_apply(&s, "/ppo", t, &o, &preset, &prompt_tokens, &err), -1);
    assert_string_equal(err.pointer, "/ppo/cut_text");
    tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_know_the_same_names), cmocka_unit_test(a_preset_arrives_whole),
        cmocka_unit_test(every_member_arrives),           cmocka_unit_test(refuses_with_a_pointer),
        cmocka_unit_test(finds_the_cut_token),            cmocka_unit_test(adapters_come_from_the_preset_too),
        cmocka_unit_test(every_target_has_a_matrix),
    };
    int failed = cmocka_run_group_tests_name("ppo_options", tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
