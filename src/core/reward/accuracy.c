#include "core/reward/accuracy.h"

#include <math.h>

#include "base/mem.h"
#include "core/reward/choice.h"
#include "core/reward/lineage.h"

/* How often the choices of one annotator were predicted rightly, and how often the reward was undecided. */
struct count {
    int n, mixture, mixture_ties, pooled, pooled_ties;
};

/* The margins of held-out comparisons under one group's own reward and under the single one. */
struct margins {
    int n;
    float *own, *pooled;
};

struct tally {
    struct count *count; /* [annotators][k + 1]: of each group, then of everybody */
    int annotators, k;
    struct fit_bin bin[FIT_CALIBRATION_BINS];
    struct margins everybody, of[FIT_GROUPS_MAX]; /* everybody has no own */
    float *block;                                 /* the memory behind them */
};

/* One fold: models of its training part, and what they say about its comparisons. */
struct trial {
    struct sample *train, *test;
    struct mixture *pooled, *mixture;
    int *label;               /* [annotators] group of the training posterior, -1 when below the threshold */
    int same[FIT_GROUPS_MAX]; /* group of the full fit that a fold's group continues, or -1 */
    float *p_mixture;         /* [test->n] P(the winner wins) */
    float *own;               /* [test->n] margin under the reward of the annotator's group; 0 without one */
};

static int most_likely(int k, const double *posterior)
{
    int best = 0;
    for (int u = 1; u < k; u++)
        if (posterior[u] > posterior[best])
            best = u;
    return best;
}

static int match_groups(struct study *st, struct trial *t, const struct mixture *final, const struct fit *fit,
                        struct err *err)
{
    int n = st->d->annotators, *before = mem_array((size_t)n, sizeof *before);
    double posterior[FIT_GROUPS_MAX];
    struct lineage lineage;
    if (!before)
        return err_memory(err);
    for (int h = 0; h < n; h++) {
        bool present = t->train->start[h + 1] > t->train->start[h];
        before[h] = present ? most_likely(final->k, final->q + (size_t)h * (size_t)final->k) : -1;
        t->label[h] = present ? most_likely(t->mixture->k, t->mixture->q + (size_t)h * (size_t)t->mixture->k) : -1;
    }
    lineage_match(n, before, final->k, t->label, t->mixture->k, &lineage);
    for (int u = 0; u < t->mixture->k; u++)
        t->same[u] = lineage.former[u];
    for (int h = 0; h < n; h++) {
        mixture_posterior(t->mixture, h, fit->temperature, posterior);
        if (t->label[h] >= 0 && posterior[t->label[h]] < st->o->assign_threshold)
            t->label[h] = -1;
    }
    mem_free(before);
    return 0;
}

/* p_mixture: the posterior-weighted probability that the winner of each held-out comparison wins; own: the margin that
 * the reward of the annotator's group gives it. */
static void predict_mixture(struct study *st, struct trial *t, const struct fit *fit)
{
    const struct mixture *m = t->mixture;
    logistic_scores(st->l, m->k, m->theta);
    for (int h = 0; h < st->d->annotators; h++) {
        double posterior[FIT_GROUPS_MAX];
        mixture_posterior(m, h, fit->temperature, posterior);
        for (int i = t->test->start[h]; i < t->test->start[h + 1]; i++) {
            double p = 0;
            for (int u = 0; u < m->k; u++)
                p += posterior[u] * choice_probability(logistic_margin(st->l, t->test->index[i], m->k, u));
            t->p_mixture[i] = (float)p;
            t->own[i] = t->label[h] < 0 ? 0 : (float)logistic_margin(st->l, t->test->index[i], m->k, t->label[h]);
        }
    }
}

static struct count *count_of(const struct tally *t, int annotator, int group)
{
    return &t->count[(size_t)annotator * ((size_t)t->k + 1) + (size_t)group];
}

static void add(struct count *c, double p_mixture, double p_pooled)
{
    c->n++;
    c->mixture += p_mixture > 0.5;
    c->mixture_ties += p_mixture == 0.5;
    c->pooled += p_pooled > 0.5;
    c->pooled_ties += p_pooled == 0.5;
}

static void count_fold(struct study *st, const struct trial *t, struct tally *tally)
{
    logistic_scores(st->l, 1, t->pooled->theta);
    for (int i = 0; i < t->test->n; i++) {
        int c = t->test->index[i], h = t->test->owner[i], label = t->label[h];
        if (st->d->tie[c])
            continue;
        double margin = logistic_margin(st->l, c, 1, 0);
        double pooled = choice_probability(margin), mixture = t->p_mixture[i];
        add(count_of(tally, h, tally->k), mixture, pooled);
        tally->everybody.pooled[tally->everybody.n++] = (float)margin;
        if (label >= 0 && t->same[label] >= 0) {
            struct margins *of = &tally->of[t->same[label]];
            add(count_of(tally, h, t->same[label]), mixture, pooled);
            of->own[of->n] = t->own[i];
            of->pooled[of->n++] = (float)margin;
        }
        double sure = fmax(mixture, 1 - mixture);
        int b = (int)((sure - 0.5) * 2 * FIT_CALIBRATION_BINS);
        struct fit_bin *bin = &tally->bin[b < FIT_CALIBRATION_BINS ? b : FIT_CALIBRATION_BINS - 1];
        bin->n++;
        bin->predicted += sure;
        bin->observed += mixture > 0.5 ? 1 : mixture == 0.5 ? 0.5 : 0;
    }
}

static int run_fold(struct study *st, const struct folds *folds, int i, const struct mixture *final,
                    const struct fit *fit, struct tally *tally, struct err *err)
{
    struct effort effort = {st->o->restarts < 3 ? st->o->restarts : 3, st->o->iterations, 1e-5};
    struct trial t = {0};
    int failed = -1;
    if (folds_cut(folds, i, st->all, &t.train, &t.test, err) < 0)
        goto out;
    t.label = mem_array((size_t)st->d->annotators, sizeof *t.label);
    t.p_mixture = mem_array((size_t)t.test->n, sizeof *t.p_mixture);
    t.own = mem_array((size_t)t.test->n, sizeof *t.own);
    if (!t.label || !t.p_mixture || !t.own) {
        err_memory(err);
        goto out;
    }
    if (study_pooled(st, t.train, fit->ridge_pooled, NULL, &t.pooled, err) < 0 ||
        study_mixture(st, t.train, final->k, fit->ridge, effort, t.pooled, NULL, &t.mixture, err) < 0 ||
        match_groups(st, &t, final, fit, err) < 0)
        goto out;
    predict_mixture(st, &t, fit);
    count_fold(st, &t, tally);
    failed = study_task_done(st, err);
out:
    sample_free(t.train);
    sample_free(t.test);
    mixture_free(t.pooled);
    mixture_free(t.mixture);
    mem_free(t.label);
    mem_free(t.p_mixture);
    mem_free(t.own);
    return failed;
}

/* Of a group, or (k) of everybody; the choices of an annotator are a cluster. */
static struct fit_accuracy accuracy_of(const struct tally *t, int group)
{
    struct clustered mixture = {0}, pooled = {0};
    for (int h = 0; h < t->annotators; h++) {
        const struct count *c = count_of(t, h, group);
        clustered_add(&mixture, c->mixture, c->mixture_ties, c->n);
        clustered_add(&pooled, c->pooled, c->pooled_ties, c->n);
    }
    return (struct fit_accuracy){clustered_proportion(&mixture), clustered_proportion(&pooled)};
}

static void tally_close(struct tally *t)
{
    mem_free(t->count);
    mem_free(t->block);
}

/* Room for every margin of every list: a comparison is held out once. tally_close must follow in any case. */
static int tally_open(struct tally *t, int annotators, int comparisons, int k, struct err *err)
{
    size_t n = (size_t)comparisons;
    t->annotators = annotators;
    t->k = k;
    t->count = mem_zeroed((size_t)annotators * ((size_t)k + 1), sizeof *t->count);
    t->block = mem_array(n * (1 + 2 * (size_t)k), sizeof *t->block);
    if (!t->count || !t->block)
        return err_memory(err);
    t->everybody.pooled = t->block;
    for (int u = 0; u < k; u++) {
        t->of[u].own = t->block + n * (1 + 2 * (size_t)u);
        t->of[u].pooled = t->of[u].own + n;
    }
    return 0;
}

static void keep_bins(const struct tally *tally, struct fit *fit)
{
    for (int b = 0; b < FIT_CALIBRATION_BINS; b++) {
        const struct fit_bin *bin = &tally->bin[b];
        double n = bin->n > 0 ? bin->n : 1;
        fit->calibration[b] = (struct fit_bin){bin->n, bin->predicted / n, bin->observed / n};
        fit->calibration_error += fabs(bin->predicted - bin->observed) / fmax(fit->accuracy.mixture.n, 1);
    }
}

int accuracy_measure(struct study *st, const struct folds *folds, const struct mixture *final, struct fit *fit,
                     struct err *err)
{
    struct tally tally = {0};
    int result = -1;
    if (study_phase(st, PHASE_ACCURACY, folds->n, err) < 0 ||
        tally_open(&tally, st->d->annotators, st->d->comparisons, fit->k, err) < 0)
        goto out;
    for (int i = 0; i < folds->n; i++)
        if (run_fold(st, folds, i, final, fit, &tally, err) < 0)
            goto out;
    fit->accuracy = accuracy_of(&tally, fit->k);
    fit->pooled_calibration = calibration_of(tally.everybody.n, tally.everybody.pooled);
    for (int u = 0; u < fit->k; u++) {
        struct fit_group *g = &fit->group[u];
        g->accuracy = accuracy_of(&tally, u);
        g->calibration = calibration_of(tally.of[u].n, tally.of[u].own);
        g->pooled_calibration = calibration_of(tally.of[u].n, tally.of[u].pooled);
    }
    keep_bins(&tally, fit);
    result = 0;
out:
    tally_close(&tally);
    return result;
}
