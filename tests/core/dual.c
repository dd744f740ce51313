/* dual: the exact optimum on finite candidates against closed forms, finite differences and random search. */
#include "unit/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "core/align/dual.h"

static struct err e;

enum { PROMPTS = 7, EACH = 5, ALL = PROMPTS * EACH, GROUPS = 5 };

/* PROMPTS x EACH candidates with normal rewards of k groups, and a reference that is not uniform. */
struct made {
    int start[PROMPTS + 1];
    double reference[ALL], reward[ALL * (GROUPS + 1)];
    struct candidates c;
};

static void make(struct made *m, int k, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed, 0);
    for (int i = 0; i <= PROMPTS; i++)
        m->start[i] = i * EACH;
    for (int i = 0; i < PROMPTS; i++) {
        double sum = 0;
        for (int y = 0; y < EACH; y++)
            sum += m->reference[i * EACH + y] = 0.2 + rng_uniform(&r);
        for (int y = 0; y < EACH; y++)
            m->reference[i * EACH + y] /= sum;
    }
    for (int i = 0; i < ALL * (k + 1); i++)
        m->reward[i] = rng_normal(&r);
    m->c = (struct candidates){PROMPTS, k, m->start, m->reference, m->reward};
}

static void near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.15g instead of %.15g", value, expected);
}

static void test_gradient_and_hessian(void **state)
{
    (void)state;
    for (int k = 1; k <= GROUPS; k++) {
        struct made m;
        double policy[ALL], scratch[ALL], w[GROUPS], gradient[GROUPS], hessian[GROUPS * GROUPS];
        const double beta = 0.4, h = 1e-5;
        make(&m, k, (uint64_t)k);
        for (int u = 0; u < k; u++)
            w[u] = (u + 1.0) / (k * (k + 1) / 2.0);
        dual_value(&m.c, beta, w, gradient, hessian, policy, scratch);
        for (int u = 0; u < k; u++) {
            double up[GROUPS], down[GROUPS], gradient_up[GROUPS], gradient_down[GROUPS];
            memcpy(up, w, sizeof up);
            memcpy(down, w, sizeof down);
            up[u] += h;
            down[u] -= h;
            double above = dual_value(&m.c, beta, up, gradient_up, NULL, policy, scratch);
            double below = dual_value(&m.c, beta, down, gradient_down, NULL, policy, scratch);
            near(gradient[u], (above - below) / (2 * h), 1e-8);
            for (int v = 0; v < k; v++)
                near(hessian[u * k + v], (gradient_up[v] - gradient_down[v]) / (2 * h), 1e-7);
        }
    }
}

static void test_gap(void **state)
{
    (void)state;
    static const double betas[] = {0.02, 0.1, 0.5, 5};
    for (int k = 1; k <= GROUPS; k++) {
        for (int b = 0; b < 4 * 20; b++) {
            struct made m;
            struct objective_options o;
            struct dual_solution s;
            double policy[ALL], sum = 0;
            make(&m, k, (uint64_t)(100 * k + b));
            objective_options_default(OBJECTIVE_MAXMIN, k, &o);
            assert_int_equal(dual_solve(&m.c, &o, betas[b % 4], 1e-10, &s, policy, &e), 0);
            assert_true(s.gap >= 0 && s.gap <= 1e-8);
            for (int u = 0; u < k; u++) {
                assert_true(s.weight[u] >= 0 && s.utility[u] >= s.welfare - 1e-12);
                sum += s.weight[u];
            }
            near(sum, 1, 1e-12);
            /* Complementary slackness: whoever is better off than the least has no weight. */
            for (int u = 0; u < k; u++)
                assert_true(s.weight[u] * (s.utility[u] - s.welfare) < 1e-8);
        }
    }
}

/* No other policy is better: random perturbations of the optimum, and the optima of random weights. */
static void test_nothing_is_better(void **state)
{
    (void)state;
    static const enum objective_mode modes[] = {OBJECTIVE_MAXMIN, OBJECTIVE_REGRET, OBJECTIVE_NASH, OBJECTIVE_ALPHA,
                                                OBJECTIVE_AVERAGE};
    struct made m;
    struct rng r;
    const double beta = 0.5;
    make(&m, 3, 7);
    rng_init(&r, 8, 0);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct objective_options o;
        struct dual_solution s;
        double policy[ALL], other[ALL], scratch[ALL];
        objective_options_default(modes[i], 3, &o);
        o.eta[0] = 4;
        assert_int_equal(dual_best(&m.c, beta, o.best, &e), 0);
        assert_int_equal(dual_solve(&m.c, &o, beta, 1e-9, &s, policy, &e), 0);
        assert_true(s.gap <= 1e-8);
        for (int trial = 0; trial < 200; trial++) {
            double means[4], kl, utility[3], w[3];
            for (int u = 0; u < 3; u++)
                w[u] = s.weight[u] * (trial % 2 ? 1 : 0.9) + 0.1 * rng_uniform(&r);
            dual_value(&m.c, beta, w, NULL, NULL, other, scratch);
            candidates_expect(&m.c, other, means, &kl);
            for (int u = 0; u < 3; u++)
                utility[u] = means[u] - beta * kl;
            assert_true(objective_welfare(&o, utility) <= s.welfare + s.gap + 1e-12);
        }
    }
}

/* One prompt, two candidates under a uniform reference, r_1 = (1, 0), r_2 = (0, c). At an inner optimum p = c (1 - p),
 * and the log-odds of p are (w - (1 - w) c) / beta. */
static void test_two_groups_closed_form(void **state)
{
    (void)state;
    static const double cs[] = {1, 2, 0.5};
    const int start[2] = {0, 2};
    const double beta = 0.3;
    for (size_t i = 0; i < 3; i++) {
        double c = cs[i], p = c / (1 + c), policy[2];
        double reward[6] = {1, 0, 0, 0, c, 0};
        struct candidates set = {1, 2, start, NULL, reward};
        struct objective_options o;
        struct dual_solution s;
        objective_options_default(OBJECTIVE_MAXMIN, 2, &o);
        assert_int_equal(dual_solve(&set, &o, beta, 1e-12, &s, policy, &e), 0);
        assert_true(s.gap <= 1e-11);
        near(s.weight[0], (c + beta * log(c)) / (1 + c), 1e-9);
        near(policy[0], p, 1e-9);
        near(s.kl, p * log(2 * p) + (1 - p) * log(2 * (1 - p)), 1e-9);
        near(s.welfare, p - beta * s.kl, 1e-10);
    }
}

/* A group that is worse off by one everywhere gets all the weight: the optimum is its own. */
static void test_corner(void **state)
{
    (void)state;
    struct made m;
    struct objective_options o;
    struct dual_solution s;
    double best[2];
    make(&m, 2, 9);
    for (int y = 0; y < ALL; y++)
        m.reward[3 * y + 1] = m.reward[3 * y] + 1;
    objective_options_default(OBJECTIVE_MAXMIN, 2, &o);
    assert_int_equal(dual_solve(&m.c, &o, 0.5, 1e-10, &s, NULL, &e), 0);
    assert_int_equal(dual_best(&m.c, 0.5, best, &e), 0);
    assert_true(s.gap <= 1e-8);
    near(s.weight[0], 1, 1e-8);
    near(s.welfare, best[0], 1e-8);
    near(s.utility[1], s.utility[0] + 1, 1e-12);
}

static void test_degenerate(void **state)
{
    (void)state;
    struct made m;
    struct objective_options o;
    struct dual_solution s;
    const int start[2] = {0, 1};
    double reward[4] = {0.3, -0.2, 0.9, 0}, policy[ALL];

    struct candidates one = {1, 3, start, NULL, reward}; /* a single candidate: nothing to choose */
    for (int mode = 0; mode < OBJECTIVE_MODES; mode++) {
        objective_options_default((enum objective_mode)mode, 3, &o);
        assert_int_equal(dual_solve(&one, &o, 0.5, 1e-10, &s, policy, &e), 0);
        near(policy[0], 1, 0);
        near(s.kl, 0, 0);
        near(s.utility[1], -0.2, 1e-15);
        assert_true(s.gap <= 1e-8);
    }

    make(&m, 4, 10); /* groups that want the same */
    for (int y = 0; y < ALL; y++)
        for (int u = 1; u < 4; u++)
            m.reward[5 * y + u] = m.reward[5 * y];
    objective_options_default(OBJECTIVE_MAXMIN, 4, &o);
    assert_int_equal(dual_solve(&m.c, &o, 0.5, 1e-10, &s, policy, &e), 0);
    assert_true(s.gap <= 1e-12);

    for (int y = 0; y < ALL; y++) /* two groups opposed, two indifferent: nothing is gained by leaving the reference */
        for (int u = 0; u < 4; u++)
            m.reward[5 * y + u] = u == 0 ? m.reward[5 * y] : u == 1 ? -m.reward[5 * y] : 0;
    candidates_anchor_centred(&m.c);
    assert_int_equal(dual_solve(&m.c, &o, 0.5, 1e-10, &s, policy, &e), 0);
    assert_true(s.gap <= 1e-8);
    near(s.welfare, 0, 1e-8);
    near(s.kl, 0, 1e-6);

    make(&m, 2, 11);
    m.reward[0] = NAN;
    objective_options_default(OBJECTIVE_MAXMIN, 2, &o);
    assert_int_equal(dual_solve(&m.c, &o, 0.5, 1e-10, &s, policy, &e), -1);
    assert_int_equal(e.code, ERR_NUMERICAL);
}

/* Nash with eta equal on a symmetric problem is max-min; alpha large tends to it, alpha 0 is the average. */
static void test_fair_limits(void **state)
{
    (void)state;
    struct made m;
    struct objective_options o;
    struct dual_solution maxmin, fair, average;
    make(&m, 2, 12);
    objective_options_default(OBJECTIVE_MAXMIN, 2, &o);
    o.eta[0] = 3;
    assert_int_equal(dual_solve(&m.c, &o, 1, 1e-10, &maxmin, NULL, &e), 0);
    o.mode = OBJECTIVE_ALPHA;
    o.alpha = 100;
    assert_int_equal(dual_solve(&m.c, &o, 1, 1e-6, &fair, NULL, &e), 0);
    for (int u = 0; u < 2; u++)
        near(fair.utility[u], maxmin.utility[u], 0.01);
    o.alpha = 0;
    assert_int_equal(dual_solve(&m.c, &o, 1, 1e-9, &fair, NULL, &e), 0);
    o.mode = OBJECTIVE_AVERAGE;
    assert_int_equal(dual_solve(&m.c, &o, 1, 1e-9, &average, NULL, &e), 0);
    for (int u = 0; u < 2; u++)
        near(fair.utility[u], average.utility[u], 1e-9);
}

static void test_small_group_has_no_say(void **state)
{
    (void)state;
    struct made m;
    struct objective_options o;
    struct dual_solution s;
    double best[3];
    make(&m, 3, 13);
    objective_options_default(OBJECTIVE_MAXMIN, 3, &o);
    o.size[0] = 9;
    o.least_size = 5;
    assert_int_equal(dual_solve(&m.c, &o, 0.5, 1e-10, &s, NULL, &e), 0);
    assert_int_equal(dual_best(&m.c, 0.5, best, &e), 0);
    near(s.weight[0], 1, 0);
    near(s.utility[0], best[0], 1e-12);
}

/* Two candidates whose rewards differ by d: centred by the uniform reference they are +1 and -1; as win probabilities
 * (1/2 + sigma(d)) / 2 and its complement. */
static void test_anchors(void **state)
{
    (void)state;
    const int start[3] = {0, 2, 4};
    double reward[8] = {7, 1, 4, 1, -2, 5, -4, 5}, scratch[2];
    struct candidates c = {2, 1, start, NULL, reward};
    candidates_anchor_centred(&c); /* 7, 4 and -2, -4: variances 2.25 and 1, mean 1.625 */
    near(reward[0], 1.5 / sqrt(1.625), 1e-12);
    near(reward[2], -1.5 / sqrt(1.625), 1e-12);
    near(reward[6], -1 / sqrt(1.625), 1e-12);
    near(reward[1], 0, 0); /* the single reward does not vary */
    double raw[8] = {7, 1, 4, 1, -2, 5, -4, 5};
    c.reward = raw;
    candidates_anchor_win(&c, scratch);
    near(raw[0], (0.5 + 1 / (1 + exp(-3))) / 2, 1e-12);
    near(raw[0] + raw[2], 1, 1e-12);
    near(raw[1], 0.5, 1e-12);
}

static void test_win_rate(void **state)
{
    (void)state;
    const int start[2] = {0, 3};
    double reward[6] = {1, 0, 2, 0, 2, 0};
    const double policy[3] = {0.5, 0.3, 0.2};
    struct candidates c = {1, 1, start, NULL, reward};
    near(candidates_win_rate(&c, 0, policy), 0.5 / 6 + 0.5 * (1 + 0.5 + 0.5) / 3, 1e-12);
    near(candidates_win_rate(&c, 1, policy), 0.5, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient_and_hessian),
        cmocka_unit_test(test_gap),
        cmocka_unit_test(test_nothing_is_better),
        cmocka_unit_test(test_two_groups_closed_form),
        cmocka_unit_test(test_corner),
        cmocka_unit_test(test_degenerate),
        cmocka_unit_test(test_fair_limits),
        cmocka_unit_test(test_small_group_has_no_say),
        cmocka_unit_test(test_anchors),
        cmocka_unit_test(test_win_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
