#include "core/align/objective.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

enum { G = OBJECTIVE_GROUPS_MAX };

const char *const objective_names[OBJECTIVE_MODES + 1] = {
    [OBJECTIVE_SINGLE] = "single",
    [OBJECTIVE_AVERAGE] = "average",
    [OBJECTIVE_NASH] = "nash",
    [OBJECTIVE_ALPHA] = "alpha",
    [OBJECTIVE_MAXMIN] = "maxmin",
    [OBJECTIVE_MAXMIN_ARGMIN] = "maxmin_argmin",
    [OBJECTIVE_MIN_PER_SAMPLE] = "min_per_sample",
    [OBJECTIVE_REGRET] = "regret",
};

const char *objective_name(enum objective_mode mode)
{
    CHECK(mode >= 0 && mode < OBJECTIVE_MODES);
    return objective_names[mode];
}

int objective_of(const char *name)
{
    for (int i = 0; i < OBJECTIVE_MODES; i++)
        if (strcmp(objective_names[i], name) == 0)
            return i;
    return -1;
}

void objective_options_default(enum objective_mode mode, int groups, struct objective_options *ret)
{
    *ret = (struct objective_options){
        .mode = mode,
        .groups = groups,
        .alpha = 2,
        .step = 0.5,
        .ema = mode == OBJECTIVE_MAXMIN_ARGMIN ? 0 : 0.5,
        .floor = 0.01,
        .disagreement = -1,
        .margin = 0.05,
    };
    for (int u = 0; u < groups && u < G; u++)
        ret->eta[u] = ret->size[u] = 1;
}

/* Whether the mode looks at the worst-off group only. */
static bool takes_minimum(enum objective_mode mode)
{
    return mode == OBJECTIVE_MAXMIN || mode == OBJECTIVE_MAXMIN_ARGMIN || mode == OBJECTIVE_MIN_PER_SAMPLE ||
           mode == OBJECTIVE_REGRET;
}

bool objective_takes_part(const struct objective_options *o, int u)
{
    return o->size[u] >= o->least_size;
}

static int in_range(const char *pointer, double value, double least, double most, struct err *err)
{
    if (value >= least && value <= most)
        return 0;
    return err_at(err, ERR_INVALID_VALUE, pointer, "must be between %g and %g", least, most);
}

static int check_groups(const struct objective_options *o, struct err *err)
{
    double people = 0;
    bool any = false;
    for (int u = 0; u < o->groups; u++) {
        const struct {
            const char *member;
            double value, least;
        } each[] = {{"eta", o->eta[u], 0}, {"size", o->size[u], 0}, {"best", o->best[u], -1e9}};
        for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
            if (each[i].value >= each[i].least && each[i].value <= 1e9)
                continue;
            char pointer[24];
            snprintf(pointer, sizeof pointer, "/%s/%d", each[i].member, u);
            return in_range(pointer, each[i].value, each[i].least, 1e9, err);
        }
        people += o->eta[u];
        any = any || objective_takes_part(o, u);
    }
    if (people <= 0)
        return err_at(err, ERR_INVALID_VALUE, "/eta", "must not all be 0");
    if (takes_minimum(o->mode) && !any)
        return err_at(err, ERR_INSUFFICIENT_DATA, "/least_size", "no group has an effective size of %g or more",
                      o->least_size);
    return 0;
}

int objective_check(const struct objective_options *o, struct err *err)
{
    const struct {
        const char *pointer;
        double value, least, most;
    } ranges[] = {
        {"/mode", o->mode, 0, OBJECTIVE_MODES - 1},
        {"/groups", o->groups, 1, G},
        {"/alpha", o->alpha, 0, 100},
        {"/step", o->step, 1e-6, 100},
        {"/ema", o->ema, 0, 0.999},
        {"/floor", o->floor, 0, 1},
        {"/disagreement", o->disagreement, -1000, 1000},
        {"/margin", o->margin, 1e-6, 1000},
        {"/least_size", o->least_size, 0, 1e9},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (in_range(ranges[i].pointer, ranges[i].value, ranges[i].least, ranges[i].most, err) < 0)
            return -1;
    if (o->groups > 1 && o->floor * o->groups >= 1)
        return err_at(err, ERR_INVALID_VALUE, "/floor", "must be below 1 / %d, for there are that many groups",
                      o->groups);
    return check_groups(o, err);
}

/* Scales w[K] to sum 1. */
static void normalise(int k, double *w)
{
    double sum = 0;
    for (int u = 0; u < k; u++)
        sum += w[u];
    for (int u = 0; u < k; u++)
        w[u] /= sum;
}

/* The point with w_u >= floor for the groups that take part, the weights above it in their former proportions. */
static void raise_to_floor(const struct objective_options *o, double *w)
{
    bool low[G] = {false};
    for (int round = 0; round < o->groups; round++) {
        double rest = 1, above = 0;
        bool more = false;
        for (int u = 0; u < o->groups; u++) {
            rest -= low[u] ? o->floor : 0;
            above += low[u] ? 0 : w[u];
        }
        for (int u = 0; u < o->groups; u++)
            w[u] = low[u] ? o->floor : w[u] * rest / above;
        for (int u = 0; u < o->groups; u++)
            if (!low[u] && objective_takes_part(o, u) && w[u] < o->floor)
                low[u] = more = true;
        if (!more)
            return;
    }
}

/* F_u, or what it lacks to the best for regret. */
static double standing(const struct objective_options *o, const double *utilities, int u)
{
    return utilities[u] - (o->mode == OBJECTIVE_REGRET ? o->best[u] : 0);
}

static void exponentiate(const struct objective_options *o, const double *utilities, double *w)
{
    double least = INFINITY;
    for (int u = 0; u < o->groups; u++)
        if (objective_takes_part(o, u) && w[u] > 0)
            least = fmin(least, standing(o, utilities, u));
    for (int u = 0; u < o->groups; u++)
        if (objective_takes_part(o, u))
            w[u] *= exp(-o->step * (standing(o, utilities, u) - least));
    normalise(o->groups, w);
    raise_to_floor(o, w);
}

static double alpha_of(const struct objective_options *o)
{
    return o->mode == OBJECTIVE_NASH ? 1 : o->mode == OBJECTIVE_AVERAGE ? 0 : o->alpha;
}

double objective_direction(const struct objective_options *o, const double *utilities, double *ret)
{
    double most = -INFINITY, people = 0, sum = 0; /* in logarithms, for alpha may be 100 */
    for (int u = 0; u < o->groups; u++) {
        double v = fmax(utilities[u] - o->disagreement, o->margin);
        ret[u] = log(o->eta[u]) - alpha_of(o) * log(v);
        most = fmax(most, ret[u]);
        people += o->eta[u];
    }
    for (int u = 0; u < o->groups; u++)
        sum += ret[u] = exp(ret[u] - most);
    for (int u = 0; u < o->groups; u++)
        ret[u] /= sum;
    return exp(most) * sum / people;
}

static int worst_off(const struct objective_options *o, const double *utilities)
{
    int chosen = -1;
    for (int u = 0; u < o->groups; u++)
        if (objective_takes_part(o, u) &&
            (chosen < 0 || standing(o, utilities, u) < standing(o, utilities, chosen)))
            chosen = u;
    return chosen;
}

void objective_start(const struct objective_options *o, struct objective_state *ret)
{
    memset(ret, 0, sizeof *ret); /* padding too: states are compared as bytes */
    ret->chosen = -1;
    for (int u = 0; u < o->groups; u++)
        ret->weight[u] = takes_minimum(o->mode) ? objective_takes_part(o, u) : o->eta[u];
    normalise(o->groups, ret->weight);
}

static void set_weights(const struct objective_options *o, struct objective_state *s)
{
    switch (o->mode) {
    case OBJECTIVE_AVERAGE:
    case OBJECTIVE_NASH:
    case OBJECTIVE_ALPHA:
        objective_direction(o, s->utility, s->weight);
        break;
    case OBJECTIVE_MAXMIN:
    case OBJECTIVE_REGRET:
        exponentiate(o, s->utility, s->weight);
        break;
    case OBJECTIVE_MAXMIN_ARGMIN:
        for (int u = 0; u < o->groups; u++)
            s->weight[u] = u == s->chosen;
        break;
    case OBJECTIVE_SINGLE:
    case OBJECTIVE_MIN_PER_SAMPLE:
    case OBJECTIVE_MODES:
        break;
    }
}

int objective_update_exact(const struct objective_options *o, struct objective_state *s, const double *utilities,
                           struct err *err)
{
    for (int u = 0; u < o->groups; u++)
        if (!isfinite(utilities[u]))
            return err_set(err, ERR_NUMERICAL, "the utility of group %d is not finite", u);
    double stays = fmin(o->ema, (double)s->updates / (double)(s->updates + 1));
    for (int u = 0; u < o->groups; u++) {
        s->batch[u] = utilities[u];
        s->error[u] = 0;
        s->utility[u] = stays * s->utility[u] + (1 - stays) * utilities[u];
    }
    s->updates++;
    s->chosen = worst_off(o, s->utility);
    s->minimum = s->chosen < 0 ? 0 : standing(o, s->utility, s->chosen);
    if (s->updates == 1 || s->minimum > s->best_minimum) {
        s->best_minimum = s->minimum;
        s->best_update = s->updates;
    }
    set_weights(o, s);
    return 0;
}

/* The group whose score of this episode is least. */
static int least_score(const struct objective_options *o, const double *scores)
{
    int least = -1;
    for (int u = 0; u < o->groups; u++)
        if (objective_takes_part(o, u) && (least < 0 || scores[u] < scores[least]))
            least = u;
    return least;
}

static void share_minima(const struct objective_options *o, struct objective_state *s, int n, const double *scores)
{
    int count[G] = {0};
    for (int i = 0; i < n; i++)
        count[least_score(o, scores + (size_t)i * (size_t)(o->groups + 1))]++;
    for (int u = 0; u < o->groups; u++)
        s->weight[u] = (double)count[u] / n;
}

int objective_update(const struct objective_options *o, struct objective_state *s, int n, const double *scores,
                     const double *kl, double beta, struct err *err)
{
    CHECK(n >= 1);
    size_t row = (size_t)o->groups + 1;
    double utilities[G], errors[G];
    for (int u = 0; u < o->groups; u++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < n; i++)
            sum += scores[(size_t)i * row + (size_t)u] - beta * kl[i];
        utilities[u] = sum / n;
        for (int i = 0; i < n; i++) {
            double apart = scores[(size_t)i * row + (size_t)u] - beta * kl[i] - utilities[u];
            squares += apart * apart;
        }
        errors[u] = n > 1 ? sqrt(squares / (n - 1) / n) : 0;
    }
    if (objective_update_exact(o, s, utilities, err) < 0)
        return -1;
    memcpy(s->error, errors, (size_t)o->groups * sizeof errors[0]);
    if (o->mode == OBJECTIVE_MIN_PER_SAMPLE)
        share_minima(o, s, n, scores);
    return 0;
}

void objective_rewards(const struct objective_options *o, const struct objective_state *s, int n, const double *scores,
                       double *ret)
{
    for (int i = 0; i < n; i++) {
        const double *r = scores + (size_t)i * (size_t)(o->groups + 1);
        if (o->mode == OBJECTIVE_SINGLE) {
            ret[i] = r[o->groups];
        } else if (o->mode == OBJECTIVE_MIN_PER_SAMPLE) {
            ret[i] = r[least_score(o, r)];
        } else {
            ret[i] = 0;
            for (int u = 0; u < o->groups; u++)
                ret[i] += s->weight[u] * r[u];
        }
    }
}

/* v^(1 - alpha) / (1 - alpha), log v at alpha = 1, and below the margin its tangent there. */
static double fair_value(double v, double alpha, double margin)
{
    double at = fmax(v, margin);
    double value = fabs(alpha - 1) < 1e-9 ? log(at) : pow(at, 1 - alpha) / (1 - alpha);
    return value + pow(at, -alpha) * (v - at);
}

double objective_welfare(const struct objective_options *o, const double *utilities)
{
    if (o->mode == OBJECTIVE_SINGLE)
        return NAN;
    if (takes_minimum(o->mode))
        return standing(o, utilities, worst_off(o, utilities));
    double people = 0, sum = 0;
    for (int u = 0; u < o->groups; u++) {
        double v = utilities[u] - o->disagreement;
        people += o->eta[u];
        sum += o->eta[u] * (o->mode == OBJECTIVE_AVERAGE ? utilities[u] : fair_value(v, alpha_of(o), o->margin));
    }
    return sum / people;
}
