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

/* A mean with its interval. */
struct mean {
    int n;
    double value;
    double low, high; /* Student's t interval, 95 %; -infinity .. infinity for one observation */
};

/* The mean of n >= 1 independent observations of about normal distribution (Student 1908). */
struct mean mean_of(int n, const double *x);

#endif
