/* reward: the numerics of a fit against naive twins, finite differences and known truths. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "core/blas.h"
#include "core/interval.h"
#include "core/lab/world.h"
#include "core/reward/bounds.h"
#include "core/reward/calibration.h"
#include "core/reward/choice.h"
#include "core/reward/folds.h"
#include "core/reward/lineage.h"
#include "core/reward/minimise.h"
#include "core/reward/start.h"
#include "core/reward/study.h"
#include "core/scorer.h"

static struct err e;

/* 12 annotators of two tastes, 40 responses to 10 items, 300 comparisons with ties, given as dense features: more
 * comparisons than responses, so that the design works on responses. */
enum { PEOPLE = 12, ITEMS = 10, EACH = 4, FEATURES = 7, JUDGEMENTS = 300 };

static struct dataset *small_dataset(void)
{
    struct dataset *ds = dataset_new_dense(FEATURES, &e);
    struct rng r;
    float x[ITEMS * EACH][FEATURES];
    rng_init(&r, 3, 0);
    for (int i = 0; i < ITEMS; i++) {
        assert_int_equal(dataset_add_item(ds, STR_LITERAL("prompt"), &e), i);
        for (int j = 0; j < EACH; j++) {
            for (int f = 0; f < FEATURES; f++)
                x[i * EACH + j][f] = (float)(rng_normal(&r) * (f + 1) + 10);
            assert_int_equal(dataset_add_features(ds, i, x[i * EACH + j], &e), i * EACH + j);
        }
    }
    for (int h = 0; h < PEOPLE; h++)
        assert_int_equal(dataset_add_annotator(ds, &e), h);
    for (int n = 0; n < JUDGEMENTS; n++) {
        int item = (int)rng_below(&r, ITEMS), a = (int)rng_below(&r, EACH);
        int b = (a + 1 + (int)rng_below(&r, EACH - 1)) % EACH;
        int h = (int)rng_below(&r, PEOPLE);
        double margin = x[item * EACH + a][0] - x[item * EACH + b][0];
        margin = h % 3 == 0 ? -margin : margin;
        enum choice outcome = n % 7 == 0                                             ? CHOICE_TIE
                              : rng_uniform(&r) < choice_probability(2 * margin) ? CHOICE_A
                                                                                 : CHOICE_B;
        struct comparison c = {h, item * EACH + a, item * EACH + b, outcome, n % 4};
        assert_int_equal(dataset_add_comparison(ds, &c, &e), n);
    }
    return ds;
}

/* The naive twin: one comparison at a time in double, straight from the definition. */
static double naive_log_p(double m, bool tie, double nu)
{
    if (nu > 0)
        return log(tie ? nu : exp(m / 2)) - log(exp(m / 2) + exp(-m / 2) + nu);
    return tie ? 0.5 * (log(1 / (1 + exp(-m))) + log(1 / (1 + exp(m)))) : log(1 / (1 + exp(-m)));
}

static double naive_margin(const struct design *d, int c, const double *theta)
{
    double sum = 0;
    for (int j = 0; j < d->dim; j++) {
        double x = d->f[(size_t)d->plus[c] * (size_t)d->ld + (size_t)j];
        if (d->minus[c] >= 0)
            x -= d->f[(size_t)d->minus[c] * (size_t)d->ld + (size_t)j];
        sum += theta[j] * x;
    }
    return sum;
}

static void calibration_has_its_closed_form(void **state)
{
    (void)state;
    float m[4] = {2, -2, 2, 2}, none[1];
    struct calibration c = calibration_of(4, m);
    double p = 1 / (1 + exp(-2));
    assert_true(fabs(c.nll - -(3 * log(p) + log(1 - p)) / 4) < 1e-9);
    assert_true(fabs(c.brier - (3 * (1 - p) * (1 - p) + p * p) / 4) < 1e-9);
    assert_true(fabs(c.error - (3 * (1 - p) + p) / 4) < 1e-9); /* four bins of one */
    assert_true(fabs(c.temperature - 2 / log(3)) < 1e-6);      /* sigma(2 / T) = 3/4 */
    assert_true(fabs(c.tempered - -(3 * log(0.75) + log(0.25)) / 4) < 1e-9);
    assert_true(isnan(calibration_of(0, none).nll));
}

/* Margins that say what is true are calibrated; three times as sure needs a temperature of 3. */
static void calibration_finds_the_temperature(void **state)
{
    (void)state;
    enum { N = 40000 };
    static float right[N], sure[N];
    struct rng r;
    rng_init(&r, 12, 0);
    for (int i = 0; i < N; i++) {
        double margin = 1.5 * rng_normal(&r);
        right[i] = (float)(rng_uniform(&r) < choice_probability(margin) ? margin : -margin);
        sure[i] = 3 * right[i];
    }
    struct calibration a = calibration_of(N, right), b = calibration_of(N, sure);
    assert_true(fabs(a.temperature - 1) < 0.04);
    assert_true(fabs(b.temperature - 3) < 0.12);
    assert_true(a.error < 0.012 && b.error > 0.08);
    assert_true(fabs(a.tempered - b.tempered) < 1e-6 && b.nll > a.nll + 0.1);
}

static void choice_agrees_with_the_definition(void **state)
{
    (void)state;
    enum { N = 401 };
    float margin[N], log_p[N], slope[N], weight[N];
    uint8_t tie[N];
    for (int i = 0; i < N; i++) {
        margin[i] = (float)(i - 200) * 0.17f;
        tie[i] = i % 3 == 0;
        weight[i] = 1;
    }
    choice_half(N, margin, tie, log_p, slope);
    for (int i = 0; i < N; i++) {
        double expected = naive_log_p(margin[i], tie[i], 0);
        assert_true(fabs(log_p[i] - expected) <= 2e-6 * fabs(expected) + 1e-15);
        double at = choice_probability(-(double)margin[i]) - (tie[i] ? 0.5 : 0);
        assert_true(fabs(slope[i] - at) <= 2e-6);
    }
    choice_davidson(N, margin, tie, weight, 0.7f, log_p, slope);
    for (int i = 0; i < N; i++) {
        double expected = naive_log_p(margin[i], tie[i], 0.7f);
        double up = naive_log_p(margin[i] + 1e-5, tie[i], 0.7f), down = naive_log_p(margin[i] - 1e-5, tie[i], 0.7f);
        assert_true(fabs(log_p[i] - expected) <= 3e-6 * fabs(expected) + 1e-6);
        assert_true(fabs(slope[i] - (up - down) / 2e-5) <= 1e-5);
    }
}

/* A margin of 1000 must neither overflow nor lose the loss. */
static void choice_survives_great_margins(void **state)
{
    (void)state;
    float margin[3] = {1000, -1000, -200}, log_p[3], slope[3];
    choice_half(3, margin, (uint8_t[3]){0}, log_p, slope);
    assert_true(fabsf(log_p[0]) < 1e-6f && fabsf(log_p[1] + 1000) < 1e-3f && fabsf(log_p[2] + 200) < 1e-3f);
    assert_true(fabsf(slope[0]) < 1e-6f && fabsf(slope[1] - 1) < 1e-6f);
}

struct problem {
    struct dataset *ds;
    struct design *d;
    struct sample *s;
    struct logistic *l;
    double q[PEOPLE * 3], theta[3 * FEATURES];
};

static void problem_open(struct problem *p)
{
    struct rng r;
    p->ds = small_dataset();
    assert_int_equal(design_new(p->ds, true, &p->d, &e), 0);
    assert_true(p->d->minus[0] >= 0);
    assert_int_equal(sample_all(p->d, &p->s, &e), 0);
    p->l = logistic_new(p->d, 3, NULL, &e);
    assert_non_null(p->l);
    rng_init(&r, 5, 0);
    for (int i = 0; i < PEOPLE * 3; i++)
        p->q[i] = i % 5 == 0 ? 0 : rng_uniform(&r);
    for (int i = 0; i < 3 * FEATURES; i++)
        p->theta[i] = rng_normal(&r);
}

static void problem_close(struct problem *p)
{
    logistic_free(p->l);
    sample_free(p->s);
    design_free(p->d);
    dataset_free(p->ds);
}

static double naive_value(const struct problem *p, const double *theta, double nu)
{
    double sum = 0;
    for (int i = 0; i < p->s->n; i++)
        for (int u = 0; u < 3; u++) {
            int c = p->s->index[i];
            sum += p->q[p->s->owner[i] * 3 + u] * p->d->weight[c] *
                   naive_log_p(naive_margin(p->d, c, theta + u * FEATURES), p->d->tie[c], nu);
        }
    return sum;
}

static void likelihood_and_gradient_agree_with_naive_twins(void **state)
{
    (void)state;
    struct problem p;
    problem_open(&p);
    for (int with_nu = 0; with_nu < 2; with_nu++) {
        double nu = with_nu ? 0.6 : 0, nu_slope, gradient[3 * FEATURES];
        logistic_focus(p.l, p.s, 3, p.q);
        double value = logistic_value(p.l, p.s, 3, p.theta, nu, p.q, &nu_slope);
        logistic_gradient(p.l, p.s, 3, gradient);
        assert_true(fabs(value - naive_value(&p, p.theta, nu)) < 1e-5 * fabs(value));
        for (int i = 0; i < 3 * FEATURES; i++) {
            double up[3 * FEATURES], down[3 * FEATURES], step = 1e-5;
            memcpy(up, p.theta, sizeof up);
            memcpy(down, p.theta, sizeof down);
            up[i] += step;
            down[i] -= step;
            double difference = (naive_value(&p, up, nu) - naive_value(&p, down, nu)) / (2 * step);
            assert_true(fabs(difference - gradient[i]) < 1e-4 * (1 + fabs(difference)));
        }
        if (with_nu) {
            double above = naive_value(&p, p.theta, nu * 1.00001), below = naive_value(&p, p.theta, nu / 1.00001);
            double difference = (above - below) / 2e-5;
            assert_true(fabs(difference - nu_slope) < 1e-3 * (1 + fabs(difference)));
        }
    }
    problem_close(&p);
}

/* f = sum_i i (x_i - i)^2 + x_0 x_1 / 10 */
static double bowl(void *context, const double *x, double *gradient)
{
    int n = *(int *)context;
    double sum = x[0] * x[1] / 10;
    for (int i = 0; i < n; i++)
        sum += (i + 1) * (x[i] - i) * (x[i] - i);
    for (int i = 0; i < n && gradient; i++)
        gradient[i] = 2 * (i + 1) * (x[i] - i) + (i == 0 ? x[1] / 10 : i == 1 ? x[0] / 10 : 0);
    return sum;
}

static void minimise_finds_the_bottom(void **state)
{
    (void)state;
    enum { N = 30 };
    int n = N, steps;
    double x[N] = {0}, metric[N], gradient[N];
    for (int i = 0; i < N; i++)
        metric[i] = 1;
    struct minimiser *m = minimiser_new(N, &e);
    double first = bowl(&n, x, NULL), value = minimise(m, x, metric, bowl, &n, 3, 0, &steps);
    assert_int_equal(steps, 3);
    assert_true(value < first);
    minimise(m, x, metric, bowl, &n, 200, 1e-15, NULL);
    bowl(&n, x, gradient);
    for (int i = 0; i < N; i++)
        assert_true(fabs(gradient[i]) < 1e-4);
    minimiser_free(m);
}

static struct mixture_options em_options(enum assignment assignment, double min_size)
{
    return (struct mixture_options){.ridge = 1,
                                    .assignment = assignment,
                                    .ties = TIES_DAVIDSON,
                                    .iterations = 60,
                                    .steps = 3,
                                    .tolerance = 1e-9,
                                    .min_size = min_size};
}

static void assert_never_falls(const struct mixture *m)
{
    assert_true(m->iterations >= 3);
    for (int i = 1; i < m->iterations; i++)
        assert_true(m->trace[i] >= m->trace[i - 1] - 1e-6 * fabs(m->trace[i]));
}

static void penalised_likelihood_never_falls(void **state)
{
    (void)state;
    for (int soft = 0; soft < 2; soft++)
        for (int seed = 1; seed <= 5; seed++) {
            struct problem p;
            struct mixture *m;
            struct mixture_options o = em_options(soft ? ASSIGNMENT_SOFT : ASSIGNMENT_HARD, 0);
            problem_open(&p);
            assert_int_equal(mixture_new(p.d, 3, &m, &e), 0);
            start_random(m, (uint64_t)seed, 0);
            assert_int_equal(mixture_run(m, p.l, p.s, &o, &e), 0);
            assert_never_falls(m);
            assert_true(m->nu > 0);
            mixture_free(m);
            problem_close(&p);
        }
}

static void responsibilities_follow_bayes(void **state)
{
    (void)state;
    struct problem p;
    struct mixture *m;
    struct mixture_options o = em_options(ASSIGNMENT_SOFT, 0);
    problem_open(&p);
    assert_int_equal(mixture_new(p.d, 2, &m, &e), 0);
    start_random(m, 1, 0);
    assert_int_equal(mixture_run(m, p.l, p.s, &o, &e), 0);
    for (int h = 0; h < PEOPLE; h++) {
        double a[2], tempered[2], raw[2];
        for (int u = 0; u < 2; u++) {
            a[u] = log(m->eta[u]);
            for (int i = p.s->start[h]; i < p.s->start[h + 1]; i++) {
                int c = p.s->index[i];
                a[u] += p.d->weight[c] * naive_log_p(naive_margin(p.d, c, m->theta + u * FEATURES), p.d->tie[c], m->nu);
            }
        }
        assert_true(fabs(m->q[2 * h] - choice_probability(a[0] - a[1])) < 1e-4);
        mixture_posterior(m, h, 1, raw);
        mixture_posterior(m, h, 4, tempered);
        assert_true(fabs(raw[0] - m->q[2 * h]) < 1e-6);
        assert_true(fabs(tempered[0] + tempered[1] - 1) < 1e-12);
    }
    mixture_free(m);
    problem_close(&p);
}

/* A group of one annotator, where two are the least, is seeded anew and then dropped, and both are counted. */
static void small_groups_are_dropped(void **state)
{
    (void)state;
    struct problem p;
    struct mixture *m;
    struct mixture_options o = em_options(ASSIGNMENT_SOFT, 5);
    problem_open(&p);
    assert_int_equal(mixture_new(p.d, 3, &m, &e), 0);
    start_random(m, 1, 0);
    assert_int_equal(mixture_run(m, p.l, p.s, &o, &e), 0);
    assert_int_equal(m->reseeded, 1);
    assert_true(m->dropped >= 1);
    assert_int_equal(m->k, 3 - m->dropped);
    for (int h = 0; h < PEOPLE; h++) {
        double sum = 0;
        for (int u = 0; u < m->k; u++)
            sum += m->q[h * m->k + u];
        assert_true(fabs(sum - 1) < 1e-9);
    }
    mixture_free(m);
    problem_close(&p);
}

/* Wherever the iterations run out, be it right after a group was seeded anew or dropped, parameters and posteriors
 * belong together. */
static void a_run_that_is_cut_off_ends_with_an_expectation(void **state)
{
    (void)state;
    for (int iterations = 1; iterations <= 9; iterations++) {
        struct problem p;
        struct mixture *m, *copy;
        struct mixture_options o = em_options(ASSIGNMENT_SOFT, 5);
        o.iterations = iterations;
        problem_open(&p);
        assert_int_equal(mixture_new(p.d, 3, &m, &e), 0);
        start_random(m, 1, 0);
        assert_int_equal(mixture_run(m, p.l, p.s, &o, &e), 0);
        double weights = 0;
        for (int u = 0; u < m->k; u++)
            weights += m->eta[u];
        assert_true(fabs(weights - 1) < 1e-12);
        assert_true(m->iterations >= 1 && m->trace[m->iterations - 1] == m->objective);
        assert_int_equal(mixture_copy(m, &copy, &e), 0);
        mixture_expect(copy, p.l, p.s, &o);
        assert_memory_equal(copy->q, m->q, (size_t)(PEOPLE * m->k) * sizeof *m->q);
        assert_true(copy->objective == m->objective);
        mixture_free(copy);
        mixture_free(m);
        problem_close(&p);
    }
}

static void rows_of_differences_equal_rows_of_responses(void **state)
{
    (void)state;
    struct problem p;
    struct design *d;
    struct sample *s;
    float *x = mem_array((size_t)JUDGEMENTS * FEATURES, sizeof *x);
    int annotator[JUDGEMENTS];
    double of_responses[PEOPLE * 3], of_differences[PEOPLE * 3];
    problem_open(&p);
    for (int h = 0; h < PEOPLE; h++)
        for (int c = p.d->start[h]; c < p.d->start[h + 1]; c++) {
            annotator[c] = h;
            for (int j = 0; j < FEATURES; j++)
                x[c * FEATURES + j] = p.d->f[p.d->plus[c] * p.d->ld + j] - p.d->f[p.d->minus[c] * p.d->ld + j];
        }
    assert_int_equal(design_from_differences(JUDGEMENTS, FEATURES, x, annotator, PEOPLE, &d, &e), 0);
    memcpy(d->tie, p.d->tie, JUDGEMENTS);
    memcpy(d->weight, p.d->weight, JUDGEMENTS * sizeof *d->weight);
    assert_int_equal(sample_all(d, &s, &e), 0);
    struct logistic *l = logistic_new(d, 3, NULL, &e);
    logistic_scores(l, 3, p.theta);
    logistic_by_annotator(l, s, 3, 0, of_differences);
    logistic_scores(p.l, 3, p.theta);
    logistic_by_annotator(p.l, p.s, 3, 0, of_responses);
    for (int i = 0; i < PEOPLE * 3; i++)
        assert_true(fabs(of_responses[i] - of_differences[i]) < 1e-4 * (1 + fabs(of_responses[i])));
    logistic_free(l);
    sample_free(s);
    design_free(d);
    mem_free(x);
    problem_close(&p);
}

static void folds_share_no_item(void **state)
{
    (void)state;
    struct problem p;
    struct folds f;
    problem_open(&p);
    assert_int_equal(folds_new(p.d, 5, FOLDS_BY_ITEM, 1, &f, &e), 0);
    assert_string_equal(f.unit, "item");
    int fold_of[ITEMS], sizes[5] = {0};
    memset(fold_of, -1, sizeof fold_of);
    for (int c = 0; c < JUDGEMENTS; c++) {
        assert_true(fold_of[p.d->item[c]] == -1 || fold_of[p.d->item[c]] == f.of[c]);
        fold_of[p.d->item[c]] = f.of[c];
        sizes[f.of[c]]++;
    }
    for (int i = 0; i < 5; i++)
        assert_true(sizes[i] > 0);
    folds_free(&f);
    problem_close(&p);
}

static void permuting_deals_the_same_comparisons(void **state)
{
    (void)state;
    struct problem p;
    struct sample *dealt;
    int seen[JUDGEMENTS] = {0}, moved = 0;
    problem_open(&p);
    assert_int_equal(sample_permuted(p.s, 1, 0, &dealt, &e), 0);
    assert_memory_equal(dealt->start, p.s->start, (PEOPLE + 1) * sizeof *dealt->start);
    for (int i = 0; i < dealt->n; i++) {
        seen[dealt->index[i]]++;
        moved += dealt->index[i] != p.s->index[i];
    }
    for (int c = 0; c < JUDGEMENTS; c++)
        assert_int_equal(seen[c], 1);
    assert_true(moved > JUDGEMENTS / 2);
    sample_free(dealt);
    problem_close(&p);
}

static void intervals_are_wilsons(void **state)
{
    (void)state;
    struct proportion p = proportion_of(8, 10); /* Wilson 1927 as tabulated: .4902 to .9433 */
    assert_true(fabs(p.low - 0.4902) < 1e-4 && fabs(p.high - 0.9433) < 1e-4);
    p = proportion_of(0, 0);
    assert_true(p.low == 0 && p.high == 1);
    for (int n = 1; n < 500; n++) { /* the rate lies within, whatever the rounding */
        p = proportion_of(n, n);
        assert_true(p.high == 1 && p.low < 1 && p.low > 0);
        p = proportion_of(0, n);
        assert_true(p.low == 0 && p.high > 0 && p.high < 1);
    }
}

static void lineages_keep_split_and_merge(void **state)
{
    (void)state;
    enum { N = 40 };
    int before[N], after[N];
    struct lineage l;
    for (int h = 0; h < N; h++) {
        before[h] = h < 20 ? 0 : 1;
        after[h] = h < 20 ? 1 : h < 31 ? 0 : 2; /* 0 became 1; 1 split into 0 and 2 */
    }
    before[0] = -1;
    lineage_match(N, before, 2, after, 3, &l);
    assert_int_equal(l.shared, N - 1);
    assert_int_equal(l.former[1], 0);
    assert_int_equal(l.former[0], 1);
    assert_int_equal(l.former[2], -1);
    assert_true(fabs(l.stability[1] - 1) < 1e-12 && fabs(l.stability[0] - 0.55) < 1e-12);
    int splits = 0, born = 0;
    for (int i = 0; i < l.events; i++) {
        splits += l.event[i].kind == LINEAGE_SPLIT && l.event[i].before == 1;
        born += l.event[i].kind == LINEAGE_BORN;
    }
    assert_int_equal(splits, 2);
    assert_int_equal(born, 1);
    lineage_match(N, after, 3, before, 2, &l); /* and back: a merger */
    int merged = 0, ended = 0;
    for (int i = 0; i < l.events; i++) {
        merged += l.event[i].kind == LINEAGE_MERGED && l.event[i].after == 1;
        ended += l.event[i].kind == LINEAGE_ENDED;
    }
    assert_int_equal(merged, 2);
    assert_int_equal(ended, 1);
}

/* The matching is the best of all k! ones. */
static void lineages_are_matched_best(void **state)
{
    (void)state;
    enum { N = 300, K = 4 };
    struct rng r;
    rng_init(&r, 11, 0);
    for (int round = 0; round < 30; round++) {
        int before[N], after[N], table[K][K] = {{0}}, got = 0, best = 0;
        struct lineage l;
        for (int h = 0; h < N; h++) {
            before[h] = (int)rng_below(&r, K);
            after[h] = rng_uniform(&r) < 0.7 ? (before[h] + round) % K : (int)rng_below(&r, K);
            table[before[h]][after[h]]++;
        }
        lineage_match(N, before, K, after, K, &l);
        for (int a = 0; a < K; a++)
            got += l.former[a] >= 0 ? table[l.former[a]][a] : 0;
        for (int p = 0; p < 256; p++) { /* all maps of four to four, the one to one ones count */
            int to[K] = {p & 3, p >> 2 & 3, p >> 4 & 3, p >> 6 & 3}, sum = 0, mask = 0;
            for (int b = 0; b < K; b++) {
                sum += table[b][to[b]];
                mask |= 1 << to[b];
            }
            best = mask == 15 && sum > best ? sum : best;
        }
        assert_int_equal(got, best);
    }
}

static void rand_index_knows_its_ends(void **state)
{
    (void)state;
    int one[8] = {0, 0, 0, 0, 1, 1, 1, 1}, other[8] = {1, 1, 1, 1, 0, 0, 0, 0}, mixed[8] = {0, 1, 0, 1, 0, 1, 0, 1};
    assert_true(fabs(lineage_rand_index(8, one, other) - 1) < 1e-12);
    assert_true(lineage_rand_index(8, one, mixed) < 0.01);
}

static bool stop_at_once(void *context, const struct fit_progress *p)
{
    double *last = context;
    assert_true(p->fraction >= *last);
    *last = p->fraction;
    return p->fraction < 0.5;
}

static void fit_small(int threads, struct fit **ret, struct buf *model)
{
    struct dataset *ds = small_dataset();
    struct fit_options o;
    fit_options_default(&o);
    o.threads = threads;
    o.k_max = 3;
    assert_int_equal(fit_run(ds, &o, ret, &e), 0);
    fit_save(*ret, model);
    assert_false(model->failed);
    dataset_free(ds);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    struct fit *one, *two;
    struct buf a = {0}, b = {0};
    fit_small(1, &one, &a);
    fit_small(2, &two, &b);
    assert_int_equal(a.length, b.length);
    assert_memory_equal(a.data, b.data, a.length);
    assert_int_equal(one->k, two->k);
    assert_int_equal(one->iterations, two->iterations);
    assert_memory_equal(one->trace, two->trace, (size_t)one->iterations * sizeof *one->trace);
    for (int h = 0; h < one->annotators; h++)
        assert_memory_equal(one->annotator[h].posterior, two->annotator[h].posterior, (size_t)one->k * sizeof(double));
    assert_memory_equal(&one->accuracy, &two->accuracy, sizeof one->accuracy);
    buf_free(&a);
    buf_free(&b);
    fit_free(one);
    fit_free(two);
}

static void a_fit_finds_both_tastes_and_scores_like_its_heads(void **state)
{
    (void)state;
    struct fit *f;
    struct buf model = {0};
    struct scorer *s;
    fit_small(1, &f, &model);
    assert_int_equal(f->k, 2);
    for (int h = 0; h < PEOPLE; h++)
        assert_int_equal(f->annotator[h].group, h % 3 == 0 ? 1 : 0);
    assert_true(f->group[0].weight > f->group[1].weight);
    assert_true(f->group[1].accuracy.mixture.value > f->group[1].accuracy.pooled.value);
    assert_true(f->tie_parameter > 0);
    assert_int_equal(scorer_open(model.data, model.length, &s, &e), 0);
    assert_int_equal(scorer_groups(s), 2);
    float x[FEATURES] = {1, 2, 3, 4, 5, 6, 7}, y[FEATURES] = {2, 2, 3, 4, 5, 6, 7};
    double of_x[3], of_y[3];
    scorer_score_features(s, x, of_x);
    scorer_score_features(s, y, of_y);
    assert_true(of_y[0] > of_x[0] && of_y[1] < of_x[1]);
    assert_int_equal(scorer_score(s, STR_LITERAL("p"), STR_LITERAL("r"), of_x, &e), -1);
    scorer_free(s);
    for (size_t i = 0; i < model.length; i += 7) { /* no damaged byte goes unseen */
        model.data[i] ^= 4;
        assert_int_equal(scorer_open(model.data, model.length, &s, &e), -1);
        assert_int_equal(e.code, ERR_BAD_FILE);
        model.data[i] ^= 4;
    }
    for (size_t n = 0; n < model.length; n += 13)
        assert_int_equal(scorer_open(model.data, n, &s, &e), -1);
    buf_free(&model);
    fit_free(f);
}

/* Every third annotator changes sides before the last quarter: what the first three quarters say is believed less
 * then. */
static void fickle_annotators_raise_the_temperature(void **state)
{
    (void)state;
    enum { FICKLE = 36, OF_EACH = 40 };
    struct dataset *ds = dataset_new_dense(1, &e);
    struct fit_options o;
    struct fit *f;
    struct rng r;
    rng_init(&r, 8, 0);
    for (int h = 0; h < FICKLE; h++) {
        dataset_add_annotator(ds, &e);
        for (int n = 0; n < OF_EACH; n++) {
            int item = dataset_add_item(ds, STR_LITERAL(""), &e);
            int a = dataset_add_features(ds, item, (float[]){1}, &e);
            int b = dataset_add_features(ds, item, (float[]){0}, &e);
            bool other = h % 2 != (n >= OF_EACH * 3 / 4 && h % 3 == 0);
            bool a_wins = rng_uniform(&r) < (other ? 0.2 : 0.8);
            dataset_add_comparison(ds, &(struct comparison){h, a, b, a_wins ? CHOICE_A : CHOICE_B, 0}, &e);
        }
    }
    fit_options_default(&o);
    o.k = 2;
    o.ridge = 1;
    assert_int_equal(fit_run(ds, &o, &f, &e), 0);
    assert_int_equal(f->k, 2);
    assert_true(f->temperature > 1);
    for (int h = 0; h < FICKLE; h++) /* both to the same power, if it were not for the weights */
        assert_true(fabs(f->annotator[h].posterior[0] - 0.5) < fabs(f->annotator[h].raw[0] - 0.5));
    fit_free(f);
    dataset_free(ds);
}

/* One group is a finding only where more were tried and could be judged. */
static void the_reason_for_one_group_is_true(void **state)
{
    (void)state;
    struct dataset *ds = dataset_new_dense(1, &e);
    struct fit_options o;
    struct fit *f;
    int item = dataset_add_item(ds, STR_LITERAL(""), &e);
    int a = dataset_add_features(ds, item, (float[]){1}, &e), b = dataset_add_features(ds, item, (float[]){0}, &e);
    for (int h = 0; h < 10; h++) {
        dataset_add_annotator(ds, &e);
        for (int n = 0; n < 3; n++)
            dataset_add_comparison(ds, &(struct comparison){h, a, b, h % 2 ? CHOICE_A : CHOICE_B, 0}, &e);
    }
    fit_options_default(&o);
    assert_int_equal(fit_run(ds, &o, &f, &e), 0);
    assert_int_equal(f->k, 1);
    assert_non_null(strstr(f->reason, "no annotator has the four comparisons"));
    fit_free(f);
    o.k_max = 1;
    assert_int_equal(fit_run(ds, &o, &f, &e), 0);
    assert_non_null(strstr(f->reason, "the options allow no more"));
    fit_free(f);
    dataset_free(ds);
}

static void a_fit_stops_when_asked(void **state)
{
    (void)state;
    struct dataset *ds = small_dataset();
    struct fit_options o;
    struct fit *f;
    double last = 0;
    fit_options_default(&o);
    o.progress = stop_at_once;
    o.context = &last;
    assert_int_equal(fit_run(ds, &o, &f, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    dataset_free(ds);
}

/* Every allocation of a fit fails once: an error each time, never a crash (the sanitizers watch for leaks). */
static void a_fit_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct dataset *ds = small_dataset();
    struct fit_options o;
    struct fit *f;
    fit_options_default(&o);
    o.k_max = o.restarts = 2;
    o.permutations = 1;
    o.significance = 0.5;
    o.folds = 2;
    o.ridges = 2;
    o.iterations = 6;
    int failures = 0, done = 0;
    for (long n = 1; !done && n < 20000; n += n < 300 ? 1 : 17) {
        mem_fail_nth(n);
        done = fit_run(ds, &o, &f, &e) == 0;
        mem_fail_nth(0);
        if (done)
            fit_free(f);
        else
            assert_int_equal(e.code, ERR_NO_MEMORY);
        failures += !done;
    }
    assert_true(done && failures > 100);
    dataset_free(ds);
}

static void options_name_what_is_wrong(void **state)
{
    (void)state;
    struct fit_options o;
    fit_options_default(&o);
    assert_int_equal(fit_options_check(&o, &e), 0);
    o.k_max = 13;
    assert_int_equal(fit_options_check(&o, &e), -1);
    assert_string_equal(e.pointer, "/k_max");
    fit_options_default(&o);
    o.assign_threshold = NAN;
    assert_int_equal(fit_options_check(&o, &e), -1);
    fit_options_default(&o);
    o.ridge_grid[1] = o.ridge_grid[0];
    assert_int_equal(fit_options_check(&o, &e), -1);
    assert_string_equal(e.pointer, "/ridge_grid");
    fit_options_default(&o);
    o.permutations = 18; /* p cannot fall below 1 / 19 */
    assert_int_equal(fit_options_check(&o, &e), -1);
    assert_string_equal(e.pointer, "/permutations");
    assert_non_null(strstr(e.message, "at least 19"));
    o.k = 2; /* no test then */
    assert_int_equal(fit_options_check(&o, &e), 0);
    assert_int_equal(assignment_of("hard"), ASSIGNMENT_HARD);
    assert_int_equal(tie_model_of("maybe"), -1);
}

static void too_little_data_is_said_so(void **state)
{
    (void)state;
    struct dataset *ds = dataset_new_hashed(0, &e);
    struct fit_options o;
    struct fit *f;
    fit_options_default(&o);
    assert_int_equal(fit_run(ds, &o, &f, &e), -1);
    assert_int_equal(e.code, ERR_INSUFFICIENT_DATA);
    int item = dataset_add_item(ds, STR_LITERAL("p"), &e);
    assert_int_equal(dataset_add_response(ds, item + 1, STR_LITERAL("x"), &e), -1);
    assert_int_equal(e.code, ERR_UNKNOWN_REFERENCE);
    dataset_free(ds);
}

int main(void)
{
    struct err err;
    if (blas_start(&err) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calibration_has_its_closed_form),
        cmocka_unit_test(calibration_finds_the_temperature),
        cmocka_unit_test(choice_agrees_with_the_definition),
        cmocka_unit_test(choice_survives_great_margins),
        cmocka_unit_test(likelihood_and_gradient_agree_with_naive_twins),
        cmocka_unit_test(minimise_finds_the_bottom),
        cmocka_unit_test(penalised_likelihood_never_falls),
        cmocka_unit_test(responsibilities_follow_bayes),
        cmocka_unit_test(small_groups_are_dropped),
        cmocka_unit_test(a_run_that_is_cut_off_ends_with_an_expectation),
        cmocka_unit_test(rows_of_differences_equal_rows_of_responses),
        cmocka_unit_test(folds_share_no_item),
        cmocka_unit_test(permuting_deals_the_same_comparisons),
        cmocka_unit_test(intervals_are_wilsons),
        cmocka_unit_test(lineages_keep_split_and_merge),
        cmocka_unit_test(lineages_are_matched_best),
        cmocka_unit_test(rand_index_knows_its_ends),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(a_fit_finds_both_tastes_and_scores_like_its_heads),
        cmocka_unit_test(fickle_annotators_raise_the_temperature),
        cmocka_unit_test(the_reason_for_one_group_is_true),
        cmocka_unit_test(a_fit_stops_when_asked),
        cmocka_unit_test(a_fit_survives_each_failed_allocation),
        cmocka_unit_test(options_name_what_is_wrong),
        cmocka_unit_test(too_little_data_is_said_so),
    };
    return cmocka_run_group_tests_name("reward", tests, NULL, NULL);
}
