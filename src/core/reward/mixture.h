/* mixture: EM for K groups of annotators, each with a linear Bradley-Terry reward.
 *
 *   F(Theta, eta) = sum_h log sum_u eta_u prod_{c in h} P(c | theta_u) - lambda/2 sum_u |theta_u|^2 + a sum_u log eta_u
 *
 * E: q_hu ~ eta_u exp(sum_c log P(c | theta_u)). M: eta_u = (sum_h q_hu + a) / (H + K a); theta_u by some steps of
 * L-BFGS on the weighted log-loss, from where it was, so F never falls (generalised EM, Dempster et al. 1977). Hard
 * assignment (Algorithm 2 of arXiv 2402.08925) puts each annotator into the group of the greatest likelihood, without
 * eta. Annotators without comparisons in the sample do not count. Groups that become too small are seeded anew once,
 * from the annotators that are explained worst, then dropped.
 *
 * A struct mixture is owned by the caller; one thread. */
#ifndef EGALIGN_CORE_MIXTURE_H
#define EGALIGN_CORE_MIXTURE_H

#include "core/reward/fit.h"
#include "core/reward/logistic.h"

struct mixture {
    int k, dim, annotators;
    double *theta;      /* [k x dim] */
    double eta[FIT_GROUPS_MAX];
    double nu;          /* Davidson's tie parameter; 0 when ties are halves or absent */
    double *q;          /* [annotators x k] responsibilities; eta where there are no comparisons */
    double *likelihood; /* [annotators x k] sum_c log P(c | theta_u) over the sample */
    double objective;   /* F */
    double *trace;      /* [iterations] F after each iteration; since the last reseeding */
    int iterations, trace_room;
    int reseeded, dropped;
    bool converged;
};

struct mixture_options {
    double ridge;       /* lambda */
    enum assignment assignment;
    enum tie_model ties;
    int iterations;     /* at most */
    int steps;          /* of L-BFGS in an M-step */
    double tolerance;   /* stop when F gains less than this times (1 + |F|) */
    double min_size;    /* least sum_h q_hu of a group */
    /* Called after each iteration; negative stops the run with -1 (err is the callback's). NULL: never. */
    int (*watch)(void *context, int iteration, double objective, struct err *err);
    void *context;
};

/* k groups with zero rewards, equal weights and equal responsibilities. */
int mixture_new(const struct design *d, int k, struct mixture **ret, struct err *err);
int mixture_copy(const struct mixture *m, struct mixture **ret, struct err *err);
void mixture_free(struct mixture *m);

/* Runs EM on `s` from the responsibilities m->q and the heads m->theta, both of which it replaces. Ends with an E-step.
 * ERR_NUMERICAL when F is not finite. */
int mixture_run(struct mixture *m, struct logistic *l, const struct sample *s, const struct mixture_options *o,
                struct err *err);

/* The E-step: refreshes likelihood, q and F at the present parameters. */
void mixture_expect(struct mixture *m, struct logistic *l, const struct sample *s, const struct mixture_options *o);

/* Posterior of annotator h at a temperature >= 1: q ~ eta_u exp(likelihood_hu / temperature); ret[k]. */
void mixture_posterior(const struct mixture *m, int h, double temperature, double *ret);

/* log sum_i exp(x[i]) of n > 0 numbers. */
double log_sum_exp(int n, const double *x);

#endif
