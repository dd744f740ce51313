/* objective: the weights of each mode against numbers worked out by hand, and what a state and options promise. */
#include "unit/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/align/objective.h"

static struct err e;

/* Two groups and the pooled score, four episodes. With beta 0.5 the penalties are 0.1, 0.2, 0.3, 0.4:
 * F_0 = (1.0 + 2.0 + 0.0 + 1.0) / 4 - 0.25 = 0.75;  F_1 = (-1.0 + 0.5 + 1.0 - 2.5) / 4 - 0.25 = -0.75. */
static const double SCORES[4][3] = {{1, -1, 0.9}, {2, 0.5, 1.8}, {0, 1, 0.1}, {1, -2.5, 0.8}};
static const double KL[4] = {0.2, 0.4, 0.6, 0.8};
static const double BETA = 0.5;

static void updated(const struct objective_options *o, struct objective_state *s)
{
    assert_int_equal(objective_check(o, &e), 0);
    objective_start(o, s);
    assert_int_equal(objective_update(o, s, 4, &SCORES[0][0], KL, BETA, &e), 0);
}

static void near(double value, double expected)
{
    if (fabs(value - expected) > 1e-12)
        fail_msg("%.15g instead of %.15g", value, expected);
}

static void test_utilities(void **state)
{
    (void)state;
    struct objective_options o;
    struct objective_state s;
    objective_options_default(OBJECTIVE_MAXMIN, 2, &o);
    updated(&o, &s);
    near(s.utility[0], 0.75);
    near(s.utility[1], -0.75);
    /* Group 0 less penalties: 0.9, 1.8, -0.3, 0.6; squared distances to 0.75: .0225 + 1.1025 + 1.1025 + .0225. */
    near(s.error[0], sqrt(2.25 / 3 / 4));
    /* Group 1: -1.1, 0.3, 0.7, -2.9; to -0.75: .1225 + 1.1025 + 2.1025 + 4.6225. */
    near(s.error[1], sqrt(7.95 / 3 / 4));
    assert_int_equal(s.chosen, 1);
    near(s.minimum, -0.75);
    assert_int_equal(s.best_update, 1);
}

static void test_single(void **state)
{
    (void)state;
    struct objective_options o;
    struct objective_state s;
    double reward[4];
    objective_options_default(OBJECTIVE_SINGLE, 2, &o);
    updated(&o, &s);
    objective_rewards(&o, &s, 4, &SCORES[0][0], reward);
    for (int i = 0; i < 4; i++)
        near(reward[i], SCORES[i][2]);
    assert_true(isnan(objective_welfare(&o, s.utility)));
}

static void test_average(void **state)
{
    (void)state;
    struct objective_options o;
    struct objective_state s;
    double reward[4];
    objective_options_default(OBJECTIVE_AVERAGE, 2, &o);
    o.eta[0] = 3; /* 3:1 */
    updated(&o, &s);
    near(s.weight[0], 0.75);
    near(s.weight[1], 0.25);
    objective_rewards(&o, &s, 4, &SCORES[0][0], reward);
    near(reward[0], 0.5);    /* .75 x 1 - .25 x 1 */
    near(reward[3], 0.125);  /* .75 x 1 - .25 x 2.5 */
    near(objective_welfare(&o, s.utility), 0.75 * 0.75 - 0.25 * 0.75);
}

static void test_nash_and_alpha(void **state)
{
    (void)state;
    struct objective_options o;
    struct objective_state s;
    objective_options_default(OBJECTIVE_NASH, 2, &o);
    updated(&o, &s); /* v = 1.75 and 0.25 */
    near(s.weight[0], (1 / 1.75) / (1 / 1.75 + 4));
    near(s.weight[1], 4 / (1 / 1.75 + 4));
    near(objective_welfare(&o, s.utility), (log(1.75) + log(0.25)) / 2);

    o.mode = OBJECTIVE_ALPHA;
    o.alpha = 2;
    updated(&o, &s);
    near(s.weight[0], 1 / (1 + 49.0)); /* v^-2: .3265 against 16 */
    near(objective_welfare(&o, s.utility), -(1 / 1.75 + 4) / 2);

    o.alpha = 0;
    updated(&o, &s);
    near(s.weight[0], 0.5);

    o.alpha = 100; /* nearly max-min, and nothing overflows */
    updated(&o, &s);
    assert_true(s.weight[1] > 1 - 1e-12);

    /* Below the margin v counts as the margin: F_1 = -0.75 with disagreement -0.5 gives v_1 = -0.25 -> 0.05. */
    o.mode = OBJECTIVE_NASH;
    o.disagreement = -0.5;
    updated(&o, &s);
    near(s.weight[0], (1 / 1.25) / (1 / 1.25 + 20));
    near(objective_welfare(&o, s.utility), (log(1.25) + log(0.05) - 0.3 / 0.05) / 2);
}

/* The weights of average, nash and alpha are the gradient of the welfare, scaled to sum 1. */
static void test_gradient_of_welfare(void **state)
{
    (void)state;
    static const enum objective_mode modes[] = {OBJECTIVE_AVERAGE, OBJECTIVE_NASH, OBJECTIVE_ALPHA};
    const double utilities[3] = {0.4, -0.98, -0.3}, step = 1e-6; /* the second is below the margin */
    for (size_t m = 0; m < 3; m++) {
        struct objective_options o;
        struct objective_state s;
        double slope[3], sum = 0;
        objective_options_default(modes[m], 3, &o);
        o.eta[1] = 2;
        objective_start(&o, &s);
        assert_int_equal(objective_update_exact(&o, &s, utilities, &e), 0);
        for (int u = 0; u < 3; u++) {
            double up[3], down[3];
            memcpy(up, utilities, sizeof up);
            memcpy(down, utilities, sizeof down);
            up[u] += step;
            down[u] -= step;
            slope[u] = (objective_welfare(&o, up) - objective_welfare(&o, down)) / (2 * step);
            sum += slope[u];
        }
        for (int u = 0; u < 3; u++)
            assert_true(fabs(slope[u] / sum - s.weight[u]) < 1e-6);
    }
}

static void test_maxmin(void **state)
{
    (void)state;
    struct objective_options o;
    struct objective_state s;
    objective_options_default(OBJECTIVE_MAXMIN, 2, &o);
    updated(&o, &s); /* w ~ e^-.375, e^.375 */
    near(s.weight[0], 1 / (1 + exp(0.75)));
    near(s.weight[0] + s.weight[1], 1);
    near(objective_welfare(&o, s.utility), -0.75);

    /* The second update starts from there; the mean of two equal batches is the batch. */
    assert_int_equal(objective_update(&o, &s, 4, &SCORES[0][0], KL, BETA, &e), 0);
    near(s.weight[0], 1 / (1 + exp(1.5)));

    o.floor = 0.3;
    updated(&o, &s);
    assert_int_equal(objective_update(&o, &s, 4, &SCORES[0][0], KL, BETA, &e), 0);
    near(s.weight[0], 0.3);
    near(s.weight[1], 0.7);
}

static void test_smoothing(void **state)
{
    (void)state;
    struct objective_options o;
    struct objective_state s;
    objective_options_default(OBJECTIVE_MAXMIN, 1, &o);
    o.ema = 0.75;
    objective_start(&o, &s);
    const double utilities[5] = {4, 0, 2, 6, 8};
    const double means[5] = {4, 2, 2, 3, 4.25}; /* plain means of the first four, then 3/4 and 1/4 */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(objective_update_exact(&o, &s, &utilities[i], &e), 0);
        near(s.utility[0], means[i]);
        near(s.batch[0], utilities[i]);
    }
    near(s.best_minimum, 4.25);
    assert_int_equal(s.best_update, 5);
}

static void test_maxmin_argmin(void **state)
{
    (void)state;
    struct objective_options o;
    struct objective_state s;
    objective_options_default(OBJECTIVE_MAXMIN_ARGMIN, 2, &o);
    updated(&o, &s);
    near(s.weight[0], 0);
    near(s.weight[1], 1);
    assert_int_equal(objective_update_exact(&o, &s, (double[2]){-1, 5}, &e), 0); /* chosen again, no smoothing */
    assert_int_equal(s.chosen, 0);
    near(s.weight[0], 1);
}

static void test_min_per_sample(void **state)
{
    (void)state;
    struct objective_options o;
    struct objective_state s;
    double reward[4];
    const double least[4] = {-1, 0.5, 0, -2.5};
    objective_options_default(OBJECTIVE_MIN_PER_SAMPLE, 2, &o);
    updated(&o, &s);
    near(s.weight[0], 0.25);
    near(s.weight[1], 0.75);
    objective_rewards(&o, &s, 4, &SCORES[0][0], reward);
    for (int i = 0; i < 4; i++)
        near(reward[i], least[i]);
}

static void test_regret(void **state)
{
    (void)state;
    struct objective_options o;
    struct objective_state s;
    objective_options_default(OBJECTIVE_REGRET, 2, &o);
    o.best[0] = 2.75;
    o.best[1] = -0.5;
    updated(&o, &s); /* surplus -2 and -0.25: group 0 is worst off, though its utility is the greater */
    assert_int_equal(s.chosen, 0);
    near(s.minimum, -2);
    near(s.weight[0], 1 / (1 + exp(-0.5 * 1.75)));
}

static void test_small_groups_take_no_part(void **state)
{
    (void)state;
    const double utilities[3] = {1, -5, 0};
    for (int mode = OBJECTIVE_MAXMIN; mode < OBJECTIVE_MODES; mode++) {
        struct objective_options o;
        struct objective_state s;
        objective_options_default((enum objective_mode)mode, 3, &o);
        o.size[0] = 40;
        o.size[1] = 1.5;
        o.size[2] = 8;
        o.least_size = 2;
        o.floor = 0.05;
        objective_start(&o, &s);
        near(s.weight[0], 0.5);
        assert_int_equal(objective_update_exact(&o, &s, utilities, &e), 0);
        assert_int_equal(s.chosen, 2);
        near(s.weight[1], 0);
        double scores[4] = {3, -9, 1, 0}, reward;
        objective_rewards(&o, &s, 1, scores, &reward);
        assert_true(reward >= 1);
        o.least_size = 50;
        assert_int_equal(objective_check(&o, &e), -1);
        assert_int_equal(e.code, ERR_INSUFFICIENT_DATA);
    }
}

/* A state is plain data: what is restored goes on bit for bit. */
static void test_state_is_plain(void **state)
{
    (void)state;
    struct objective_options o;
    struct objective_state s, restored;
    unsigned char stored[sizeof s];
    objective_options_default(OBJECTIVE_MAXMIN, 2, &o);
    updated(&o, &s);
    memcpy(stored, &s, sizeof s);
    assert_int_equal(objective_update(&o, &s, 3, &SCORES[0][0], KL, BETA, &e), 0);
    memcpy(&restored, stored, sizeof s);
    assert_int_equal(objective_update(&o, &restored, 3, &SCORES[0][0], KL, BETA, &e), 0);
    assert_memory_equal(&s, &restored, sizeof s);

    restored = s;
    assert_int_equal(objective_update_exact(&o, &s, (double[2]){NAN, 1}, &e), -1);
    assert_int_equal(e.code, ERR_NUMERICAL);
    assert_memory_equal(&s, &restored, sizeof s);
}

static void refused(const struct objective_options *o, const char *pointer)
{
    assert_int_equal(objective_check(o, &e), -1);
    assert_int_equal(e.code, ERR_INVALID_VALUE);
    assert_string_equal(e.pointer, pointer);
}

static void test_options(void **state)
{
    (void)state;
    struct objective_options good, o;
    objective_options_default(OBJECTIVE_MAXMIN, 4, &good);
    assert_int_equal(objective_check(&good, &e), 0);
#define REFUSED(member, value, pointer) (o = good, o.member = (value), refused(&o, pointer))
    REFUSED(groups, 17, "/groups");
    REFUSED(mode, OBJECTIVE_MODES, "/mode");
    REFUSED(alpha, -1, "/alpha");
    REFUSED(step, 0, "/step");
    REFUSED(step, NAN, "/step");
    REFUSED(ema, 1, "/ema");
    REFUSED(floor, 0.25, "/floor");
    REFUSED(margin, 0, "/margin");
    REFUSED(disagreement, INFINITY, "/disagreement");
    REFUSED(eta[2], -0.5, "/eta/2");
    REFUSED(size[3], NAN, "/size/3");
    REFUSED(best[1], INFINITY, "/best/1");
    o = good;
    memset(o.eta, 0, sizeof o.eta);
    refused(&o, "/eta");
#undef REFUSED
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < OBJECTIVE_MODES; i++)
        assert_int_equal(objective_of(objective_name((enum objective_mode)i)), i);
    assert_int_equal(objective_of("maxmin"), OBJECTIVE_MAXMIN);
    assert_int_equal(objective_of("max-min"), -1);
    assert_null(objective_names[OBJECTIVE_MODES]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utilities),
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_average),
        cmocka_unit_test(test_nash_and_alpha),
        cmocka_unit_test(test_gradient_of_welfare),
        cmocka_unit_test(test_maxmin),
        cmocka_unit_test(test_smoothing),
        cmocka_unit_test(test_maxmin_argmin),
        cmocka_unit_test(test_min_per_sample),
        cmocka_unit_test(test_regret),
        cmocka_unit_test(test_small_groups_take_no_part),
        cmocka_unit_test(test_state_is_plain),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
