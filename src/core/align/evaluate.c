#include "core/align/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

/* Counts the `samples` pairs of one prompt, whose rewards are `columns` apart. */
static void count_prompt(int samples, int columns, const double *a, const double *b, struct win_rate *r,
                         struct clustered *all)
{
    int wins = 0, ties = 0;
    for (int i = 0; i < samples; i++) {
        double margin = a[(size_t)i * (size_t)columns] - b[(size_t)i * (size_t)columns];
        wins += margin > 0;
        ties += margin == 0;
    }
    r->wins += wins;
    r->ties += ties;
    clustered_add(all, wins, ties, samples);
}

void evaluate_rates(int prompts, int samples, int columns, const double *a, const double *b, struct win_rate *ret)
{
    size_t step = (size_t)samples * (size_t)columns;
    for (int u = 0; u < columns; u++) {
        struct clustered all = {0};
        ret[u] = (struct win_rate){.n = prompts * samples, .low = NAN, .high = NAN};
        for (int i = 0; i < prompts; i++) {
            size_t from = (size_t)i * step + (size_t)u;
            count_prompt(samples, columns, a + from, b + from, &ret[u], &all);
        }
        ret[u].rate = clustered_proportion(&all);
    }
}

struct standing evaluate_standing(int groups, const struct win_rate *rate, const double *weight)
{
    struct standing s = {-1, NAN, NAN, NAN};
    double sum = 0, total = 0, most = 0;
    for (int u = 0; u < groups; u++) {
        double own = rate[u].rate.value;
        if (rate[u].n == 0)
            continue;
        if (s.worst < 0 || own < s.least) {
            s.worst = u;
            s.least = own;
        }
        most = total == 0 || own > most ? own : most;
        sum += weight[u] * own;
        total += weight[u];
    }
    if (s.worst >= 0) {
        s.mean = sum / total;
        s.gap = most - s.least;
    }
    return s;
}

struct mean_error evaluate_mean(int n, const double *x)
{
    double mean = 0, squares = 0;
    if (n == 0)
        return (struct mean_error){0, NAN, NAN};
    for (int i = 0; i < n; i++)
        mean += x[i] / n;
    for (int i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    return (struct mean_error){n, mean, n > 1 ? sqrt(squares / (n - 1) / n) : NAN};
}

double evaluate_rate_at(int n, const double *kl, const double *rate, double at)
{
    double below = 0, below_rate = 0.5, above = INFINITY, above_rate = NAN;
    for (int i = 0; i < n; i++) {
        if (kl[i] <= at && kl[i] >= below) {
            below = kl[i];
            below_rate = rate[i];
        } else if (kl[i] > at && kl[i] < above) {
            above = kl[i];
            above_rate = rate[i];
        }
    }
    if (at == below)
        return below_rate;
    double part = (sqrt(at) - sqrt(below)) / (sqrt(above) - sqrt(below));
    return below_rate + part * (above_rate - below_rate); /* NAN when there is none above */
}

/* ---- bootstrap ---- */

struct evaluation_bootstrap {
    const struct evaluation_pairs *pairs;
    int columns, replicates, taken;
    uint64_t seed;
    int *drawn;   /* [prompts] how often a prompt was drawn in the present replicate */
    double *rate; /* [columns][replicates] */
};

int evaluate_bootstrap_new(const struct evaluation_pairs *pairs, int columns, int replicates, uint64_t seed,
                           struct evaluation_bootstrap **ret, struct err *err)
{
    struct evaluation_bootstrap *b = mem_zeroed(1, sizeof *b);
    if (!b)
        return err_memory(err);
    *b = (struct evaluation_bootstrap){.pairs = pairs, .columns = columns, .replicates = replicates, .seed = seed};
    b->drawn = mem_array((size_t)pairs->prompts + 1, sizeof *b->drawn);
    b->rate = mem_array((size_t)columns * (size_t)replicates, sizeof *b->rate);
    if (!b->drawn || !b->rate) {
        evaluate_bootstrap_free(b);
        return err_memory(err);
    }
    *ret = b;
    return 0;
}

void evaluate_bootstrap_free(struct evaluation_bootstrap *b)
{
    if (!b)
        return;
    mem_free(b->drawn);
    mem_free(b->rate);
    mem_free(b);
}

/* 1, 0.5 or 0 for the pair's first response under a reward. */
static double outcome_of(const struct evaluation_pairs *p, int i, const double *weight)
{
    const float *a = p->a + (size_t)i * (size_t)p->dimension, *b = p->b + (size_t)i * (size_t)p->dimension;
    double margin = 0;
    for (int j = 0; j < p->dimension; j++)
        margin += weight[j] * ((double)a[j] - b[j]);
    return margin > 0 ? 1 : margin == 0 ? 0.5 : 0;
}

int evaluate_bootstrap_take(void *context, int replicate, const double *weights, struct err *err)
{
    struct evaluation_bootstrap *b = context;
    const struct evaluation_pairs *p = b->pairs;
    struct rng r;
    (void)err;
    rng_init(&r, b->seed, (uint64_t)replicate);
    memset(b->drawn, 0, (size_t)p->prompts * sizeof *b->drawn);
    for (int i = 0; i < p->prompts; i++)
        b->drawn[rng_below(&r, (uint32_t)p->prompts)]++;
    for (int u = 0; u < b->columns; u++) {
        double sum = 0, n = 0;
        for (int i = 0; i < p->n; i++) {
            int times = b->drawn[p->prompt[i]];
            if (times == 0)
                continue;
            sum += times * outcome_of(p, i, weights + (size_t)u * (size_t)p->dimension);
            n += times;
        }
        b->rate[(size_t)u * (size_t)b->replicates + (size_t)b->taken] = n > 0 ? sum / n : 0.5;
    }
    b->taken++;
    return 0;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The quantile of n > 0 sorted numbers, by straight lines between them. */
static double quantile(int n, const double *sorted, double part)
{
    double place = part * (n - 1);
    int low = (int)place, high = low + 1 < n ? low + 1 : low;
    return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}

void evaluate_intervals(const struct evaluation_bootstrap *b, struct win_rate *ret)
{
    for (int u = 0; u < b->columns && b->taken > 0; u++) {
        double *rate = b->rate + (size_t)u * (size_t)b->replicates;
        qsort(rate, (size_t)b->taken, sizeof *rate, by_size);
        ret[u].low = quantile(b->taken, rate, 0.025);
        ret[u].high = quantile(b->taken, rate, 0.975);
    }
}
