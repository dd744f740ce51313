/* The options of training jobs say what the engine says: names in the engine's order, and which orders are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/align/group_rewards.h"
#include "core/align/objective.h"
#include "core/reward/fit.h"
#include "formats/fit_options.h"
#include "formats/ppo_job_options.h"
#include "formats/sft_options.h"
#include "jobs/reward_settings.h"

static void names_are_those_of_the_engine(void **state)
{
    (void)state;
    int n = 0;
    for (; ppo_job_objectives[n]; n++)
        assert_string_equal(ppo_job_objectives[n], objective_name((enum objective_mode)n));
    assert_int_equal(n, OBJECTIVE_MODES);
    for (n = 0; ppo_job_anchors[n]; n++)
        assert_int_equal(anchor_of(ppo_job_anchors[n]), n);
    assert_int_equal(n, 2);
}

/* The code that an order for two groups of 8 and `small` annotators is refused with. */
static enum err_code refusal(const char *options, bool one_suffices, int groups, double small)
{
    struct ppo_job_settings s;
    struct arena arena = {0};
    struct err err = {0};
    char text[400];
    double sizes[2] = {8, small};
    snprintf(text, sizeof text, "{\"name\":\"n\",\"policy\":\"p\"%s}", options);
    if (ppo_job_settings_read(text, strlen(text), &s, &arena, &err) == 0)
        ppo_job_check_groups(&s, one_suffices, groups, sizes, "", &err);
    arena_free(&arena);
    return err.code;
}

static void a_minimum_needs_groups(void **state)
{
    (void)state;
    assert_int_equal(refusal("", false, 2, 3), ERR_OK);
    assert_int_equal(refusal("", false, 2, 1.5), ERR_INSUFFICIENT_DATA);
    assert_int_equal(refusal("", true, 1, 0), ERR_CONFLICT);
    assert_int_equal(refusal(",\"objective\":\"maxmin_argmin\"", true, 1, 0), ERR_CONFLICT);
    assert_int_equal(refusal(",\"ppo\":{\"preset\":\"maxmin-official\"}", true, 1, 0), ERR_CONFLICT);
    assert_int_equal(refusal(",\"min_group_size\":1", false, 2, 1.5), ERR_OK);
    assert_int_equal(refusal(",\"force\":true", false, 2, 1.5), ERR_OK);
    assert_int_equal(refusal(",\"force\":true", true, 1, 0), ERR_OK);
    assert_int_equal(refusal(",\"objective\":\"single\"", true, 1, 0), ERR_OK);
    assert_int_equal(refusal(",\"objective\":\"nash\"", false, 2, 0.1), ERR_OK);
    assert_int_equal(refusal(",\"objective\":\"regret\",\"best_utilities\":[1,2,3]", false, 2, 3), ERR_INVALID_VALUE);
    assert_int_equal(refusal(",\"objective\":\"regret\",\"best_utilities\":[1,2]", false, 2, 3), ERR_OK);
    assert_int_equal(refusal(",\"objective\":\"regret\"", false, 2, 3), ERR_INVALID_VALUE);
    assert_int_equal(refusal(",\"alpha\":1", false, 2, 3), ERR_INVALID_VALUE);
}

/* The code and the pointer that the order of an sft job from a policy is refused with. */
static enum err_code sft_refusal(const char *options, char pointer[128])
{
    struct sft_settings s;
    struct arena arena = {0};
    struct err err = {0};
    char text[400];
    snprintf(text, sizeof text, "{\"name\":\"n\",\"data\":\"preferred\",%s}", options);
    sft_settings_read(text, strlen(text), &s, &arena, &err);
    arena_free(&arena);
    snprintf(pointer, 128, "%s", err.pointer);
    return err.code;
}

static void adapters_need_a_rank_and_a_policy(void **state)
{
    (void)state;
    char at[128];
    assert_int_equal(sft_refusal("\"policy\":\"p\",\"lora_rank\":8,\"lora_targets\":[\"c_attn\"],"
                                 "\"frozen_blocks\":2", at), ERR_OK);
    assert_int_equal(sft_refusal("\"policy\":\"p\",\"lora_alpha\":8", at), ERR_INVALID_VALUE);
    assert_string_equal(at, "/lora_alpha");
    assert_int_equal(sft_refusal("\"policy\":\"p\",\"lora_mapped\":false", at), ERR_INVALID_VALUE);
    assert_string_equal(at, "/lora_mapped");
    assert_int_equal(sft_refusal("\"new\":{\"layers\":1,\"width\":32},\"lora_rank\":8", at), ERR_INVALID_VALUE);
    assert_string_equal(at, "/lora_rank");
}

/* ---- rebase and reward ---- */

/* The options after `{"name":"n","policy":"p"`, and how they were refused. */
static enum err_code read_reward(const struct json_shape *shape, const char *more, struct reward_settings *ret,
                                 char pointer[64])
{
    struct arena arena = {0};
    struct err err = {0};
    char text[600];
    snprintf(text, sizeof text, "{\"name\":\"n\",\"policy\":\"p\"%s}", more);
    reward_settings_read(text, strlen(text), shape, ret, &arena, &err);
    arena_free(&arena); /* nothing of these options is in it */
    snprintf(pointer, 64, "%.63s", err.pointer);
    return err.code;
}

static void the_two_kinds_share_what_they_share(void **state)
{
    (void)state;
    static const struct json_shape *const shapes[] = {&rebase_settings_shape, &reward_settings_shape};
    struct reward_settings s;
    char pointer[64];
    for (int i = 0; i < REWARD_OWN; i++) { /* one bit means one member, whoever reads it */
        assert_string_equal(rebase_settings_shape.fields[i].name, reward_settings_shape.fields[i].name);
        assert_int_equal(rebase_settings_shape.fields[i].offset, reward_settings_shape.fields[i].offset);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(read_reward(shapes[i], ",\"epochs\":2,\"held_out\":0,\"seed\":7", &s, pointer), ERR_OK);
        assert_true(s.epochs == 2 && json_given(&s.seen, REWARD_HELD_OUT) && s.seed == 7);
        assert_false(json_given(&s.seen, REWARD_RATE));
        assert_int_equal(read_reward(shapes[i], ",\"learning_rate\":1", &s, pointer), ERR_INVALID_VALUE);
        assert_string_equal(pointer, "/learning_rate");
        assert_int_equal(read_reward(shapes[i], ",\"checkpoint_every\":5", &s, pointer), ERR_OK);
        assert_true(json_given(&s.seen, REWARD_CHECKPOINT_EVERY) && s.checkpoint_every == 5);
    }
    assert_int_equal(read_reward(shapes[0], ",\"iterations\":5", &s, pointer), ERR_UNKNOWN_MEMBER);
    assert_int_equal(read_reward(shapes[1], ",\"iterations\":5,\"assignment\":\"hard\",\"start\":\"round_robin\"",
                                 &s, pointer), ERR_OK);
    assert_true(json_given(&s.seen, REWARD_ITERATIONS) && s.iterations == 5 && s.start == REWARD_FROM_ROUND_ROBIN);
    assert_int_equal(assignment_of(fit_settings_assignments[s.assignment]), ASSIGNMENT_HARD);
    assert_int_equal(read_reward(shapes[1], ",\"iterations\":0", &s, pointer), ERR_INVALID_VALUE);
    assert_int_equal(read_reward(shapes[1], "", &s, pointer), ERR_OK);
    assert_int_equal(assignment_of(fit_settings_assignments[s.assignment]), ASSIGNMENT_SOFT);
    assert_int_equal(s.start, REWARD_FROM_FIT);
}

static void what_is_not_given_keeps_its_default(void **state)
{
    (void)state;
    struct reward_settings s;
    char pointer[64];
    struct reward_options usual = reward_options_default((struct gemm){NULL, NULL});
    assert_int_equal(read_reward(&reward_settings_shape, "", &s, pointer), ERR_OK);
    struct reward_options o = reward_settings_apply(&s, (struct gemm){NULL, NULL}, 512);
    assert_true(o.epochs == usual.epochs && o.batch_tokens == usual.batch_tokens && o.rate == usual.rate);
    assert_true(o.warm_up == usual.warm_up && o.weight_decay == usual.weight_decay && o.centring == usual.centring);
    assert_true(o.seed == usual.seed && o.frozen == 0 && !o.recompute);
    assert_true(reward_settings_held_out(&s) == 0.1);
    assert_int_equal(reward_settings_longest(&s, 4096), 1024);
    assert_int_equal(reward_settings_longest(&s, 64), 64);
    assert_int_equal(read_reward(&reward_settings_shape,
                                 ",\"epochs\":3,\"batch_tokens\":16,\"learning_rate\":0.25,\"warm_up\":0.5,"
                                 "\"weight_decay\":2,\"centring\":0,\"held_out\":0,\"frozen_blocks\":1,"
                                 "\"recompute\":true,\"seed\":0,\"longest\":40",
                                 &s, pointer), ERR_OK);
    o = reward_settings_apply(&s, (struct gemm){NULL, NULL}, 40);
    assert_true(o.epochs == 3 && o.rate == 0.25 && o.warm_up == 0.5 && o.weight_decay == 2 && o.centring == 0);
    assert_true(o.frozen == 1 && o.recompute && o.seed == 0);
    assert_int_equal(o.batch_tokens, 80); /* both sequences of a pair must fit */
    assert_true(reward_settings_held_out(&s) == 0);
    assert_int_equal(reward_settings_longest(&s, 64), 40);
}

static void reward_models_are_those_of_the_fit(void **state)
{
    (void)state;
    struct ppo_job_settings s = {.rewards = STR_LITERAL("rm"), .fit = {.bytes = {1}}};
    struct uuid same = s.fit, other = {.bytes = {2}};
    struct err err = {0};
    assert_int_equal(ppo_job_check_rewards(&s, &same, &err), 0);
    assert_int_equal(ppo_job_check_rewards(&s, &other, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_the_engine),
        cmocka_unit_test(a_minimum_needs_groups),
        cmocka_unit_test(adapters_need_a_rank_and_a_policy),
        cmocka_unit_test(the_two_kinds_share_what_they_share),
        cmocka_unit_test(what_is_not_given_keeps_its_default),
        cmocka_unit_test(reward_models_are_those_of_the_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
