/* evaluate: win rates, their intervals, the bootstrap over annotators, and the matching of a judge's groups. */
#include "unit/test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "core/align/evaluate.h"
#include "core/align/judge.h"
#include "core/blas.h"
#include "core/reward/assignment.h"
#include "core/reward/bootstrap.h"
#include "core/scorer.h"

static struct err e;

static void rates_count_ties_as_half(void **state)
{
    (void)state;
    const double a[] = {1, 0, 2, 0, 3, 0, 4, 5}, b[] = {0, 1, 2, 1, 3, 1, 9, 1}; /* [4 pairs][2 columns] */
    struct win_rate r[2];
    evaluate_rates(4, 1, 2, a, b, r);
    assert_true(r[0].n == 4 && r[0].wins == 1 && r[0].ties == 2);
    assert_true(fabs(r[0].rate.value - 0.5) < 1e-12);
    assert_true(r[1].wins == 1 && r[1].ties == 0 && fabs(r[1].rate.value - 0.25) < 1e-12);
    struct proportion same = proportion_of(1, 4);
    assert_true(r[1].rate.low == same.low && r[1].rate.high == same.high && isnan(r[1].low));
}

/* ---- several pairs of one prompt ---- */

enum { SAMPLES = 4, PROMPTS_MOST = 4000 };

/* The rate of pairs whose first response wins by `win`[prompts x SAMPLES]. */
static struct win_rate rate_by(int prompts, const double *win)
{
    static const double nothing[PROMPTS_MOST * SAMPLES];
    struct win_rate r;
    evaluate_rates(prompts, SAMPLES, 1, win, nothing, &r);
    return r;
}

/* Each prompt is won with a probability of its own: half of them with `low`, half with `high`. */
static void draw_wins(struct rng *r, int prompts, double low, double high, double *win)
{
    for (int i = 0; i < prompts; i++) {
        double own = rng_uniform(r) < 0.5 ? low : high;
        for (int s = 0; s < SAMPLES; s++)
            win[i * SAMPLES + s] = rng_uniform(r) < own ? 1 : -1;
    }
}

static void pairs_that_agree_are_worth_their_prompts(void **state)
{
    (void)state;
    double win[10 * SAMPLES];
    for (int i = 0; i < 10 * SAMPLES; i++)
        win[i] = i / SAMPLES < 6 ? 1 : i / SAMPLES == 6 ? 0 : -1;
    struct win_rate r = rate_by(10, win);
    struct proportion ten = proportion_of(6.5, 10);
    assert_true(r.n == 40 && r.wins == 24 && r.ties == 4 && r.rate.n == 40 && r.rate.effective == 10);
    assert_true(fabs(r.rate.value - 0.65) < 1e-12);
    assert_true(fabs(r.rate.low - ten.low) < 1e-12 && fabs(r.rate.high - ten.high) < 1e-12);
    for (int i = 0; i < 10 * SAMPLES; i++)
        win[i] = 1; /* nothing tells how alike they are: the careful answer */
    assert_true(rate_by(10, win).rate.effective == 10 && rate_by(10, win).rate.value == 1);
    assert_true(rate_by(1, win).rate.effective == 1);
    evaluate_rates(40, 1, 1, win, (const double[40]){0}, &r);
    assert_true(r.rate.effective == 40);
    for (int i = 0; i < 10 * SAMPLES; i++)
        win[i] = i % 2 ? 1 : -1; /* more even than chance: no more than there are */
    assert_true(rate_by(10, win).rate.effective == 40);
    assert_true(rate_by(0, win).n == 0 && rate_by(0, win).rate.low == 0 && rate_by(0, win).rate.high == 1);
}

static void independent_pairs_are_worth_themselves(void **state)
{
    (void)state;
    static double win[PROMPTS_MOST * SAMPLES];
    struct rng r;
    rng_init(&r, 3, 0);
    draw_wins(&r, PROMPTS_MOST, 0.7, 0.7, win);
    assert_true(rate_by(PROMPTS_MOST, win).rate.effective > 0.95 * PROMPTS_MOST * SAMPLES);
    draw_wins(&r, PROMPTS_MOST, 0.2, 0.8, win); /* rho = 0.09 / 0.25, design effect 1 + 3 rho = 2.08 */
    double effective = rate_by(PROMPTS_MOST, win).rate.effective;
    assert_true(fabs(PROMPTS_MOST * SAMPLES / effective - 2.08) < 0.1);
}

/* The interval holds the true rate as often as it says; one that takes the pairs as independent does not. */
static void intervals_cover(void **state)
{
    (void)state;
    enum { TRIALS = 2000, PROMPTS = 60 };
    double win[PROMPTS * SAMPLES];
    int covered = 0, naive = 0;
    struct rng r;
    rng_init(&r, 5, 0);
    for (int t = 0; t < TRIALS; t++) {
        draw_wins(&r, PROMPTS, 0.1, 0.9, win);
        struct win_rate w = rate_by(PROMPTS, win);
        struct proportion independent = proportion_of(w.wins, w.n);
        covered += w.rate.low <= 0.5 && 0.5 <= w.rate.high;
        naive += independent.low <= 0.5 && 0.5 <= independent.high;
    }
    assert_true(covered > 0.93 * TRIALS && covered < 0.975 * TRIALS);
    assert_true(naive < 0.8 * TRIALS);
}

/* People who judge 1 to 12 times, each with a liking of their own: `low` or `high`. */
static struct clustered people(struct rng *r, int count, double low, double high)
{
    struct clustered all = {0};
    for (int h = 0; h < count; h++) {
        double own = rng_uniform(r) < 0.5 ? low : high;
        int n = 1 + (int)rng_below(r, 12), wins = 0;
        for (int i = 0; i < n; i++)
            wins += rng_uniform(r) < own;
        clustered_add(&all, wins, 0, n);
    }
    return all;
}

static void people_may_judge_any_number_of_times(void **state)
{
    (void)state;
    enum { TRIALS = 2000, PEOPLE = 60 };
    struct clustered agreeing = {0};
    struct rng r;
    int covered = 0, naive = 0;
    clustered_add(&agreeing, 9, 0, 9);
    clustered_add(&agreeing, 0, 0, 0); /* nobody */
    assert_true(clustered_trials(&agreeing) == 1);
    clustered_add(&agreeing, 0, 0, 1);
    clustered_add(&agreeing, 0, 2, 2);
    assert_true(fabs(clustered_trials(&agreeing) - 144.0 / 86) < 1e-12); /* 12^2 over 81 + 1 + 4 */
    struct proportion p = clustered_proportion(&agreeing);
    assert_true(fabs(p.value - 10.0 / 12) < 1e-12 && p.low < 0.35 && p.high <= 1);
    assert_true(clustered_proportion(&(struct clustered){0}).high == 1);
    rng_init(&r, 6, 0);
    for (int t = 0; t < TRIALS; t++) {
        struct clustered all = people(&r, PEOPLE, 0.1, 0.9);
        struct proportion fit = clustered_proportion(&all), independent = proportion_of(all.sum, all.n);
        assert_true(fit.effective >= 1 && fit.effective <= all.n && fit.n == all.n);
        covered += fit.low <= 0.5 && 0.5 <= fit.high;
        naive += independent.low <= 0.5 && 0.5 <= independent.high;
    }
    assert_true(covered > 0.92 * TRIALS && covered < 0.975 * TRIALS);
    assert_true(naive < 0.75 * TRIALS);
    struct clustered alike = people(&r, 4000, 0.6, 0.6);
    assert_true(clustered_trials(&alike) > 0.93 * alike.n);
}

static struct win_rate rate_of(double value, int n)
{
    return (struct win_rate){.n = n, .rate = proportion_of(value * n, n)};
}

static void the_standing_names_the_worst_off(void **state)
{
    (void)state;
    const struct win_rate r[3] = {rate_of(0.75, 8), rate_of(0.25, 8), rate_of(0, 0)};
    const double weight[3] = {6, 2, 9};
    struct standing s = evaluate_standing(3, r, weight);
    assert_int_equal(s.worst, 1);
    assert_true(s.least == 0.25 && s.gap == 0.5 && fabs(s.mean - (6 * 0.75 + 2 * 0.25) / 8) < 1e-12);
    s = evaluate_standing(1, r + 2, weight);
    assert_true(s.worst == -1 && isnan(s.mean));
}

static void means_have_errors(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3, 6};
    struct mean_error m = evaluate_mean(4, x);
    assert_true(m.n == 4 && m.mean == 3 && fabs(m.error - sqrt(14.0 / 3 / 4)) < 1e-12);
    assert_true(isnan(evaluate_mean(1, x).error) && isnan(evaluate_mean(0, x).mean));
}

static void rates_at_a_divergence_lie_between(void **state)
{
    (void)state;
    const double kl[] = {9, 4}, rate[] = {0.9, 0.7};
    assert_true(fabs(evaluate_rate_at(2, kl, rate, 1) - 0.6) < 1e-12); /* half way to 4 in sqrt */
    assert_true(fabs(evaluate_rate_at(2, kl, rate, 6.25) - 0.8) < 1e-12);
    assert_true(evaluate_rate_at(2, kl, rate, 4) == 0.7 && evaluate_rate_at(2, kl, rate, 0) == 0.5);
    assert_true(isnan(evaluate_rate_at(2, kl, rate, 9.01)) && isnan(evaluate_rate_at(0, kl, rate, 1)));
}

/* Against every permutation of a table that is 4 x 4, the rest 0. */
static void the_assignment_is_the_best(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 4, 0);
    for (int trial = 0; trial < 50; trial++) {
        double gain[ASSIGNMENT_MAX][ASSIGNMENT_MAX] = {{0}}, best = -INFINITY, found = 0;
        int row_of[ASSIGNMENT_MAX];
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++)
                gain[i][j] = 1 + rng_uniform(&r);
        for (int code = 0; code < 256; code++) {
            int p[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
            if (p[0] != p[1] && p[0] != p[2] && p[0] != p[3] && p[1] != p[2] && p[1] != p[3] && p[2] != p[3])
                best = fmax(best, gain[p[0]][0] + gain[p[1]][1] + gain[p[2]][2] + gain[p[3]][3]);
        }
        assignment_best(gain, row_of);
        for (int j = 0; j < 4; j++)
            found += gain[row_of[j]][j];
        assert_true(fabs(found - best) < 1e-12);
    }
}

/* ---- matching ---- */

static void groups_are_matched_by_what_they_prefer(void **state)
{
    (void)state;
    enum { N = 300 };
    static double trained[N][3], judging[N][3], opposed[N][1];
    const double size[3] = {20, 5, 1.5};
    struct judge_match m;
    struct rng r;
    rng_init(&r, 8, 0);
    for (int i = 0; i < N; i++) {
        double x = rng_normal(&r), y = rng_normal(&r), z = rng_normal(&r);
        trained[i][0] = x;
        trained[i][1] = y;
        trained[i][2] = z;
        judging[i][0] = 3 * y + rng_normal(&r); /* the scale says nothing */
        judging[i][1] = 0.2 * x;
        judging[i][2] = z + rng_normal(&r);
        opposed[i][0] = -x;
    }
    judge_match(N, 3, trained[0], 3, judging[0], size, &m);
    assert_true(m.group[0] == 1 && m.group[1] == 0 && m.group[2] == -1);
    assert_true(m.lack[0] == JUDGE_FOUND && m.lack[2] == JUDGE_TOO_SMALL);
    assert_true(fabs(m.agreement[0] - 1) < 1e-12 && fabs(m.same_choice[0] - 1) < 1e-12);
    assert_true(m.agreement[1] > 0.9 && m.agreement[1] < 0.98 && m.same_choice[1] > 0.8);
    assert_true(fabs(m.runner_up[0]) < 0.2 && *judge_lack_sentence(m.lack[0]) == '\0');
    assert_true(*judge_lack_sentence(m.lack[2]) != '\0');
    judge_match(N, 3, trained[0], 1, opposed[0], size, &m);
    for (int u = 0; u < 3; u++)
        assert_true(m.group[u] == -1 && m.lack[u] == JUDGE_NONE_AGREES);
    judge_match(N, 3, trained[0], 0, opposed[0], size, &m);
    assert_true(m.group[1] == -1 && isnan(m.agreement[1]) && m.lack[1] == JUDGE_NONE_AGREES);
}

static void twins_are_told_apart_by_nobody(void **state)
{
    (void)state;
    double trained[4][1] = {{1}, {-2}, {3}, {1}}, judging[4][2] = {{1, 1}, {-2, -2}, {3, 3}, {1, 1.01}};
    const double size[2] = {5, 5};
    struct judge_match m;
    judge_match(4, 1, trained[0], 2, judging[0], size, &m);
    assert_true(m.group[0] == -1 && m.lack[0] == JUDGE_AMBIGUOUS);
}

/* ---- the bootstrap ---- */

enum { DIM = 5, K = 2, TEXTS = 120, PAIRS = 1000 };

/* Annotators of two known tastes, mixed, who judge pairs of random responses. */
static struct dataset *population(const double theta[K][DIM], int majority, int minority, int each, uint64_t seed)
{
    struct dataset *ds = dataset_new_dense(DIM, &e);
    struct rng r;
    float x[TEXTS][DIM];
    rng_init(&r, seed, 0);
    for (int i = 0; i < TEXTS; i++) {
        if (i % 2 == 0)
            assert_int_equal(dataset_add_item(ds, STR_LITERAL("prompt"), &e), i / 2);
        for (int j = 0; j < DIM; j++)
            x[i][j] = (float)rng_normal(&r);
        assert_int_equal(dataset_add_features(ds, i / 2, x[i], &e), i);
    }
    for (int h = 0; h < majority + minority; h++) {
        assert_int_equal(dataset_add_annotator(ds, &e), h);
        for (int n = 0; n < each; n++) {
            int a = 2 * (int)rng_below(&r, TEXTS / 2);
            double margin = 0;
            for (int j = 0; j < DIM; j++)
                margin += theta[h >= majority][j] * (x[a][j] - x[a + 1][j]);
            bool wins = rng_uniform(&r) < 1 / (1 + exp(-margin));
            struct comparison c = {h, a, a + 1, wins ? CHOICE_A : CHOICE_B, 0};
            assert_true(dataset_add_comparison(ds, &c, &e) >= 0);
        }
    }
    return ds;
}

static const double tastes[K][DIM] = {{2, 0, 0, 0, 0}, {-0.6, 1.9, 0, 0, 0}};

static struct fit *fit_of(const struct dataset *ds)
{
    struct fit_options o;
    struct fit *f;
    fit_options_default(&o);
    o.k = K;
    o.ridge = 1;
    o.restarts = 4;
    o.folds = 2;
    o.threads = 1;
    assert_int_equal(fit_run(ds, &o, &f, &e), 0);
    return f;
}

struct pairs {
    int prompt[PAIRS];
    float a[PAIRS][DIM], b[PAIRS][DIM];
};

/* A's responses are better by `lift` in the first feature, worse in the second: what the first taste likes. */
static struct evaluation_pairs draw_pairs(struct pairs *p, double lift, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed, 1);
    for (int i = 0; i < PAIRS; i++) {
        p->prompt[i] = i / 2;
        for (int j = 0; j < DIM; j++) {
            p->a[i][j] = (float)(rng_normal(&r) + (j == 0 ? lift : j == 1 ? -lift : 0));
            p->b[i][j] = (float)rng_normal(&r);
        }
    }
    return (struct evaluation_pairs){PAIRS, PAIRS / 2, p->prompt, DIM, p->a[0], p->b[0]};
}

static void judge_rates(const struct fit *f, const struct evaluation_pairs *p, struct win_rate ret[K + 1])
{
    static double a[PAIRS][K + 1], b[PAIRS][K + 1];
    struct buf bytes = {0};
    struct scorer *s;
    fit_save(f, &bytes);
    assert_int_equal(scorer_open(bytes.data, bytes.length, &s, &e), 0);
    for (int i = 0; i < p->n; i++) {
        scorer_score_features(s, p->a + (size_t)i * DIM, a[i]);
        scorer_score_features(s, p->b + (size_t)i * DIM, b[i]);
    }
    evaluate_rates(p->n, 1, K + 1, a[0], b[0], ret);
    scorer_free(s);
    buf_free(&bytes);
}

static void bootstrap_rates(const struct dataset *ds, const struct fit *f, const struct evaluation_pairs *p,
                            int replicates, int threads, struct win_rate ret[K + 1])
{
    struct bootstrap_options o = {.replicates = replicates, .seed = 3, .threads = threads};
    struct evaluation_bootstrap *b;
    assert_int_equal(evaluate_bootstrap_new(p, K + 1, replicates, 3, &b, &e), 0);
    assert_int_equal(bootstrap_fit(ds, f, &o, evaluate_bootstrap_take, b, &e), 0);
    judge_rates(f, p, ret);
    evaluate_intervals(b, ret);
    evaluate_bootstrap_free(b);
}

/* The intervals hold what the true tastes say of all prompts, about as often as they should, and Wilson's, which take
 * the judge's word, do not when the judge is of a handful of people. */
static void intervals_carry_the_judges_error(void **state)
{
    (void)state;
    enum { WORLDS = 24, REPLICATES = 60 };
    const double lift = 0.6;
    int held = 0, narrow = 0, wider = 0;
    for (int w = 0; w < WORLDS; w++) {
        static struct pairs storage;
        struct evaluation_pairs p = draw_pairs(&storage, lift, (uint64_t)w);
        struct dataset *ds = population(tastes, 8, 5, 12, 100 + (uint64_t)w);
        struct fit *f = fit_of(ds);
        struct win_rate r[K + 1];
        bootstrap_rates(ds, f, &p, REPLICATES, 1, r);
        for (int u = 0; u < K; u++) {
            double shift = lift * (tastes[u][0] - tastes[u][1]);
            double norm = sqrt(2 * (tastes[u][0] * tastes[u][0] + tastes[u][1] * tastes[u][1]));
            double truth = 0.5 * erfc(-shift / norm / sqrt(2)); /* margins are normal */
            int v = r[0].rate.value > r[1].rate.value ? u : 1 - u; /* the first taste likes A */
            held += truth >= r[v].low && truth <= r[v].high;
            narrow += truth >= r[v].rate.low && truth <= r[v].rate.high;
            wider += r[v].high - r[v].low > r[v].rate.high - r[v].rate.low;
        }
        fit_free(f);
        dataset_free(ds);
    }
    print_message("of %d: bootstrap %d, Wilson %d, wider %d\n", 2 * WORLDS, held, narrow, wider);
    assert_true(held >= 0.85 * 2 * WORLDS);
    assert_true(wider >= 0.85 * 2 * WORLDS && held > narrow);
}

static void threads_do_not_change_the_intervals(void **state)
{
    (void)state;
    static struct pairs storage;
    struct evaluation_pairs p = draw_pairs(&storage, 0.5, 1);
    struct dataset *ds = population(tastes, 12, 6, 20, 7);
    struct fit *f = fit_of(ds);
    struct win_rate one[K + 1], two[K + 1];
    bootstrap_rates(ds, f, &p, 20, 1, one);
    bootstrap_rates(ds, f, &p, 20, 2, two);
    for (int u = 0; u <= K; u++)
        assert_true(one[u].low == two[u].low && one[u].high == two[u].high && one[u].low <= one[u].high);
    fit_free(f);
    dataset_free(ds);
}

struct captured {
    int n;
    double first[K + 1][DIM];
};

static int capture(void *context, int replicate, const double *weights, struct err *err)
{
    struct captured *c = context;
    (void)err;
    assert_int_equal(replicate, c->n);
    if (c->n++ == 0)
        memcpy(c->first, weights, sizeof c->first);
    return 0;
}

/* With many annotators a replicate is much like the fit. */
static void replicates_keep_the_groups(void **state)
{
    (void)state;
    struct dataset *ds = population(tastes, 60, 30, 30, 5);
    struct fit *f = fit_of(ds);
    struct bootstrap_options o = {.replicates = 2, .seed = 1, .threads = 1};
    struct captured c = {0};
    assert_int_equal(bootstrap_fit(ds, f, &o, capture, &c, &e), 0);
    assert_int_equal(c.n, 2);
    for (int u = 0; u < K; u++) {
        double both = 0, norm = 0;
        for (int j = 0; j < DIM; j++) {
            both += c.first[u][j] * tastes[u][j];
            norm += c.first[u][j] * c.first[u][j];
        }
        assert_true(both / sqrt(norm) / sqrt(tastes[u][0] * tastes[u][0] + tastes[u][1] * tastes[u][1]) > 0.95);
    }
    fit_free(f);
    dataset_free(ds);
}

static bool never(void *context, double done)
{
    (void)context;
    return done < 0.4;
}

static void the_bootstrap_ends_when_it_cannot_go_on(void **state)
{
    (void)state;
    struct dataset *ds = population(tastes, 6, 4, 10, 5);
    struct fit *f = fit_of(ds);
    struct captured c = {0};
    struct bootstrap_options o = {.replicates = 4, .seed = 1, .threads = 1, .progress = never};
    assert_int_equal(bootstrap_fit(ds, f, &o, capture, &c, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    assert_int_equal(c.n, 2);
    o = (struct bootstrap_options){.replicates = 1, .seed = 1, .threads = 1};
    int n = 1;
    for (mem_fail_nth(n);; mem_fail_nth(++n)) {
        c.n = 0;
        if (bootstrap_fit(ds, f, &o, capture, &c, &e) == 0)
            break;
        assert_int_equal(e.code, ERR_NO_MEMORY);
    }
    mem_fail_nth(0);
    assert_true(n > 20);
    fit_free(f);
    dataset_free(ds);
}

static int start(void **state)
{
    (void)state;
    return blas_start(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_count_ties_as_half),
        cmocka_unit_test(pairs_that_agree_are_worth_their_prompts),
        cmocka_unit_test(independent_pairs_are_worth_themselves),
        cmocka_unit_test(intervals_cover),
        cmocka_unit_test(people_may_judge_any_number_of_times),
        cmocka_unit_test(the_standing_names_the_worst_off),
        cmocka_unit_test(means_have_errors),
        cmocka_unit_test(rates_at_a_divergence_lie_between),
        cmocka_unit_test(the_assignment_is_the_best),
        cmocka_unit_test(groups_are_matched_by_what_they_prefer),
        cmocka_unit_test(twins_are_told_apart_by_nobody),
        cmocka_unit_test(intervals_carry_the_judges_error),
        cmocka_unit_test(threads_do_not_change_the_intervals),
        cmocka_unit_test(replicates_keep_the_groups),
        cmocka_unit_test(the_bootstrap_ends_when_it_cannot_go_on),
    };
    return cmocka_run_group_tests_name("evaluate", tests, start, NULL);
}
