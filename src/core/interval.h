/* interval: confidence intervals of proportions and means.
 *
 * Pure arithmetic; refuses nothing but nonsense (an empty sample gives the whole [0, 1]). Any thread. */
#ifndef EGALIGN_CORE_INTERVAL_H
#define EGALIGN_CORE_INTERVAL_H

/* A proportion with its interval. `n` may be fractional (half a tie). */
struct proportion {
    double n;         /* trials */
    double value;     /* successes / n; 0 when n is 0 */
    double low, high; /* Wilson score interval, 95 % */
};

/* Wilson's score interval (Wilson 1927) of `successes` of `n` trials, 0 <= successes <= n, at 95 %. */
struct proportion proportion_of(double successes, double n);

/* How many independent trials `clusters` groups of `each` outcomes are worth: clusters x each over Kish's design effect
 * 1 + (each - 1) rho ("Survey Sampling", 1965, section 5.4), with the intraclass correlation rho by the analysis of
 * variance (Ridout, Demetrio and Firth, Biometrics 55, 1999). `between` is the sum over clusters of (mean - mean of
 * all)^2, `within` the sum over outcomes of (outcome - mean of its cluster)^2. Outcomes that agree within each cluster
 * are worth `clusters`, independent ones about clusters x each, and never more; one cluster is worth 1. In place of n
 * it makes Wilson's interval fit for clustered outcomes (Korn and Graubard, Survey Methodology 24, 1998; Dean and
 * Pagano, Journal of Survey Statistics and Methodology 3, 2015). */
double effective_trials(int clusters, int each, double between, double within);

/* A mean with its interval. */
struct mean {
    int n;
    double value;
    double low, high; /* Student's t interval, 95 %; -infinity .. infinity for one observation */
};

/* The mean of n >= 1 independent observations of about normal distribution (Student 1908). */
struct mean mean_of(int n, const double *x);

#endif
