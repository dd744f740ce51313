/* PPO from end to end on a model of two blocks and thirty tokens: it learns to write a rewarded token, and of two
 * groups that want different ones maxmin serves both alike where the pooled reward serves the larger. */
#include "unit/test.h"

#include "core/ppo_support.h"

enum { UPDATES = 40 };

/* Mean scores of both groups over the last quarter of a run, and the objective's mean score of the first update. */
static double train(enum objective_mode mode, double ret[2])
{
    struct ppo_fixture f;
    struct ppo_metrics m;
    double first = 0;
    ppo_fixture_make(&f, mode);
    f.options.updates = UPDATES;
    f.options.episodes = f.options.slots = 64;
    f.options.temperature = 1;
    f.options.fixed_length = true;
    f.options.rate = 3e-3;
    f.options.beta = 0.02;
    struct ppo *p = ppo_open(&f);
    ret[0] = ret[1] = 0;
    for (int i = 0; i < UPDATES; i++) {
        must_update(p, &m);
        first = i == 0 ? m.scores : first;
        for (int g = 0; g < 2; g++)
            ret[g] += i >= UPDATES * 3 / 4 ? m.group_scores[g] / (UPDATES / 4) : 0;
    }
    assert_true(m.kl > 1 && m.explained > 0.1); /* it has moved, and the value head knows what to expect */
    ppo_free(p);
    lm_model_free(f.model);
    return first;
}

static void learns_a_rewarded_token(void **state)
{
    (void)state;
    double scores[2], first = train(OBJECTIVE_SINGLE, scores);
    assert_true(first < 0.1);
    assert_true(scores[0] > 0.7);  /* what the larger group wants */
    assert_true(scores[1] < 0.05); /* and nothing else: the pooled reward forgets the smaller one */
}

static void serves_both_groups(void **state)
{
    (void)state;
    double scores[2];
    train(OBJECTIVE_MAXMIN, scores);
    assert_true(fmin(scores[0], scores[1]) > 0.25);
    assert_true(fabs(scores[0] - scores[1]) < 0.2);
}

static int start(void **state)
{
    struct err err;
    (void)state;
    return blas_start(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_a_rewarded_token),
        cmocka_unit_test(serves_both_groups),
    };
    return cmocka_run_group_tests_name("ppo_learning", tests, start, NULL);
}
