/* held_out: lots of annotators are uniform, lasting and nested. */
#include "unit/test.h"

#include <math.h>
#include <string.h>

#include "jobs/held_out.h"

static struct uuid numbered(int i)
{
    struct uuid id = {{0}};
    memcpy(id.bytes, &i, sizeof i);
    return id;
}

static void lots_are_uniform(void **state)
{
    (void)state;
    enum { N = 20000 };
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        struct uuid id = numbered(i);
        double lot = held_out_lot(&id);
        assert_true(lot >= 0 && lot < 1);
        sum += lot / N;
        squares += lot * lot / N;
    }
    assert_true(fabs(sum - 0.5) < 0.01 && fabs(squares - 1.0 / 3) < 0.01);
}

static void who_is_held_out_stays_so(void **state)
{
    (void)state;
    for (int i = 0; i < 500; i++) {
        struct uuid id = numbered(i);
        bool out = held_out_is_in(&id, 0.3, ANNOTATORS_HELD_OUT);
        assert_true(out != held_out_is_in(&id, 0.3, ANNOTATORS_TRAIN));
        assert_true(!out || held_out_is_in(&id, 0.5, ANNOTATORS_HELD_OUT));
        assert_true(held_out_is_in(&id, 0, ANNOTATORS_TRAIN));
    }
    struct uuid one = numbered(1); /* a digest that must not change between versions */
    assert_true(fabs(held_out_lot(&one) - 0.151635711) < 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lots_are_uniform), cmocka_unit_test(who_is_held_out_stays_so)};
    return cmocka_run_group_tests_name("held_out", tests, NULL, NULL);
}
