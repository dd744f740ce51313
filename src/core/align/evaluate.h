/* evaluate: how one policy fares against another in each group, from responses of both to the same prompts.
 *
 * The win rate of A against B in group u is the share of pairs with r_u(x, y_A) > r_u(x, y_B), ties as half. Several
 * pairs of one prompt are alike, so Wilson's interval rests on the number of independent pairs that they are worth
 * (clustered_trials), by the variance between prompts; it takes the rewards as known. The bootstrap interval draws the
 * judge's annotators (core/reward/bootstrap.h) and the prompts anew together, so it carries both, and is wider. Neither
 * carries that another training run, or another number of groups, might have come out differently.
 *
 * The columns are those of the rewards: groups, then the single reward. Pure; any thread. What is opened is its
 * caller's and used by one thread at a time. */
#ifndef EGALIGN_CORE_EVALUATE_H
#define EGALIGN_CORE_EVALUATE_H

#include <stdint.h>

#include "base/err.h"
#include "core/align/response_scorer.h"
#include "core/interval.h"

enum { EVALUATE_COLUMNS_MAX = RESPONSE_SCORER_GROUPS_MAX + 1 };

struct win_rate {
    int n, wins, ties;      /* pairs, of A */
    struct proportion rate; /* with ties as half */
    double low, high;       /* bootstrap, 95 %; NAN before evaluate_intervals */
};

/* ret[columns] from rewards a, b [prompts x samples][columns] of the two responses of each pair, `samples` of one
 * prompt side by side. */
void evaluate_rates(int prompts, int samples, int columns, const double *a, const double *b, struct win_rate *ret);

/* How the groups fare together. */
struct standing {
    int worst;      /* the group with the least rate; -1 without any */
    double least;   /* its rate */
    double mean;    /* over groups, by weight: the rate in the population */
    double gap;     /* greatest less least */
};

/* Of the groups' rates with n > 0; weight[groups] > 0 need not sum to 1. All NAN without any. */
struct standing evaluate_standing(int groups, const struct win_rate *rate, const double *weight);

/* Mean and standard error of n numbers; NAN where there are too few. For KL: the sums over each sequence of
 * log pi - log pi_ref (k1), whose mean is an unbiased estimate of the divergence. */
struct mean_error {
    int n;
    double mean, error;
};
struct mean_error evaluate_mean(int n, const double *x);

/* What a family of policies would win at divergence `kl`, from those that there are (kl[n] >= 0, rate[n], in any order)
 * and the reference itself, which wins 0.5 at 0: straight lines in sqrt(kl), in which rewards grow about linearly near
 * the reference (Gao et al., arXiv 2210.10760). NAN beyond the farthest. */
double evaluate_rate_at(int n, const double *kl, const double *rate, double at);

/* ---- bootstrap ---- */

/* Pairs of responses given by their unscaled features. Borrowed. */
struct evaluation_pairs {
    int n, prompts;
    const int *prompt; /* [n] 0 .. prompts - 1; pairs of one prompt are drawn together */
    int dimension;
    const float *a, *b; /* [n][dimension] */
};

struct evaluation_bootstrap;

/* Room for `replicates` of `columns`. */
int evaluate_bootstrap_new(const struct evaluation_pairs *pairs, int columns, int replicates, uint64_t seed,
                           struct evaluation_bootstrap **ret, struct err *err);
void evaluate_bootstrap_free(struct evaluation_bootstrap *b);

/* Takes a replicate of the judge: weights[columns][dimension]. Has the form that bootstrap_fit wants; `context` is the
 * struct evaluation_bootstrap. */
int evaluate_bootstrap_take(void *context, int replicate, const double *weights, struct err *err);

/* Fills low and high of ret[columns] with the 2.5 % and 97.5 % quantiles of the replicates taken. */
void evaluate_intervals(const struct evaluation_bootstrap *b, struct win_rate *ret);

#endif
