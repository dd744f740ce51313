#include "core/reward/accuracy.h"

#include <math.h>

#include "base/mem.h"
#include "core/reward/choice.h"
#include "core/reward/lineage.h"

/* Right predictions; a half for an undecided one. */
struct count {
    double n, mixture, pooled;
};

struct tally {
    struct count all, group[FIT_GROUPS_MAX];
    struct fit_bin bin[FIT_CALIBRATION_BINS];
};

/* One fold: models of its training part, and what they say about its comparisons. */
struct trial {
    struct sample *train, *test;
    struct mixture *pooled, *mixture;
    int *label;               /* [annotators] group of the training posterior, -1 when below the threshold */
    int same[FIT_GROUPS_MAX]; /* group of the full fit that a fold's group continues, or -1 */
    float *p_mixture;         /* [test->n] P(the winner wins) */
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

/* p_mixture: the posterior-weighted probability that the winner of each held-out comparison wins. */
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
        }
    }
}

static double right(double p)
{
    return p > 0.5 ? 1 : p == 0.5 ? 0.5 : 0;
}

static void add(struct count *c, double p_mixture, double p_pooled)
{
    c->n++;
    c->mixture += right(p_mixture);
    c->pooled += right(p_pooled);
}

static void count_fold(struct study *st, const struct trial *t, struct tally *tally)
{
    logistic_scores(st->l, 1, t->pooled->theta);
    for (int i = 0; i < t->test->n; i++) {
        int c = t->test->index[i], label = t->label[t->test->owner[i]];
        if (st->d->tie[c])
            continue;
        double pooled = choice_probability(logistic_margin(st->l, c, 1, 0)), mixture = t->p_mixture[i];
        add(&tally->all, mixture, pooled);
        if (label >= 0 && t->same[label] >= 0)
            add(&tally->group[t->same[label]], mixture, pooled);
        double sure = fmax(mixture, 1 - mixture);
        int b = (int)((sure - 0.5) * 2 * FIT_CALIBRATION_BINS);
        struct fit_bin *bin = &tally->bin[b < FIT_CALIBRATION_BINS ? b : FIT_CALIBRATION_BINS - 1];
        bin->n++;
        bin->predicted += sure;
        bin->observed += right(mixture);
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
    if (!t.label || !t.p_mixture) {
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
    return failed;
}

static struct fit_accuracy accuracy_of(const struct count *c)
{
    return (struct fit_accuracy){proportion_of(c->mixture, c->n), proportion_of(c->pooled, c->n)};
}

int accuracy_measure(struct study *st, const struct folds *folds, const struct mixture *final, struct fit *fit,
                     struct err *err)
{
    struct tally tally = {0};
    if (study_phase(st, PHASE_ACCURACY, folds->n, err) < 0)
        return -1;
    for (int i = 0; i < folds->n; i++)
        if (run_fold(st, folds, i, final, fit, &tally, err) < 0)
            return -1;
    fit->accuracy = accuracy_of(&tally.all);
    for (int u = 0; u < fit->k; u++)
        fit->group[u].accuracy = accuracy_of(&tally.group[u]);
    for (int b = 0; b < FIT_CALIBRATION_BINS; b++) {
        struct fit_bin *bin = &tally.bin[b];
        double n = bin->n > 0 ? bin->n : 1;
        fit->calibration[b] = (struct fit_bin){bin->n, bin->predicted / n, bin->observed / n};
        fit->calibration_error += fabs(bin->predicted - bin->observed) / fmax(tally.all.n, 1);
    }
    return 0;
}
