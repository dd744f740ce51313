#include "core/reward/study.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "core/reward/start.h"

enum { SHORT_ITERATIONS = 6, FINALISTS = 2, STEPS = 3 };

static const struct {
    const char *name;
    double start, share;
} phases[] = {
    [PHASE_RIDGE] = {"ridge", 0, 0.3},
    [PHASE_GROUPS] = {"groups", 0.3, 0.25},
    [PHASE_PERMUTATION] = {"permutation", 0.55, 0.2},
    [PHASE_MIXTURE] = {"mixture", 0.75, 0.05},
    [PHASE_ACCURACY] = {"accuracy", 0.8, 0.2},
};

int study_open(struct study *st, const struct dataset *ds, struct design *d, const struct fit_options *o,
               struct err *err)
{
    *st = (struct study){.o = o, .d = d};
    int groups = o->k > o->k_max ? o->k : o->k_max;
    if (ds && design_new(ds, o->strength_weights, &st->d, err) < 0)
        return -1;
    st->pool = threads_new(o->threads, err);
    if (!st->pool || sample_all(st->d, &st->all, err) < 0)
        return -1;
    st->l = logistic_new(st->d, groups < 2 ? 2 : groups, st->pool, err);
    return st->l ? 0 : -1;
}

void study_close(struct study *st)
{
    logistic_free(st->l);
    sample_free(st->all);
    threads_free(st->pool);
    design_free(st->d);
}

static int report(struct study *st, struct err *err)
{
    double part = st->tasks > 0 ? (double)st->done / st->tasks : 1;
    st->progress.fraction = fmax(st->progress.fraction, st->phase_start + st->phase_share * fmin(part, 1));
    if (st->o->progress && !st->o->progress(st->o->context, &st->progress))
        return err_set(err, ERR_CANCELLED, "the fit was cancelled during the phase \"%s\"", st->progress.phase);
    return 0;
}

int study_phase(struct study *st, enum phase phase, int tasks, struct err *err)
{
    st->progress.phase = phases[phase].name;
    st->phase_start = phases[phase].start;
    st->phase_share = phases[phase].share;
    st->tasks = tasks;
    st->done = 0;
    return report(st, err);
}

int study_task_done(struct study *st, struct err *err)
{
    st->done++;
    return report(st, err);
}

static int watch(void *context, int iteration, double objective, struct err *err)
{
    struct study *st = context;
    st->progress.iteration = iteration;
    st->progress.objective = objective;
    return report(st, err);
}

static struct mixture_options options_of(struct study *st, double ridge, int iterations, double tolerance)
{
    return (struct mixture_options){.ridge = ridge,
                                    .assignment = st->o->assignment,
                                    .ties = st->o->ties,
                                    .iterations = iterations,
                                    .steps = STEPS,
                                    .tolerance = tolerance,
                                    .min_size = st->o->min_group_size,
                                    .watch = watch,
                                    .context = st};
}

int study_pooled(struct study *st, const struct sample *s, double ridge, const struct mixture *warm,
                 struct mixture **ret, struct err *err)
{
    struct mixture_options o = options_of(st, ridge, 8, 1e-7);
    struct mixture *m;
    if (mixture_new(st->d, 1, &m, err) < 0)
        return -1;
    if (warm)
        memcpy(m->theta, warm->theta, (size_t)m->dim * sizeof *m->theta);
    if (mixture_run(m, st->l, s, &o, err) < 0) {
        mixture_free(m);
        return -1;
    }
    *ret = m;
    return 0;
}

/* Start number r of a search: spectral, then spectral and random in turn; round-robin first for hard assignment. */
static int start(struct study *st, const struct sample *s, const struct mixture *pooled, int r, struct mixture *m,
                 struct err *err)
{
    uint64_t stream = STREAM_SEARCH + (uint64_t)(r + 1000 * m->k);
    if (st->o->assignment == ASSIGNMENT_HARD && r == 0) {
        start_round_robin(m);
        return 0;
    }
    if (r % 3 == 2) {
        start_random(m, st->o->seed, stream);
        return 0;
    }
    return start_spectral(m, st->l, s, pooled->theta, st->o->seed, stream, err);
}

/* The runs of a search: candidates in order of F, the best first, at most FINALISTS of them. */
struct field {
    struct mixture *best[FINALISTS + 1];
    int n;
};

static void field_close(struct field *f)
{
    for (int i = 0; i < f->n; i++)
        mixture_free(f->best[i]);
    f->n = 0;
}

/* Takes m over. */
static void field_add(struct field *f, struct mixture *m)
{
    int at = f->n++;
    for (; at > 0 && f->best[at - 1]->objective < m->objective; at--)
        f->best[at] = f->best[at - 1];
    f->best[at] = m;
    if (f->n > FINALISTS)
        mixture_free(f->best[--f->n]);
}

/* One short run into the field. */
static int try_start(struct study *st, const struct sample *s, int k, int r, const struct mixture *pooled,
                     const struct mixture *warm, const struct mixture_options *o, struct field *field,
                     struct err *err)
{
    struct mixture *m;
    if (mixture_new(st->d, k, &m, err) < 0)
        return -1;
    bool failed = false;
    if (warm) {
        memcpy(m->theta, warm->theta, (size_t)k * (size_t)m->dim * sizeof *m->theta);
        memcpy(m->q, warm->q, (size_t)k * (size_t)m->annotators * sizeof *m->q);
        m->nu = warm->nu;
    } else {
        failed = start(st, s, pooled, r, m, err) < 0;
    }
    if (failed || mixture_run(m, st->l, s, o, err) < 0) {
        mixture_free(m);
        return -1;
    }
    field_add(field, m);
    return 0;
}

int study_mixture(struct study *st, const struct sample *s, int k, double ridge, struct effort effort,
                  const struct mixture *pooled, const struct mixture *warm, struct mixture **ret, struct err *err)
{
    if (k == 1)
        return study_pooled(st, s, ridge, pooled, ret, err);
    struct field heats = {.n = 0}, finals = {.n = 0};
    int failed = -1;
    bool alone = effort.restarts == 1 && !(warm && warm->k == k);
    int first = alone || effort.iterations < SHORT_ITERATIONS ? effort.iterations : SHORT_ITERATIONS;
    struct mixture_options o = options_of(st, ridge, first, effort.tolerance);
    if (warm && warm->k == k && try_start(st, s, k, 0, pooled, warm, &o, &heats, err) < 0)
        goto out;
    for (int r = 0; r < effort.restarts; r++)
        if (try_start(st, s, k, r, pooled, NULL, &o, &heats, err) < 0)
            goto out;
    o.iterations = effort.iterations;
    while (heats.n > 0) {
        struct mixture *m = heats.best[--heats.n];
        if (!m->converged && !alone && mixture_run(m, st->l, s, &o, err) < 0) {
            mixture_free(m);
            goto out;
        }
        field_add(&finals, m);
    }
    *ret = finals.best[0];
    for (int i = 1; i < finals.n; i++)
        mixture_free(finals.best[i]);
    finals.n = 0;
    failed = 0;
out:
    field_close(&heats);
    field_close(&finals);
    return failed;
}

int study_split_late(const struct sample *s, struct sample **ret_early, struct sample **ret_late, struct err *err)
{
    uint8_t *early = mem_zeroed((size_t)s->n, 1), *late = mem_zeroed((size_t)s->n, 1);
    int failed = -1;
    *ret_early = *ret_late = NULL;
    if (!early || !late) {
        err_memory(err);
        goto out;
    }
    for (int h = 0; h < s->design->annotators; h++) {
        int n = s->start[h + 1] - s->start[h], first_late = s->start[h + 1] - n / 4;
        memset(early + s->start[h], 1, (size_t)(first_late - s->start[h]));
        memset(late + first_late, 1, (size_t)(n / 4));
    }
    if (sample_part(s, early, ret_early, err) < 0)
        goto out;
    failed = sample_part(s, late, ret_late, err);
    if (failed < 0) {
        sample_free(*ret_early);
        *ret_early = NULL;
    }
out:
    mem_free(early);
    mem_free(late);
    return failed;
}

int study_held_out(struct study *st, const struct mixture *m, const struct sample *test, double temperature,
                   double *ret, struct err *err)
{
    size_t k = (size_t)m->k;
    double *likelihood = mem_array((size_t)m->annotators * k, sizeof *likelihood);
    if (!likelihood)
        return err_memory(err);
    logistic_scores(st->l, m->k, m->theta);
    logistic_by_annotator(st->l, test, m->k, m->nu, likelihood);
    for (int h = 0; h < m->annotators; h++) {
        double posterior[FIT_GROUPS_MAX], a[FIT_GROUPS_MAX];
        ret[h] = 0;
        if (test->start[h + 1] == test->start[h])
            continue;
        mixture_posterior(m, h, temperature, posterior);
        for (int u = 0; u < m->k; u++)
            a[u] = log(fmax(posterior[u], 1e-300)) + likelihood[(size_t)h * k + (size_t)u];
        ret[h] = log_sum_exp(m->k, a);
    }
    mem_free(likelihood);
    return 0;
}
