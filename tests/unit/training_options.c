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
#include "formats/ppo_job_options.h"
#include "formats/sft_options.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_the_engine),
        cmocka_unit_test(a_minimum_needs_groups),
        cmocka_unit_test(adapters_need_a_rank_and_a_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
