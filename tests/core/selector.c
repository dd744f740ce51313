/* selector: choices among candidates under a model made by hand. */
#include "unit/test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "core/reward/features.h"
#include "core/reward/model.h"
#include "core/selector.h"

static struct err e;

enum { BUCKETS = 16, DIMENSION = FEATURES_TEXT + BUCKETS, CANDIDATES = 4 };

static const struct str PROMPT = {"Why?", 4};
static const struct str RESPONSES[CANDIDATES] = {
    {"Yes.", 4},
    {"It is so because light of short waves is scattered more than that of long ones.", 79},
    {"Light is scattered by the air.", 30},
    {"Nobody knows why, and it would take long to say what is known.", 62},
};

/* Two groups who want the opposite in every feature, and a single reward that is the first group's. */
static struct scorer *opposed(enum encoder encoder)
{
    float scale[DIMENSION], heads[2 * DIMENSION], pooled[DIMENSION];
    for (int j = 0; j < DIMENSION; j++) {
        scale[j] = 1;
        heads[j] = pooled[j] = (float)(j % 3) - 0.7f;
        heads[DIMENSION + j] = -heads[j];
    }
    struct model m = {.encoder = encoder, .buckets = BUCKETS, .dimension = DIMENSION, .groups = 2, .scale = scale,
                      .heads = heads, .pooled = pooled};
    struct buf bytes = {0};
    struct scorer *s = NULL;
    model_write(&m, &bytes);
    assert_int_equal(scorer_open(bytes.data, bytes.length, &s, &e), 0);
    buf_free(&bytes);
    return s;
}

static void choose(const struct scorer *s, const struct selector_options *o, struct arena *arena, struct selection *ret)
{
    if (selector_choose(s, o, PROMPT, CANDIDATES, RESPONSES, arena, ret, &e) < 0)
        fail_msg("%s %s", e.pointer, e.message);
}

static void test_one_best(void **state)
{
    (void)state;
    struct scorer *s = opposed(ENCODER_HASHED);
    for (int anchor = ANCHOR_CENTRED; anchor <= ANCHOR_WIN; anchor++) {
        struct arena arena = {0};
        struct selector_options o;
        struct selection got;
        selector_options_default(OBJECTIVE_SINGLE, (enum anchor)anchor, 2, &o);
        choose(s, &o, &arena, &got);
        for (int i = 0; i < CANDIDATES; i++)
            assert_true(got.score[3 * got.choice + 2] >= got.score[3 * i + 2]);
        assert_int_equal(got.worst_off, 1); /* what the single reward likes best the second group likes least */

        /* maxmin: nobody's favourite, but the least extreme one. */
        selector_options_default(OBJECTIVE_MAXMIN, (enum anchor)anchor, 2, &o);
        choose(s, &o, &arena, &got);
        for (int i = 0; i < CANDIDATES; i++)
            assert_true(fmin(got.score[3 * got.choice], got.score[3 * got.choice + 1]) >=
                        fmin(got.score[3 * i], got.score[3 * i + 1]));
        assert_null(got.probability);

        /* A group that is too small has no say: its opponent's favourite is taken. */
        o.objective.size[1] = 0;
        o.objective.least_size = 1;
        choose(s, &o, &arena, &got);
        for (int i = 0; i < CANDIDATES; i++)
            assert_true(got.score[3 * got.choice] >= got.score[3 * i]);
        assert_int_equal(got.worst_off, 0);
        arena_free(&arena);
    }
    scorer_free(s);
}

static void test_distribution(void **state)
{
    (void)state;
    struct scorer *s = opposed(ENCODER_HASHED);
    for (int mode = 0; mode < OBJECTIVE_MODES; mode++) {
        struct arena arena = {0};
        struct selector_options o;
        struct selection got, again;
        double sum = 0;
        bool drawn[CANDIDATES] = {false};
        selector_options_default((enum objective_mode)mode, ANCHOR_CENTRED, 2, &o);
        o.beta = 0.5;
        choose(s, &o, &arena, &got);
        choose(s, &o, &arena, &again);
        assert_int_equal(got.choice, again.choice);
        assert_true(got.gap <= 1e-6);
        for (int i = 0; i < CANDIDATES; i++)
            sum += got.probability[i];
        assert_true(fabs(sum - 1) < 1e-12);
        if (mode == OBJECTIVE_MAXMIN) /* opposed groups: nothing is gained for both by leaving the uniform one */
            for (int i = 0; i < CANDIDATES; i++)
                assert_true(fabs(got.probability[i] - 0.25) < 1e-4);
        for (o.seed = 0; o.seed < 50 && mode == OBJECTIVE_MAXMIN; o.seed++) {
            choose(s, &o, &arena, &again);
            drawn[again.choice] = true;
        }
        if (mode == OBJECTIVE_MAXMIN)
            assert_true(drawn[0] && drawn[1] && drawn[2] && drawn[3]);
        arena_free(&arena);
    }
    scorer_free(s);
}

static void test_refusals(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct selection got;
    struct selector_options o;
    struct scorer *s = opposed(ENCODER_HASHED), *dense = opposed(ENCODER_DENSE);
    selector_options_default(OBJECTIVE_MAXMIN, ANCHOR_CENTRED, 2, &o);
    o.beta = 1e-5;
    assert_int_equal(selector_choose(s, &o, PROMPT, 2, RESPONSES, &arena, &got, &e), -1);
    assert_string_equal(e.pointer, "/beta");
    o.beta = 0;
    assert_int_equal(selector_choose(dense, &o, PROMPT, 2, RESPONSES, &arena, &got, &e), -1);
    assert_int_equal(e.code, ERR_INVALID_VALUE);
    o.objective.least_size = 100;
    assert_int_equal(selector_choose(s, &o, PROMPT, 2, RESPONSES, &arena, &got, &e), -1);
    assert_int_equal(e.code, ERR_INSUFFICIENT_DATA);
    arena_free(&arena);
    scorer_free(s);
    scorer_free(dense);
}

/* Two equal responses: nobody prefers any, and the first is taken. */
static void test_equal_responses(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct selection got;
    struct selector_options o;
    struct scorer *s = opposed(ENCODER_HASHED);
    const struct str same[2] = {RESPONSES[1], RESPONSES[1]};
    selector_options_default(OBJECTIVE_MAXMIN, ANCHOR_CENTRED, 2, &o);
    assert_int_equal(selector_choose(s, &o, PROMPT, 2, same, &arena, &got, &e), 0);
    assert_int_equal(got.choice, 0);
    assert_true(got.score[0] == 0 && got.score[1] == 0);
    arena_free(&arena);
    scorer_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_best),
        cmocka_unit_test(test_distribution),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_equal_responses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
