#include "core/reward/mixture.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "core/reward/minimise.h"

/* a: one pseudo-annotator for each group keeps eta off zero. */
static const double SMOOTHING = 1;
/* Responsibilities below this are 0: the annotator is skipped in that group. */
static const double NEGLIGIBLE = 1e-9;

enum { FIRST_STEPS = 12, SETTLE_ITERATIONS = 3, RESEEDS = 1 };

int mixture_new(const struct design *d, int k, struct mixture **ret, struct err *err)
{
    struct mixture *m = mem_zeroed(1, sizeof *m);
    if (!m)
        return err_memory(err);
    m->k = k;
    m->dim = d->dim;
    m->annotators = d->annotators;
    m->theta = mem_zeroed((size_t)k * (size_t)d->dim, sizeof *m->theta);
    m->q = mem_array((size_t)d->annotators * (size_t)k, sizeof *m->q);
    m->likelihood = mem_zeroed((size_t)d->annotators * (size_t)k, sizeof *m->likelihood);
    if (!m->theta || !m->q || !m->likelihood) {
        mixture_free(m);
        return err_memory(err);
    }
    for (int i = 0; i < k * d->annotators; i++)
        m->q[i] = 1.0 / k;
    for (int u = 0; u < k; u++)
        m->eta[u] = 1.0 / k;
    *ret = m;
    return 0;
}

void mixture_free(struct mixture *m)
{
    if (!m)
        return;
    mem_free(m->theta);
    mem_free(m->q);
    mem_free(m->likelihood);
    mem_free(m->trace);
    mem_free(m);
}

static void *copy_of(const void *array, size_t count, size_t size)
{
    void *copy = mem_array(count, size);
    if (copy && count)
        memcpy(copy, array, count * size);
    return copy;
}

int mixture_copy(const struct mixture *m, struct mixture **ret, struct err *err)
{
    struct mixture *copy = mem_alloc(sizeof *copy);
    if (!copy)
        return err_memory(err);
    *copy = *m;
    size_t cells = (size_t)m->annotators * (size_t)m->k;
    copy->theta = copy_of(m->theta, (size_t)m->k * (size_t)m->dim, sizeof *m->theta);
    copy->q = copy_of(m->q, cells, sizeof *m->q);
    copy->likelihood = copy_of(m->likelihood, cells, sizeof *m->likelihood);
    copy->trace = copy_of(m->trace, (size_t)m->iterations, sizeof *m->trace);
    copy->trace_room = m->iterations;
    if (!copy->theta || !copy->q || !copy->likelihood || !copy->trace) {
        mixture_free(copy);
        return err_memory(err);
    }
    *ret = copy;
    return 0;
}

double log_sum_exp(int n, const double *x)
{
    double most = x[0], sum = 0;
    for (int i = 1; i < n; i++)
        most = fmax(most, x[i]);
    if (!isfinite(most))
        return most;
    for (int i = 0; i < n; i++)
        sum += exp(x[i] - most);
    return most + log(sum);
}

void mixture_posterior(const struct mixture *m, int h, double temperature, double *ret)
{
    double a[FIT_GROUPS_MAX];
    for (int u = 0; u < m->k; u++)
        a[u] = log(m->eta[u]) + m->likelihood[(size_t)h * (size_t)m->k + (size_t)u] / temperature;
    double total = log_sum_exp(m->k, a);
    for (int u = 0; u < m->k; u++)
        ret[u] = exp(a[u] - total);
}

static double squares(int n, const double *x)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum;
}

/* Sets q of annotator h; returns its term of F. */
static double soft_responsibility(struct mixture *m, int h)
{
    double a[FIT_GROUPS_MAX], *q = m->q + (size_t)h * (size_t)m->k, kept = 0;
    for (int u = 0; u < m->k; u++)
        a[u] = log(m->eta[u]) + m->likelihood[(size_t)h * (size_t)m->k + (size_t)u];
    double total = log_sum_exp(m->k, a);
    for (int u = 0; u < m->k; u++) {
        q[u] = exp(a[u] - total);
        q[u] = q[u] < NEGLIGIBLE ? 0 : q[u];
        kept += q[u];
    }
    for (int u = 0; u < m->k; u++)
        q[u] /= kept;
    return total;
}

static double hard_responsibility(struct mixture *m, int h)
{
    const double *likelihood = m->likelihood + (size_t)h * (size_t)m->k;
    double *q = m->q + (size_t)h * (size_t)m->k;
    int best = 0;
    for (int u = 0; u < m->k; u++) {
        q[u] = 0;
        if (likelihood[u] > likelihood[best])
            best = u;
    }
    q[best] = 1;
    return likelihood[best];
}

void mixture_expect(struct mixture *m, struct logistic *l, const struct sample *s, const struct mixture_options *o)
{
    bool hard = o->assignment == ASSIGNMENT_HARD;
    logistic_scores(l, m->k, m->theta);
    logistic_by_annotator(l, s, m->k, m->nu, m->likelihood);
    double f = -0.5 * o->ridge * squares(m->k * m->dim, m->theta);
    for (int u = 0; u < m->k && !hard; u++)
        f += SMOOTHING * log(m->eta[u]);
    for (int h = 0; h < m->annotators; h++) {
        if (s->start[h + 1] == s->start[h])
            memcpy(m->q + (size_t)h * (size_t)m->k, m->eta, (size_t)m->k * sizeof *m->q);
        else
            f += hard ? hard_responsibility(m, h) : soft_responsibility(m, h);
    }
    m->objective = f;
}

/* sizes[u] = sum_h q_hu over annotators with comparisons; returns how many those are. */
static int group_sizes(const struct mixture *m, const struct sample *s, double *sizes)
{
    int present = 0;
    memset(sizes, 0, (size_t)m->k * sizeof *sizes);
    for (int h = 0; h < m->annotators; h++) {
        if (s->start[h + 1] == s->start[h])
            continue;
        present++;
        for (int u = 0; u < m->k; u++)
            sizes[u] += m->q[(size_t)h * (size_t)m->k + (size_t)u];
    }
    return present;
}

/* What an M-step minimises: minus the expected log-likelihood plus the ridge, over x = (theta, log nu). */
struct loss {
    struct mixture *m;
    struct logistic *l;
    const struct sample *s;
    double ridge;
    bool davidson;
    double nu_slope;
};

static double loss_at(void *context, const double *x, double *gradient)
{
    struct loss *loss = context;
    const struct mixture *m = loss->m;
    int n = m->k * m->dim;
    if (gradient) {
        logistic_gradient(loss->l, loss->s, m->k, gradient);
        for (int i = 0; i < n; i++)
            gradient[i] = loss->ridge * x[i] - gradient[i];
        if (loss->davidson)
            gradient[n] = -loss->nu_slope;
        return 0;
    }
    double nu = loss->davidson ? exp(fmin(fmax(x[n], -30), 30)) : 0;
    double value = logistic_value(loss->l, loss->s, m->k, x, nu, m->q, &loss->nu_slope);
    return 0.5 * loss->ridge * squares(n, x) - value;
}

/* The run of EM: the mixture and what its M-steps need. */
struct run {
    struct mixture *m;
    struct logistic *l;
    const struct sample *s;
    const struct mixture_options *o;
    struct minimiser *minimiser;
    double *x, *metric; /* [k x dim + 1] */
    bool davidson;
};

static int run_open(struct run *r, struct err *err)
{
    int n = r->m->k * r->m->dim + 1;
    r->minimiser = minimiser_new(n - !r->davidson, err);
    if (!r->minimiser)
        return -1;
    r->x = mem_zeroed((size_t)n, sizeof *r->x);
    r->metric = mem_zeroed((size_t)n, sizeof *r->metric);
    return r->x && r->metric ? 0 : err_memory(err);
}

static void run_close(struct run *r)
{
    minimiser_free(r->minimiser);
    mem_free(r->x);
    mem_free(r->metric);
    r->minimiser = NULL;
    r->x = r->metric = NULL;
}

/* The curvature of a group's loss is about the ridge plus a fifth of its comparisons; features have unit size. */
static void fill_metric(struct run *r)
{
    const struct mixture *m = r->m;
    double mass[FIT_GROUPS_MAX] = {0};
    for (int h = 0; h < m->annotators; h++)
        for (int u = 0; u < m->k; u++)
            mass[u] += m->q[(size_t)h * (size_t)m->k + (size_t)u] * (r->s->start[h + 1] - r->s->start[h]);
    for (int i = 0; i < m->k * m->dim; i++)
        r->metric[i] = 1 / (r->o->ridge + 0.2 * mass[i / m->dim] + 1e-3);
    r->metric[m->k * m->dim] = 1 / (0.2 * r->s->n + 1);
}

static void weigh(struct mixture *m, const struct sample *s)
{
    double sizes[FIT_GROUPS_MAX];
    int present = group_sizes(m, s, sizes);
    for (int u = 0; u < m->k; u++)
        m->eta[u] = (sizes[u] + SMOOTHING) / (present + m->k * SMOOTHING);
}

static void maximise(struct run *r, int steps)
{
    struct mixture *m = r->m;
    int n = m->k * m->dim;
    weigh(m, r->s);
    struct loss loss = {.m = m, .l = r->l, .s = r->s, .ridge = r->o->ridge, .davidson = r->davidson};
    memcpy(r->x, m->theta, (size_t)n * sizeof *r->x);
    r->x[n] = r->davidson ? log(m->nu) : 0;
    fill_metric(r);
    logistic_focus(r->l, r->s, m->k, m->q);
    minimise(r->minimiser, r->x, r->metric, loss_at, &loss, steps, r->o->tolerance * 0.1, NULL);
    memcpy(m->theta, r->x, (size_t)n * sizeof *r->x);
    m->nu = r->davidson ? exp(fmin(fmax(r->x[n], -30), 30)) : 0;
}

static int note(struct mixture *m, struct err *err)
{
    if (m->iterations == m->trace_room) {
        int room = m->trace_room ? 2 * m->trace_room : 64;
        double *trace = mem_resize(m->trace, (size_t)room, sizeof *trace);
        if (!trace)
            return err_memory(err);
        m->trace = trace;
        m->trace_room = room;
    }
    m->trace[m->iterations++] = m->objective;
    return 0;
}

/* Gives group u the annotators whose comparisons the mixture explains worst: one in 2 K of them. */
static void reseed(struct mixture *m, const struct sample *s, int u)
{
    double worst = 0, best = -INFINITY;
    int present = 0;
    for (int h = 0; h < m->annotators; h++) {
        int n = s->start[h + 1] - s->start[h];
        if (n == 0)
            continue;
        double mean = log_sum_exp(m->k, m->likelihood + (size_t)h * (size_t)m->k) / n;
        worst = fmin(worst, mean);
        best = fmax(best, mean);
        present++;
    }
    double line = worst; /* raised by bisection until enough annotators lie below it */
    for (int i = 0, wanted = present / (2 * m->k) + 1; i < 40; i++) {
        int below = 0;
        double middle = (line + best) / 2;
        for (int h = 0; h < m->annotators; h++) {
            int n = s->start[h + 1] - s->start[h];
            below += n > 0 && log_sum_exp(m->k, m->likelihood + (size_t)h * (size_t)m->k) / n <= middle;
        }
        if (below <= wanted)
            line = middle;
        else
            best = middle;
    }
    for (int h = 0; h < m->annotators; h++) {
        int n = s->start[h + 1] - s->start[h];
        if (n == 0 || log_sum_exp(m->k, m->likelihood + (size_t)h * (size_t)m->k) / n > line)
            continue;
        for (int v = 0; v < m->k; v++)
            m->q[(size_t)h * (size_t)m->k + (size_t)v] = v == u;
    }
    memset(m->theta + (size_t)u * (size_t)m->dim, 0, (size_t)m->dim * sizeof *m->theta);
    m->reseeded++;
}

/* Takes group u out; what it was responsible for goes to the others. */
static void drop(struct mixture *m, int u)
{
    int k = m->k;
    for (int h = 0; h < m->annotators; h++) {
        double *from = m->q + (size_t)h * (size_t)k, *to = m->q + (size_t)h * (size_t)(k - 1), kept = 0;
        double rest = 1 - from[u];
        for (int v = 0, at = 0; v < k; v++)
            if (v != u) {
                to[at] = rest > 0.01 ? from[v] / rest : 1.0 / (k - 1);
                kept += to[at++];
            }
        for (int v = 0; v < k - 1; v++)
            to[v] /= kept;
    }
    memmove(m->theta + (size_t)u * (size_t)m->dim, m->theta + (size_t)(u + 1) * (size_t)m->dim,
            (size_t)(k - u - 1) * (size_t)m->dim * sizeof *m->theta);
    m->k--;
    m->dropped++;
}

/* Reseeds or drops the smallest group if it is too small. Returns 1 when it did, and EM starts afresh from q. */
static int mend(struct run *r, struct err *err)
{
    struct mixture *m = r->m;
    double sizes[FIT_GROUPS_MAX];
    if (m->k == 1)
        return 0;
    group_sizes(m, r->s, sizes);
    int least = 0;
    for (int u = 1; u < m->k; u++)
        if (sizes[u] < sizes[least])
            least = u;
    if (sizes[least] >= r->o->min_size)
        return 0;
    m->iterations = 0;
    if (m->reseeded < RESEEDS) {
        reseed(m, r->s, least);
        minimiser_forget(r->minimiser);
        return 1;
    }
    drop(m, least);
    run_close(r);
    return run_open(r, err) < 0 ? -1 : 1;
}

/* One iteration: M, E, bookkeeping. Returns 1 to go on, 0 when converged. */
static int iterate(struct run *r, double *former, struct err *err)
{
    struct mixture *m = r->m;
    bool first = m->iterations == 0;
    maximise(r, m->k == 1 ? 20 * r->o->steps : first ? FIRST_STEPS : r->o->steps);
    mixture_expect(m, r->l, r->s, r->o);
    if (!isfinite(m->objective))
        return err_set(err, ERR_NUMERICAL, "the likelihood of a mixture of %d groups is not finite", m->k);
    if (note(m, err) < 0)
        return -1;
    if (r->o->watch && r->o->watch(r->o->context, m->iterations, m->objective, err) < 0)
        return -1;
    int mended = m->iterations >= SETTLE_ITERATIONS ? mend(r, err) : 0;
    if (mended != 0)
        return mended;
    bool still = !first && m->objective - *former < r->o->tolerance * (1 + fabs(m->objective));
    *former = m->objective;
    m->converged = still;
    return !still;
}

static bool has_ties(const struct sample *s)
{
    for (int i = 0; i < s->n; i++)
        if (s->design->tie[s->index[i]])
            return true;
    return false;
}

int mixture_run(struct mixture *m, struct logistic *l, const struct sample *s, const struct mixture_options *o,
                struct err *err)
{
    struct run r = {.m = m, .l = l, .s = s, .o = o};
    r.davidson = o->ties == TIES_DAVIDSON && has_ties(s);
    m->nu = !r.davidson ? 0 : m->nu > 0 ? m->nu : 0.5;
    m->iterations = 0;
    m->converged = false;
    double former = -INFINITY;
    int going = run_open(&r, err) < 0 ? -1 : 1;
    for (int i = 0; i < o->iterations && going > 0; i++)
        going = iterate(&r, &former, err);
    if (going > 0 && m->iterations == 0) { /* the last iteration mended a group: eta and likelihood are those before */
        weigh(m, s);
        mixture_expect(m, l, s, o);
        going = note(m, err);
    }
    run_close(&r);
    return going < 0 ? -1 : 0;
}
