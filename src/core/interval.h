/* interval: confidence intervals of proportions and means.
 *
 * Pure arithmetic; refuses nothing but nonsense (an empty sample gives the whole [0, 1]). Any thread. */
#ifndef EGALIGN_CORE_INTERVAL_H
#define EGALIGN_CORE_INTERVAL_H

/* A proportion with its interval. `n` may be fractional (half a tie). */
struct proportion {
    double n;         /* trials */
    double effective; /* independent ones that they are worth, at most n */
    double value;     /* successes / n; 0 when n is 0 */
    double low, high; /* Wilson score interval on `effective` trials, 95 % */
};

/* Wilson's score interval (Wilson 1927) of `successes` of `n` trials, 0 <= successes <= n, at 95 %. */
struct proportion proportion_of(double successes, double n);

/* Wins, ties (each half a win) and losses that come in clusters and are alike within them: the judgements of a person,
 * the pairs of a prompt. Zeroed, it is empty. */
struct clustered {
    int clusters;
    double n, sum;  /* outcomes of 1, 0.5 or 0, and their sum */
    double sizes;   /* sum over clusters of size^2 */
    double means;   /* sum over clusters of size x mean^2 */
    double squares; /* sum of the squared outcomes */
};

/* One more cluster, of n outcomes; nothing when it is empty. */
void clustered_add(struct clustered *c, int wins, int ties, int n);

/* How many independent outcomes they are worth: n over Kish's design effect 1 + (m - 1) rho ("Survey Sampling", 1965,
 * section 5.4), with m = sum of size^2 / n for clusters of any size (Gabler, Haeder and Lahiri, Survey Methodology 25,
 * 1999) and the intraclass correlation rho by the analysis of variance (Ridout, Demetrio and Firth, Biometrics 55,
 * 1999), 0 .. 1. Clusters of one size whose outcomes agree within each are worth as many as there are, independent
 * outcomes n; one cluster is worth 1. */
double clustered_trials(const struct clustered *c);

/* Their mean, with Wilson's interval on that number (Korn and Graubard, Survey Methodology 24, 1998;
 * Dean and Pagano, Journal of Survey Statistics and Methodology 3, 2015). */
struct proportion clustered_proportion(const struct clustered *c);

/* A mean with its interval. */
struct mean {
    int n;
    double value;
    double low, high; /* Student's t interval, 95 %; -infinity .. infinity for one observation */
};

/* The mean of n >= 1 independent observations of about normal distribution (Student 1908). */
struct mean mean_of(int n, const double *x);

#endif
