/* lab: the experiments on policies, with few repeats: what they show is within target for these seeds too, and the same
 * each time. */
#include "unit/test.h"

#include <math.h>
#include <string.h>

#include "core/blas.h"
#include "core/interval.h"
#include "core/lab/lab.h"
#include "core/lab/ratios.h"

static struct err e;

static void run(const char *id, int repeats, struct lab_result *ret)
{
    if (lab_run(id, 1, repeats, 1, NULL, ret, &e) < 0)
        fail_msg("%s: %s", id, e.message);
}

static double figure(const struct lab_result *r, const char *name)
{
    for (int i = 0; i < r->figures; i++)
        if (strcmp(r->figure[i].name, name) == 0)
            return r->figure[i].value;
    fail_msg("no figure '%s'", name);
    return NAN;
}

static void test_policies_are_within_target(void **state)
{
    (void)state;
    static const char *const ids[] = {"T5", "T6", "T7", "T9"};
    for (size_t i = 0; i < 4; i++) {
        struct lab_result once, again;
        run(ids[i], 2, &once);
        run(ids[i], 2, &again);
        assert_true(once.within);
        assert_int_equal(once.figures, again.figures);
        for (int f = 0; f < once.figures; f++)
            assert_true(once.figure[f].value == again.figure[f].value);
    }
}

/* The controls: what the targets forbid does happen without what they are about. */
static void test_without_the_method_it_fails(void **state)
{
    (void)state;
    struct lab_result r;
    run("T7", 1, &r);
    assert_true(figure(&r, "times 5: points moved, not anchored") > 5);
    assert_true(figure(&r, "plus 3: points moved, not anchored") > 5);
    run("T6", 1, &r);
    assert_true(figure(&r, "gap of maxmin_argmin, the same episodes") > 0.02);
    assert_true(figure(&r, "gap of min_per_sample") > 0.02);
    run("T5", 1, &r);
    assert_true(figure(&r, "single at equal KL, minority") < 0.5);
}

static void test_ratios(void **state)
{
    (void)state;
    struct ratio_row rows[RATIOS];
    assert_int_equal(ratios_run(1, 2, 1, NULL, rows, &e), 0);
    for (int r = 0; r < RATIOS; r++) {
        assert_int_equal(rows[r].annotators[0] + rows[r].annotators[1], 110);
        for (int u = 0; u < 2; u++)
            assert_true(rows[r].maxmin[u].value > 0.65 && rows[r].maxmin[u].low < rows[r].maxmin[u].value);
        assert_true(r == 0 || rows[r].single[1].value < rows[r - 1].single[1].value);
    }
    assert_true(rows[3].single[1].value < 0.5 && rows[3].single[0].value > 0.85);
    assert_int_equal(ratios_run(1, 0, 1, NULL, rows, &e), -1);
    assert_int_equal(e.code, ERR_INVALID_VALUE);
}

/* 1, 2, 3: mean 2, standard error 1 / sqrt(3), t = 4.3027 for two degrees of freedom. */
static void test_mean(void **state)
{
    (void)state;
    struct mean m = mean_of(3, (double[3]){1, 2, 3});
    assert_true(m.n == 3 && m.value == 2 && fabs(m.high - (2 + 4.3027 / sqrt(3))) < 1e-12);
    assert_true(fabs(m.low + m.high - 4) < 1e-12);
    m = mean_of(1, (double[1]){5});
    assert_true(m.value == 5 && isinf(m.low) && isinf(m.high));
    double many[200];
    for (int i = 0; i < 200; i++)
        many[i] = i % 2;
    m = mean_of(200, many);
    assert_true(fabs(m.high - 0.5 - 1.972 * sqrt(0.25 / 199)) < 1e-4);
}

static void test_unknown(void **state)
{
    (void)state;
    struct lab_result r;
    assert_int_equal(lab_run("T99", 1, 1, 1, NULL, &r, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static int start(void **state)
{
    (void)state;
    return blas_start(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policies_are_within_target),
        cmocka_unit_test(test_without_the_method_it_fails),
        cmocka_unit_test(test_ratios),
        cmocka_unit_test(test_mean),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
