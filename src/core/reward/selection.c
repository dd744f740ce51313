#include "core/reward/selection.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { RIDGE_FOLDS = 3, WORSE_IN_A_ROW = 2 };

/* A ridge is worse when it loses this much held-out log-likelihood per comparison; less is noise where all heads are
 * still flat. */
static const double CLEARLY_WORSE = 0.005;

static const struct effort ridge_effort = {1, 40, 1e-5};

/* The same for the data and for each permutation of it: a gain can only be compared with gains found as hard. */
static struct effort contest_effort(const struct study *st)
{
    return (struct effort){st->o->restarts, st->o->iterations, 1e-5};
}

/* One fold of the ridge search, with the states that the next ridge starts from. */
struct ridge_fold {
    struct sample *train, *test;
    struct mixture *pooled, *mixture;
};

static void close_ridge_folds(struct ridge_fold *f)
{
    for (int i = 0; i < RIDGE_FOLDS; i++) {
        sample_free(f[i].train);
        sample_free(f[i].test);
        mixture_free(f[i].pooled);
        mixture_free(f[i].mixture);
    }
}

static double sum_of(int n, const double *x)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

/* Puts `next` in the place of *present and adds its held-out likelihood to *total. */
static int advance(struct study *st, struct mixture **present, struct mixture *next, const struct sample *test,
                   double *scratch, double *total, struct err *err)
{
    mixture_free(*present);
    *present = next;
    if (study_held_out(st, next, test, 1, scratch, err) < 0)
        return -1;
    *total += sum_of(next->annotators, scratch);
    return 0;
}

static int try_ridge(struct study *st, struct ridge_fold *f, int k, double ridge, double *scratch, double *pooled,
                     double *mixture, struct err *err)
{
    struct mixture *next;
    if (study_pooled(st, f->train, ridge, f->pooled, &next, err) < 0 ||
        advance(st, &f->pooled, next, f->test, scratch, pooled, err) < 0)
        return -1;
    if (study_mixture(st, f->train, k, ridge, ridge_effort, f->pooled, f->mixture, &next, err) < 0 ||
        advance(st, &f->mixture, next, f->test, scratch, mixture, err) < 0)
        return -1;
    return study_task_done(st, err);
}

/* The grid from the top down; stops when both figures have been clearly worse than their best for a while. */
static int walk_grid(struct study *st, struct ridge_fold *folds, int n, int tested, double *scratch, struct fit *fit,
                     struct err *err)
{
    double best_pooled = -INFINITY, best_mixture = -INFINITY;
    int worse = 0, k = st->o->k > 1 ? st->o->k : 2;
    for (int g = st->o->ridges - 1; g >= 0 && worse < WORSE_IN_A_ROW; g--) {
        double ridge = st->o->ridge_grid[g], pooled = 0, mixture = 0;
        for (int i = 0; i < n; i++)
            if (try_ridge(st, &folds[i], k, ridge, scratch, &pooled, &mixture, err) < 0)
                return -1;
        fit->ridge_path[fit->ridges++] = (struct fit_ridge){ridge, pooled / tested, mixture / tested};
        double slack = CLEARLY_WORSE * tested;
        worse = pooled < best_pooled - slack && mixture < best_mixture - slack ? worse + 1 : 0;
        if (pooled > best_pooled) {
            best_pooled = pooled;
            fit->ridge_pooled = ridge;
        }
        if (mixture > best_mixture) {
            best_mixture = mixture;
            fit->ridge = ridge;
        }
    }
    return 0;
}

int selection_ridge(struct study *st, const struct folds *folds, struct fit *fit, struct err *err)
{
    if (st->o->ridge > 0) {
        fit->ridge = fit->ridge_pooled = st->o->ridge;
        return 0;
    }
    struct ridge_fold cut[RIDGE_FOLDS] = {0};
    int n = folds->n < RIDGE_FOLDS ? folds->n : RIDGE_FOLDS, tested = 0, failed = -1;
    double *scratch = mem_array((size_t)st->d->annotators, sizeof *scratch);
    if (!scratch) {
        err_memory(err);
        goto out;
    }
    if (study_phase(st, PHASE_RIDGE, n * st->o->ridges, err) < 0)
        goto out;
    for (int i = 0; i < n; i++) {
        if (folds_cut(folds, i, st->all, &cut[i].train, &cut[i].test, err) < 0)
            goto out;
        tested += cut[i].test->n;
    }
    failed = walk_grid(st, cut, n, tested > 0 ? tested : 1, scratch, fit, err);
out:
    mem_free(scratch);
    close_ridge_folds(cut);
    return failed;
}

/* Mean per comparison of a sum over annotators, with the standard error that treats annotators as the drawn units. */
static void ratio(const struct sample *test, const double *x, const double *base, double *ret_mean, double *ret_error)
{
    double total = 0, squares = 0;
    int annotators = test->design->annotators, present = 0;
    for (int h = 0; h < annotators; h++)
        total += x[h] - (base ? base[h] : 0);
    double mean = test->n > 0 ? total / test->n : 0;
    for (int h = 0; h < annotators; h++) {
        int n = test->start[h + 1] - test->start[h];
        double rest = x[h] - (base ? base[h] : 0) - mean * n;
        squares += rest * rest;
        present += n > 0;
    }
    *ret_mean = mean;
    *ret_error = present > 1 ? sqrt(squares * present / (present - 1.0)) / test->n : INFINITY;
}

/* The comparison of numbers of groups on one split. */
struct contest {
    struct study *st;
    struct sample *early, *late;
    struct mixture *fitted[FIT_GROUPS_MAX]; /* by k - 1 */
    double *held_out;                       /* [FIT_GROUPS_MAX x annotators] */
    int tried;
};

static double *held_out_of(const struct contest *c, int k)
{
    return c->held_out + (size_t)(k - 1) * (size_t)c->st->d->annotators;
}

static int contest_open(struct contest *c, struct study *st, const struct sample *s, struct err *err)
{
    *c = (struct contest){.st = st};
    c->held_out = mem_zeroed((size_t)FIT_GROUPS_MAX * (size_t)st->d->annotators, sizeof *c->held_out);
    if (!c->held_out)
        return err_memory(err);
    return study_split_late(s, &c->early, &c->late, err);
}

static void contest_close(struct contest *c)
{
    sample_free(c->early);
    sample_free(c->late);
    for (int i = 0; i < FIT_GROUPS_MAX; i++)
        mixture_free(c->fitted[i]);
    mem_free(c->held_out);
}

/* Fits k groups to the early part and judges them on the late one. k = 1 comes first. */
static int contest_try(struct contest *c, int k, const struct fit *fit, struct err *err)
{
    double ridge = k == 1 ? fit->ridge_pooled : fit->ridge;
    if (study_mixture(c->st, c->early, k, ridge, contest_effort(c->st), c->fitted[0], NULL, &c->fitted[k - 1], err) < 0)
        return -1;
    if (study_held_out(c->st, c->fitted[k - 1], c->late, 1, held_out_of(c, k), err) < 0)
        return -1;
    c->tried = k > c->tried ? k : c->tried;
    return 0;
}

static void note_evidence(const struct contest *c, int k, struct fit *fit)
{
    struct fit_evidence *e = &fit->evidence[fit->evidences++];
    *e = (struct fit_evidence){.k = k, .permutation_p = NAN, .train = c->fitted[k - 1]->objective};
    ratio(c->late, held_out_of(c, k), NULL, &e->held_out, &e->standard_error);
    ratio(c->late, held_out_of(c, k), held_out_of(c, 1), &e->gain, &e->gain_error);
}

/* The smallest K whose held-out likelihood is within one standard error (of the paired difference) of the best one's.
 * Where groups were dropped, K is not a number of groups that the data can fill, and does not stand. */
static int smallest_good(const struct contest *c, const struct fit *fit)
{
    int best = 1;
    for (int k = 2; k <= c->tried; k++)
        if (c->fitted[k - 1]->k == k && fit->evidence[k - 1].held_out > fit->evidence[best - 1].held_out)
            best = k;
    for (int k = 1; k < best; k++) {
        if (c->fitted[k - 1]->k < k)
            continue;
        double lead, error;
        ratio(c->late, held_out_of(c, best), held_out_of(c, k), &lead, &error);
        if (lead <= error)
            return k;
    }
    return best;
}

/* The gain of k groups over one when annotator ids are dealt anew. */
static int null_gain(struct study *st, const struct fit *fit, int k, int number, double *ret, struct err *err)
{
    struct contest c = {.st = st};
    struct sample *dealt = NULL;
    int failed = -1;
    double error;
    if (sample_permuted(st->all, st->o->seed, STREAM_PERMUTE + (uint64_t)number, &dealt, err) < 0 ||
        contest_open(&c, st, dealt, err) < 0 || contest_try(&c, 1, fit, err) < 0 ||
        contest_try(&c, k, fit, err) < 0)
        goto out;
    ratio(c.late, held_out_of(&c, k), held_out_of(&c, 1), ret, &error);
    failed = 0;
out:
    contest_close(&c);
    sample_free(dealt);
    return failed;
}

/* p = (1 + #{null gain >= gain}) / (1 + n) with n the draws that were made. They stop as soon as all of them together
 * could not reach the significance any more (Besag and Clifford 1991): p, then from fewer draws, errs upwards. */
static int permutation_test(struct study *st, struct fit *fit, int k, struct err *err)
{
    struct fit_evidence *e = &fit->evidence[k - 1];
    int n = st->o->permutations, reached = 0, drawn = 0;
    if (study_phase(st, PHASE_PERMUTATION, n, err) < 0)
        return -1;
    while (drawn < n && (1.0 + reached) / (1.0 + n) <= st->o->significance) {
        double gain;
        if (null_gain(st, fit, k, drawn, &gain, err) < 0 || study_task_done(st, err) < 0)
            return -1;
        reached += gain >= e->gain;
        drawn++;
    }
    e->permutation_p = (1.0 + reached) / (1.0 + drawn);
    return 0;
}

/* The temperature at which the posteriors of k groups say most about the late comparisons. */
static int choose_temperature(struct contest *c, int k, struct fit *fit, struct err *err)
{
    static const double grid[] = {1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24};
    double best = 0, *scratch = held_out_of(c, k);
    for (size_t i = 0; i < sizeof grid / sizeof grid[0]; i++) {
        if (study_held_out(c->st, c->fitted[k - 1], c->late, grid[i], scratch, err) < 0)
            return -1;
        double sum = sum_of(c->st->d->annotators, scratch);
        if (i == 0 || sum > best + 1e-9 * fabs(best)) {
            best = sum;
            fit->temperature = grid[i];
        }
    }
    return 0;
}

/* Every K from 1 up; stops when two in a row are worse than the best before them. */
static int try_all(struct contest *c, struct fit *fit, struct err *err)
{
    struct study *st = c->st;
    double best = -INFINITY;
    int worse = 0;
    if (study_phase(st, PHASE_GROUPS, st->o->k_max, err) < 0)
        return -1;
    for (int k = 1; k <= st->o->k_max && worse < WORSE_IN_A_ROW; k++) {
        if (contest_try(c, k, fit, err) < 0 || study_task_done(st, err) < 0)
            return -1;
        note_evidence(c, k, fit);
        worse = fit->evidence[k - 1].held_out < best ? worse + 1 : 0;
        best = fmax(best, fit->evidence[k - 1].held_out);
    }
    return 0;
}

static void explain(const struct contest *c, struct fit *fit, int candidate)
{
    const struct fit_evidence *e = &fit->evidence[candidate - 1];
    if (c->st->o->k_max == 1)
        snprintf(fit->reason, sizeof fit->reason, "One group: the options allow no more.");
    else if (c->late->n == 0)
        snprintf(fit->reason, sizeof fit->reason, "One group: no annotator has the four comparisons that it takes to "
                 "judge whether more would predict better.");
    else if (candidate == 1)
        snprintf(fit->reason, sizeof fit->reason, "One group suffices: more groups do not predict held-out comparisons "
                 "better by more than a standard error.");
    else if (e->permutation_p > c->st->o->significance)
        snprintf(fit->reason, sizeof fit->reason, "One group suffices: with permuted annotators %d groups gain as much "
                 "too often (p = %.3f).", candidate, e->permutation_p);
    else
        snprintf(fit->reason, sizeof fit->reason, "%d groups: the fewest within a standard error of the best held-out "
                 "likelihood; gain over one %.4f per comparison (s.e. %.4f).", candidate, e->gain, e->gain_error);
}

static int choose(struct contest *c, struct fit *fit, struct err *err)
{
    struct study *st = c->st;
    if (try_all(c, fit, err) < 0)
        return -1;
    int k = smallest_good(c, fit);
    if (k > 1 && st->o->permutations && permutation_test(st, fit, k, err) < 0)
        return -1;
    explain(c, fit, k);
    fit->k = k > 1 && fit->evidence[k - 1].permutation_p > st->o->significance ? 1 : k;
    return 0;
}

int selection_groups(struct study *st, struct fit *fit, struct err *err)
{
    struct contest c;
    int failed = -1, forced = st->o->k;
    if (contest_open(&c, st, st->all, err) < 0)
        goto out;
    if (forced) {
        snprintf(fit->reason, sizeof fit->reason, "The number of groups was given, not chosen.");
        fit->k = forced;
        fit->forced = true;
        if (study_phase(st, PHASE_GROUPS, 2, err) < 0 || contest_try(&c, 1, fit, err) < 0 ||
            (forced > 1 && contest_try(&c, forced, fit, err) < 0))
            goto out;
    } else if (choose(&c, fit, err) < 0) {
        goto out;
    }
    fit->temperature = 1;
    failed = fit->k > 1 ? choose_temperature(&c, fit->k, fit, err) : 0;
out:
    contest_close(&c);
    return failed;
}
