#include "core/reward/minimise.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { PAIRS = 10, BACKTRACKS = 25 };

struct minimiser {
    int n, pairs, newest; /* `pairs` of PAIRS in use, as a ring */
    double *s[PAIRS], *y[PAIRS], rho[PAIRS];
    double *gradient, *trial, *trial_gradient, *direction;
    double *block;
};

struct minimiser *minimiser_new(int n, struct err *err)
{
    struct minimiser *m = mem_zeroed(1, sizeof *m);
    if (!m || !(m->block = mem_aligned((size_t)n * (2 * PAIRS + 4), sizeof(double)))) {
        mem_free(m);
        err_memory(err);
        return NULL;
    }
    m->n = n;
    double *next = m->block;
    for (int i = 0; i < PAIRS; i++) {
        m->s[i] = next + (size_t)(2 * i) * (size_t)n;
        m->y[i] = next + (size_t)(2 * i + 1) * (size_t)n;
    }
    next += (size_t)(2 * PAIRS) * (size_t)n;
    m->gradient = next;
    m->trial = next + n;
    m->trial_gradient = next + 2 * (size_t)n;
    m->direction = next + 3 * (size_t)n;
    return m;
}

void minimiser_free(struct minimiser *m)
{
    if (!m)
        return;
    mem_free(m->block);
    mem_free(m);
}

void minimiser_forget(struct minimiser *m)
{
    m->pairs = 0;
}

static double dot(int n, const double *x, const double *y)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

/* The two-loop recursion: direction = -H gradient. */
static void direction_of(struct minimiser *m, const double *metric)
{
    int n = m->n;
    double alpha[PAIRS], *d = m->direction;
    for (int i = 0; i < n; i++)
        d[i] = -m->gradient[i];
    for (int p = 0; p < m->pairs; p++) {
        int i = (m->newest - p + PAIRS) % PAIRS;
        alpha[i] = m->rho[i] * dot(n, m->s[i], d);
        for (int j = 0; j < n; j++)
            d[j] -= alpha[i] * m->y[i][j];
    }
    double size = 1;
    if (m->pairs > 0) { /* the newest pair says how far off the metric is */
        double curvature = 0;
        for (int j = 0; j < n; j++)
            curvature += m->y[m->newest][j] * metric[j] * m->y[m->newest][j];
        size = 1 / (m->rho[m->newest] * curvature);
    }
    for (int j = 0; j < n; j++)
        d[j] *= size * metric[j];
    for (int p = m->pairs - 1; p >= 0; p--) {
        int i = (m->newest - p + PAIRS) % PAIRS;
        double beta = m->rho[i] * dot(n, m->y[i], d);
        for (int j = 0; j < n; j++)
            d[j] += (alpha[i] - beta) * m->s[i][j];
    }
}

/* Remembers the step from x to trial, if it shows positive curvature. */
static void remember(struct minimiser *m, const double *x)
{
    int i = (m->newest + 1) % PAIRS;
    double sy = 0, yy = 0;
    for (int j = 0; j < m->n; j++) {
        m->s[i][j] = m->trial[j] - x[j];
        m->y[i][j] = m->trial_gradient[j] - m->gradient[j];
        sy += m->s[i][j] * m->y[i][j];
        yy += m->y[i][j] * m->y[i][j];
    }
    if (!(sy > 1e-12 * yy))
        return;
    m->rho[i] = 1 / sy;
    m->newest = i;
    if (m->pairs < PAIRS)
        m->pairs++;
}

/* Finds a step along the direction that lowers f enough; the trial point is then the new one. Returns its value, or a
 * NAN when no step does. */
static double search(struct minimiser *m, const double *x, double value, double slope, minimise_function *f,
                     void *context)
{
    double step = 1;
    for (int i = 0; i < BACKTRACKS; i++) {
        for (int j = 0; j < m->n; j++)
            m->trial[j] = x[j] + step * m->direction[j];
        double next = f(context, m->trial, NULL);
        if (next <= value + 1e-4 * step * slope)
            return next;
        double parabola = -slope * step / (2 * (next - value - slope * step)); /* its minimum, as a part of step */
        step *= parabola > 0.1 && parabola < 0.6 ? parabola : isfinite(next) ? 0.5 : 0.1;
    }
    return NAN;
}

double minimise(struct minimiser *m, double *x, const double *metric, minimise_function *f, void *context, int steps,
                double tolerance, int *ret_steps)
{
    double value = f(context, x, NULL);
    f(context, x, m->gradient);
    int taken = 0;
    while (taken < steps) {
        direction_of(m, metric);
        double slope = dot(m->n, m->gradient, m->direction);
        if (!(slope < 0)) { /* stale pairs: start again from the metric */
            if (m->pairs == 0)
                break;
            minimiser_forget(m);
            continue;
        }
        double next = search(m, x, value, slope, f, context);
        if (isnan(next)) {
            if (m->pairs == 0)
                break;
            minimiser_forget(m);
            continue;
        }
        f(context, m->trial, m->trial_gradient);
        remember(m, x);
        memcpy(x, m->trial, (size_t)m->n * sizeof *x);
        memcpy(m->gradient, m->trial_gradient, (size_t)m->n * sizeof *x);
        double gain = value - next;
        value = next;
        taken++;
        if (gain < tolerance * (1 + fabs(value)))
            break;
    }
    if (ret_steps)
        *ret_steps = taken;
    return value;
}
