#include "core/align/judge.h"

#include <math.h>

#include "core/reward/assignment.h"

/* Columns u of x and v of y over n rows. */
static double cosine(int n, const double *x, int x_columns, int u, const double *y, int y_columns, int v)
{
    double both = 0, one = 0, other = 0;
    for (int i = 0; i < n; i++) {
        double a = x[(size_t)i * (size_t)x_columns + (size_t)u], b = y[(size_t)i * (size_t)y_columns + (size_t)v];
        both += a * b;
        one += a * a;
        other += b * b;
    }
    return one > 0 && other > 0 ? both / sqrt(one * other) : 0;
}

static int sign(double x)
{
    return (x > 0) - (x < 0);
}

static double same_choice(int n, const double *x, int x_columns, int u, const double *y, int y_columns, int v)
{
    double same = 0;
    for (int i = 0; i < n; i++) {
        int a = sign(x[(size_t)i * (size_t)x_columns + (size_t)u]);
        int b = sign(y[(size_t)i * (size_t)y_columns + (size_t)v]);
        same += a == b ? 1 : a == 0 || b == 0 ? 0.5 : 0;
    }
    return n > 0 ? same / n : NAN;
}

static enum judge_lack lack_of(const struct judge_match *m, int u)
{
    if (m->group[u] < 0 || !(m->agreement[u] >= JUDGE_LEAST_AGREEMENT))
        return JUDGE_NONE_AGREES;
    if (m->size[u] < JUDGE_LEAST_SIZE)
        return JUDGE_TOO_SMALL;
    return m->agreement[u] - m->runner_up[u] < JUDGE_LEAST_LEAD ? JUDGE_AMBIGUOUS : JUDGE_FOUND; /* NAN: no rival */
}

void judge_match(int n, int trained_groups, const double *trained, int judging_groups, const double *judging,
                 const double *size, struct judge_match *ret)
{
    double gain[ASSIGNMENT_MAX][ASSIGNMENT_MAX] = {{0}};
    int row_of[ASSIGNMENT_MAX]; /* rows are the judge's groups, columns those of the training fit */
    for (int v = 0; v < judging_groups; v++)
        for (int u = 0; u < trained_groups; u++)
            gain[v][u] = cosine(n, trained, trained_groups, u, judging, judging_groups, v);
    assignment_best(gain, row_of);
    for (int u = 0; u < trained_groups; u++) {
        int v = row_of[u] < judging_groups ? row_of[u] : -1;
        ret->group[u] = v;
        ret->agreement[u] = v < 0 ? NAN : gain[v][u];
        ret->same_choice[u] = v < 0 ? NAN : same_choice(n, trained, trained_groups, u, judging, judging_groups, v);
        ret->size[u] = v < 0 ? 0 : size[v];
        ret->runner_up[u] = NAN;
        for (int w = 0; w < judging_groups; w++)
            if (w != v)
                ret->runner_up[u] = fmax(ret->runner_up[u], gain[w][u]);
        ret->lack[u] = lack_of(ret, u);
        if (ret->lack[u] != JUDGE_FOUND)
            ret->group[u] = -1;
    }
}

const char *judge_lack_sentence(enum judge_lack lack)
{
    static const char *const sentences[] = {
        [JUDGE_FOUND] = "",
        [JUDGE_NONE_AGREES] = "No group among the held-out annotators prefers what this group prefers.",
        [JUDGE_TOO_SMALL] = "Fewer than two held-out annotators belong to this group.",
        [JUDGE_AMBIGUOUS] = "Two groups of held-out annotators agree with this group about as well.",
    };
    return sentences[lack];
}
