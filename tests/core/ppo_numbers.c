/* The numbers of PPO beside closed forms and hand-computed values: advantages, whitening, beta, rewards of tokens,
 * running scales, both losses and their gradients, and the table of metrics. */
#include "unit/test.h"

#include <math.h>
#include <string.h>

#include <jansson.h>

#include "base/rng.h"
#include "core/align/ppo_advantages.h"
#include "core/align/ppo_losses.h"
#include "core/align/ppo_metrics.h"

enum { LENGTH = 9 };

static void fill(struct rng *r, int n, float *x)
{
    for (int i = 0; i < n; i++)
        x[i] = (float)rng_normal(r);
}

/* With lambda 1 and gamma 1 an advantage is the sum of the rewards to come less the value; with lambda 0 it is delta;
 * in between sum_l (gamma lambda)^l delta_(t+l). The value behind the last token is 0. */
static void estimates_advantages(void **state)
{
    (void)state;
    struct rng r;
    float rewards[LENGTH], values[LENGTH], advantages[LENGTH], returns[LENGTH];
    static const double settings[][2] = {{1, 1}, {1, 0}, {1, 0.95}, {0.9, 0.5}};
    rng_init(&r, 1, 0);
    fill(&r, LENGTH, rewards);
    fill(&r, LENGTH, values);
    for (size_t s = 0; s < sizeof settings / sizeof settings[0]; s++) {
        double gamma = settings[s][0], lambda = settings[s][1];
        ppo_advantages(LENGTH, gamma, lambda, rewards, values, advantages, returns);
        for (int t = 0; t < LENGTH; t++) {
            double want = 0, to_come = 0;
            for (int l = t; l < LENGTH; l++) {
                double next = l + 1 < LENGTH ? values[l + 1] : 0;
                want += pow(gamma * lambda, l - t) * (rewards[l] + gamma * next - values[l]);
                to_come += rewards[l];
            }
            assert_true(fabs(advantages[t] - want) < 1e-5);
            assert_true(fabs(returns[t] - (want + values[t])) < 1e-5);
            assert_true(s != 0 || fabs(want - (to_come - values[t])) < 1e-5);
        }
    }
    float alone[1] = {2}, value[1] = {0.5f};
    ppo_advantages(1, 1, 0.95, alone, value, advantages, returns);
    assert_true(advantages[0] == 1.5f && returns[0] == 2);
}

static void rewards_each_token(void **state)
{
    (void)state;
    static const float logp[3] = {-1, -2, -3}, reference[3] = {-1.5f, -2, -2};
    float rewards[3];
    double kl = ppo_token_rewards(3, logp, reference, 0.5, 4, rewards);
    assert_true(kl == -0.5);
    assert_true(rewards[0] == -0.25f && rewards[1] == 0 && rewards[2] == 4.5f); /* the score on the last token only */
}

static void whitens(void **state)
{
    (void)state;
    struct rng r;
    float x[50], y[50];
    rng_init(&r, 2, 0);
    fill(&r, 50, x);
    for (int i = 0; i < 50; i++)
        x[i] = 3 * x[i] + 7;
    memcpy(y, x, sizeof x);
    struct ppo_moments before = ppo_moments_of(50, x);
    ppo_whiten(50, x, false);
    ppo_whiten(50, y, true);
    struct ppo_moments after = ppo_moments_of(50, x), kept = ppo_moments_of(50, y);
    assert_true(fabs(after.mean) < 1e-6 && fabs(after.variance - 1) < 1e-5);
    assert_true(fabs(kept.mean - before.mean) < 1e-5 && fabs(kept.variance - 1) < 1e-5);
    float same[3] = {2, 2, 2}; /* no spread: eps keeps it finite */
    ppo_whiten(3, same, false);
    assert_true(same[0] == 0 && same[2] == 0);
    float two[2] = {0, 2}; /* biased variance 1 */
    ppo_whiten(2, two, false);
    assert_true(fabsf(two[0] + 1) < 1e-6f && fabsf(two[1] - 1) < 1e-6f);
}

/* By hand: target 6, horizon 10,000, 512 episodes. */
static void adapts_beta(void **state)
{
    (void)state;
    assert_true(fabs(ppo_adapt_beta(0.15, 6, 6, 10000, 512) - 0.15) < 1e-15);
    assert_true(fabs(ppo_adapt_beta(0.15, 6.6, 6, 10000, 512) - 0.15 * (1 + 0.1 * 0.0512)) < 1e-15);
    assert_true(fabs(ppo_adapt_beta(0.15, 60, 6, 10000, 512) - 0.15 * (1 + 0.2 * 0.0512)) < 1e-15); /* clipped */
    assert_true(fabs(ppo_adapt_beta(0.15, 0, 6, 10000, 512) - 0.15 * (1 - 0.2 * 0.0512)) < 1e-15);
    assert_true(ppo_adapt_beta(0.15, 0, 6, 10, 512) == 0); /* never negative */
}

static void keeps_running_moments(void **state)
{
    (void)state;
    static const double scores[7] = {1, 2, 4, 8, -3, 5, 0};
    struct ppo_running parts = {0}, whole = {0};
    double mean = 0, variance = 0;
    assert_true(ppo_running_deviation(&parts) == 0);
    ppo_running_add(&parts, 3, scores);
    ppo_running_add(&parts, 4, scores + 3);
    ppo_running_add(&whole, 7, scores);
    for (int i = 0; i < 7; i++)
        mean += scores[i] / 7;
    for (int i = 0; i < 7; i++)
        variance += (scores[i] - mean) * (scores[i] - mean) / 7;
    assert_true(fabs(parts.mean - mean) < 1e-12 && fabs(whole.mean - mean) < 1e-12);
    assert_true(fabs(ppo_running_deviation(&parts) - sqrt(variance)) < 1e-12);
    assert_true(fabs(ppo_running_deviation(&whole) - sqrt(variance)) < 1e-12);
}

/* The gradient beside finite differences away from the kinks, 0 where a clip acts. */
static void clips_the_policy_loss(void **state)
{
    (void)state;
    static const double ratios[] = {0.5, 0.79, 0.9, 1, 1.1, 1.21, 2};
    const double h = 1e-6, old = -2;
    for (size_t i = 0; i < sizeof ratios / sizeof ratios[0]; i++)
        for (int sign = -1; sign <= 1; sign += 2) {
            double advantage = 1.5 * sign, logp = old + log(ratios[i]);
            struct ppo_loss l = ppo_policy_loss(logp, old, advantage, 0.2);
            double clipped = fmax(0.8, fmin(1.2, ratios[i]));
            assert_true(fabs(l.loss - fmax(-advantage * ratios[i], -advantage * clipped)) < 1e-12);
            assert_true(fabs(l.ratio - ratios[i]) < 1e-12);
            bool acts = sign > 0 ? ratios[i] > 1.2 : ratios[i] < 0.8;
            assert_int_equal(l.clipped, acts);
            double slope = (ppo_policy_loss(logp + h, old, advantage, 0.2).loss -
                            ppo_policy_loss(logp - h, old, advantage, 0.2).loss) / (2 * h);
            assert_true(fabs(l.gradient - slope) < 1e-6);
        }
    struct ppo_loss far = ppo_policy_loss(50, 0, -1, 0.2); /* the log-ratio is kept within +-20 */
    assert_true(fabs(far.ratio / exp(20) - 1) < 1e-12 && far.gradient == 0 && isfinite(far.loss));
    assert_true(isnan(ppo_policy_loss(NAN, 0, 1, 0.2).gradient)); /* and a NaN is seen */
}

static void clips_the_value_loss(void **state)
{
    (void)state;
    const double h = 1e-6, old = 1;
    for (double value = 0.55; value < 1.5; value += 0.1)
        for (double target = 0.12; target < 2; target += 0.35) {
            struct ppo_loss l = ppo_value_loss(value, old, target, 0.2);
            double kept = fmax(0.8, fmin(1.2, value));
            double want = 0.5 * fmax((value - target) * (value - target), (kept - target) * (kept - target));
            double slope = (ppo_value_loss(value + h, old, target, 0.2).loss -
                            ppo_value_loss(value - h, old, target, 0.2).loss) / (2 * h);
            assert_true(fabs(l.loss - want) < 1e-12);
            assert_true(fabs(l.gradient - slope) < 1e-5);
        }
}

static void names_every_figure_once(void **state)
{
    (void)state;
    struct ppo_metrics m = {.update = 3, .kl = 6.25, .entropy = NAN, .steps = 16, .groups = 2,
                            .group_scores = {0.5, -0.5, 0.25}, .group_weights = {0.75, 0.25}};
    struct buf text = {0};
    ppo_metrics_write(&text, &m);
    assert_false(text.failed);
    json_t *root = json_loads(text.data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_int_equal(json_object_size(root), ppo_metrics_count + 3 + 2);
    assert_int_equal(json_number_value(json_object_get(root, "update")), 3);
    assert_int_equal(json_number_value(json_object_get(root, "steps")), 16);
    assert_true(json_number_value(json_object_get(root, "objective/kl")) == 6.25);
    assert_true(json_is_null(json_object_get(root, "objective/entropy"))); /* not finite */
    assert_true(json_number_value(json_object_get(root, "scores/g1")) == -0.5);
    assert_true(json_number_value(json_object_get(root, "scores/pooled")) == 0.25);
    assert_true(json_number_value(json_object_get(root, "weight/g0")) == 0.75);
    json_decref(root);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(estimates_advantages),  cmocka_unit_test(rewards_each_token),
        cmocka_unit_test(whitens),               cmocka_unit_test(adapts_beta),
        cmocka_unit_test(keeps_running_moments), cmocka_unit_test(clips_the_policy_loss),
        cmocka_unit_test(clips_the_value_loss),  cmocka_unit_test(names_every_figure_once),
    };
    return cmocka_run_group_tests_name("ppo_numbers", tests, NULL, NULL);
}
