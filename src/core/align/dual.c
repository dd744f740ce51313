#include "core/align/dual.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { G = OBJECTIVE_GROUPS_MAX, NEWTON_STEPS = 200, FAIR_STEPS = 10000, HALVINGS = 40 };

/* One problem under way. */
struct dual {
    const struct candidates *c;
    const struct objective_options *o;
    double beta;
    double *policy, *scalar;
    int part[G], parts; /* the groups that take part in the minimum */
};

static void mix(const struct candidates *c, const double *w, double *ret)
{
    for (int y = 0; y < c->start[c->prompts]; y++) {
        const double *r = c->reward + (size_t)y * (size_t)(c->groups + 1);
        ret[y] = 0;
        for (int u = 0; u < c->groups; u++)
            ret[y] += w[u] * r[u];
    }
}

static void covariance(const struct candidates *c, const double *policy, double *ret)
{
    int k = c->groups;
    size_t row = (size_t)k + 1;
    memset(ret, 0, (size_t)(k * k) * sizeof *ret);
    for (int i = 0; i < c->prompts; i++) {
        double mean[G] = {0};
        for (int y = c->start[i]; y < c->start[i + 1]; y++)
            for (int u = 0; u < k; u++)
                mean[u] += policy[y] * c->reward[(size_t)y * row + (size_t)u];
        for (int y = c->start[i]; y < c->start[i + 1]; y++) {
            const double *r = c->reward + (size_t)y * row;
            for (int u = 0; u < k; u++)
                for (int v = 0; v < k; v++)
                    ret[u * k + v] += policy[y] * (r[u] - mean[u]) * (r[v] - mean[v]) / c->prompts;
        }
    }
}

double dual_value(const struct candidates *c, double beta, const double *w, double *gradient, double *hessian,
                  double *policy, double *scratch)
{
    mix(c, w, scratch);
    double value = candidates_tilt(c, scratch, beta, policy);
    if (gradient) {
        double means[G + 1];
        candidates_expect(c, policy, means, NULL);
        memcpy(gradient, means, (size_t)c->groups * sizeof *gradient);
    }
    if (hessian) {
        covariance(c, policy, hessian);
        for (int i = 0; i < c->groups * c->groups; i++)
            hessian[i] /= beta;
    }
    return value;
}

/* Solves A x = b for a symmetric positive definite A[n x n], which is overwritten; false when it is not definite. */
static bool solve(int n, double *a, const double *b, double *x)
{
    for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++) {
            double sum = a[i * n + j];
            for (int k = 0; k < j; k++)
                sum -= a[i * n + k] * a[j * n + k];
            if (i == j && !(sum > 0))
                return false;
            a[i * n + j] = i == j ? sqrt(sum) : sum / a[j * n + j];
        }
    }
    for (int i = 0; i < n; i++) {
        x[i] = b[i];
        for (int k = 0; k < i; k++)
            x[i] -= a[i * n + k] * x[k];
        x[i] /= a[i * n + i];
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++)
            x[i] -= a[k * n + i] * x[k];
        x[i] /= a[i * n + i];
    }
    return true;
}

/* What the interior-point method knows at a point, over the groups that take part. */
struct point {
    double w[G], value, slope[G], curvature[G * G]; /* g, its gradient less `best`, its Hessian [parts x parts] */
};

static void look(struct dual *d, struct point *p)
{
    int k = d->c->groups, m = d->parts;
    double w[G] = {0}, gradient[G], hessian[G * G];
    for (int i = 0; i < m; i++)
        w[d->part[i]] = p->w[i];
    p->value = dual_value(d->c, d->beta, w, gradient, hessian, d->policy, d->scalar);
    for (int i = 0; i < m; i++) {
        double best = d->o->mode == OBJECTIVE_REGRET ? d->o->best[d->part[i]] : 0;
        p->value -= p->w[i] * best;
        p->slope[i] = gradient[d->part[i]] - best;
        for (int j = 0; j < m; j++)
            p->curvature[i * m + j] = hessian[d->part[i] * k + d->part[j]];
    }
}

/* g(w) - min_u F_u(pi_w): F_u is slope_u less beta KL, which is the same for all, and g(w) = sum_u w_u F_u. */
static double gap_of(const struct point *p, int m)
{
    double mean = 0, least = INFINITY;
    for (int i = 0; i < m; i++) {
        mean += p->w[i] * p->slope[i];
        least = fmin(least, p->slope[i]);
    }
    return fmax(mean - least, 0);
}

static double barrier(const struct point *p, int m, double mu)
{
    double sum = p->value;
    for (int i = 0; i < m; i++)
        sum -= mu * log(p->w[i]);
    return sum;
}

/* The Newton direction of g(w) - mu sum log w on the simplex, with the barrier's curvature taken as s / w. */
static bool direction(const struct point *p, int m, double mu, const double *s, double *ret)
{
    double a[G * G], b[G * G], right[G], ones[G], along[G], mean = 0, total = 0, sum = 0;
    for (int i = 0; i < m; i++)
        mean += p->w[i] * p->slope[i]; /* along the simplex only differences count, and A may be nearly singular */
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < m; j++)
            a[i * m + j] = p->curvature[i * m + j] + (i == j ? s[i] / p->w[i] : 0);
        right[i] = mu / p->w[i] - (p->slope[i] - mean) - mu * m;
        ones[i] = 1;
    }
    memcpy(b, a, sizeof b);
    if (!solve(m, a, right, ret) || !solve(m, b, ones, along))
        return false;
    for (int i = 0; i < m; i++) {
        sum += ret[i];
        total += along[i];
    }
    for (int i = 0; i < m; i++)
        ret[i] -= sum / total * along[i];
    return true;
}

/* The longest step, at most 1, that leaves x + step dx above a hundredth of x. */
static double longest(int m, const double *x, const double *dx)
{
    double step = 1;
    for (int i = 0; i < m; i++)
        if (dx[i] < 0)
            step = fmin(step, -0.99 * x[i] / dx[i]);
    return step;
}

/* Backtracks along dw until the barrier function falls enough, or the gap, which is known to more digits, does; false
 * when neither can, for want of digits. */
static bool descend(struct dual *d, struct point *p, double mu, const double *dw)
{
    int m = d->parts;
    double before = barrier(p, m, mu), gap = gap_of(p, m), slope = 0, step = longest(m, p->w, dw);
    for (int i = 0; i < m; i++)
        slope += (p->slope[i] - mu / p->w[i]) * dw[i];
    for (int h = 0; h < HALVINGS; h++, step /= 2) {
        struct point next = *p;
        double sum = 0, asked = 1e-4 * step * slope;
        for (int i = 0; i < m; i++)
            sum += next.w[i] = p->w[i] + step * dw[i];
        for (int i = 0; i < m; i++)
            next.w[i] /= sum; /* 1, but for rounding */
        look(d, &next);
        bool visible = asked < -1e-13 * (1 + fabs(before));
        if (gap_of(&next, m) <= 0.9 * gap || (visible && barrier(&next, m, mu) <= before + asked)) {
            *p = next;
            return true;
        }
    }
    return false;
}

static void solve_minimum(struct dual *d, double tolerance, struct dual_solution *ret)
{
    struct point p = {0};
    int m = d->parts;
    double s[G], dw[G], ds[G];
    for (int i = 0; i < m; i++)
        p.w[i] = 1.0 / m;
    look(d, &p);
    for (int i = 0; i < m; i++)
        s[i] = gap_of(&p, m);
    while ((ret->gap = gap_of(&p, m)) > tolerance && ret->iterations < NEWTON_STEPS) {
        double mu = 0.1 * ret->gap / m;
        if (!direction(&p, m, mu, s, dw))
            break;
        for (int i = 0; i < m; i++)
            ds[i] = (mu - s[i] * dw[i]) / p.w[i] - s[i];
        if (!descend(d, &p, mu, dw))
            break;
        double step = longest(m, s, ds);
        for (int i = 0; i < m; i++)
            s[i] += step * ds[i];
        ret->iterations++;
    }
    for (int i = 0; i < m; i++)
        ret->weight[d->part[i]] = p.w[i];
}

/* F of the policy d->policy. */
static void utilities_of(struct dual *d, double *ret, double *ret_kl)
{
    double means[G + 1];
    candidates_expect(d->c, d->policy, means, ret_kl);
    for (int u = 0; u < d->c->groups; u++)
        ret[u] = means[u] - d->beta * *ret_kl;
}

static double welfare_at(struct dual *d, const double *w, double *utility)
{
    double kl;
    dual_value(d->c, d->beta, w, NULL, NULL, d->policy, d->scalar);
    utilities_of(d, utility, &kl);
    return objective_welfare(d->o, utility);
}

/* From w towards t, the weights that the utilities at w ask for: along it W rises at the rate (t - w)' C (t - w) /
 * beta, C the covariance of the rewards, so it can be stepped on until t is reached. W is concave in the policy: no
 * policy is better by more than |grad W| (g(t) - t' F). */
static void solve_fair(struct dual *d, double tolerance, struct dual_solution *ret)
{
    int k = d->c->groups;
    double w[G], next[G], target[G], utility[G] = {0}, step = 1;
    objective_direction(d->o, utility, w); /* as the reference has them */
    double welfare = welfare_at(d, w, utility);
    for (; ret->iterations < FAIR_STEPS; ret->iterations++) {
        double size = objective_direction(d->o, utility, target), reached = 0;
        double most = dual_value(d->c, d->beta, target, NULL, NULL, d->policy, d->scalar);
        for (int u = 0; u < k; u++)
            reached += target[u] * utility[u];
        ret->gap = fmax(size * (most - reached), 0);
        if (ret->gap <= tolerance)
            break;
        double risen = welfare, trial[G];
        step = fmin(2 * step, 1);
        for (int h = 0; h < HALVINGS; h++, step /= 2) {
            for (int u = 0; u < k; u++)
                next[u] = w[u] + step * (target[u] - w[u]);
            risen = welfare_at(d, next, trial);
            if (risen > welfare)
                break;
        }
        if (!(risen > welfare))
            break;
        welfare = risen;
        memcpy(w, next, sizeof w);
        memcpy(utility, trial, sizeof utility);
    }
    memcpy(ret->weight, w, (size_t)k * sizeof w[0]);
}

/* single, average and min_per_sample maximise one scalar reward: the tilted policy is the answer. */
static void solve_scalar(struct dual *d, struct dual_solution *ret)
{
    struct objective_state fixed;
    objective_start(d->o, &fixed);
    objective_rewards(d->o, &fixed, d->c->start[d->c->prompts], d->c->reward, d->scalar);
    ret->welfare = candidates_tilt(d->c, d->scalar, d->beta, d->policy);
    if (d->o->mode == OBJECTIVE_AVERAGE)
        memcpy(ret->weight, fixed.weight, sizeof ret->weight);
}

static int solve_mode(struct dual *d, double tolerance, struct dual_solution *ret, struct err *err)
{
    switch (d->o->mode) {
    case OBJECTIVE_SINGLE:
    case OBJECTIVE_AVERAGE:
    case OBJECTIVE_MIN_PER_SAMPLE:
    case OBJECTIVE_MODES:
        solve_scalar(d, ret);
        break;
    case OBJECTIVE_NASH:
    case OBJECTIVE_ALPHA:
        solve_fair(d, tolerance, ret);
        break;
    case OBJECTIVE_MAXMIN:
    case OBJECTIVE_MAXMIN_ARGMIN:
    case OBJECTIVE_REGRET:
        solve_minimum(d, tolerance, ret);
        break;
    }
    bool weighted = d->o->mode != OBJECTIVE_SINGLE && d->o->mode != OBJECTIVE_MIN_PER_SAMPLE;
    if (weighted)
        dual_value(d->c, d->beta, ret->weight, NULL, NULL, d->policy, d->scalar);
    utilities_of(d, ret->utility, &ret->kl);
    if (weighted)
        ret->welfare = objective_welfare(d->o, ret->utility);
    if (!isfinite(ret->welfare) || !isfinite(ret->gap))
        return err_set(err, ERR_NUMERICAL, "the rewards are not finite, or too large for beta %g", d->beta);
    return 0;
}

static int open_problem(struct dual *d, const struct candidates *c, double beta, struct err *err)
{
    CHECK(beta > 0 && c->groups <= G);
    size_t n = (size_t)c->start[c->prompts];
    *d = (struct dual){.c = c, .beta = beta};
    d->policy = mem_array(n, sizeof *d->policy);
    d->scalar = mem_array(n, sizeof *d->scalar);
    return d->policy && d->scalar ? 0 : err_memory(err);
}

static void close_problem(struct dual *d)
{
    mem_free(d->policy);
    mem_free(d->scalar);
}

int dual_best(const struct candidates *c, double beta, double *ret, struct err *err)
{
    struct dual d;
    int failed = open_problem(&d, c, beta, err);
    for (int u = 0; u < c->groups && failed == 0; u++) {
        double w[G] = {0};
        w[u] = 1;
        ret[u] = dual_value(c, beta, w, NULL, NULL, d.policy, d.scalar);
    }
    close_problem(&d);
    return failed;
}

int dual_solve(const struct candidates *c, const struct objective_options *o, double beta, double tolerance,
               struct dual_solution *ret, double *policy, struct err *err)
{
    struct dual d;
    CHECK(o->groups == c->groups);
    *ret = (struct dual_solution){0};
    int failed = open_problem(&d, c, beta, err);
    if (failed == 0) {
        d.o = o;
        for (int u = 0; u < o->groups; u++)
            if (objective_takes_part(o, u))
                d.part[d.parts++] = u;
        failed = solve_mode(&d, tolerance, ret, err);
    }
    if (failed == 0 && policy)
        memcpy(policy, d.policy, (size_t)c->start[c->prompts] * sizeof *policy);
    close_problem(&d);
    return failed;
}
