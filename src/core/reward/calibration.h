/* calibration: whether the probabilities of a reward can be believed, on comparisons that it has not seen.
 *
 * Works on margins m = r(preferred) - r(other) of decided comparisons: the reward said sigma(m). Which of the two came
 * first says nothing, so the bins are over how sure it was, max(p, 1 - p). Pure; any thread. */
#ifndef EGALIGN_CORE_CALIBRATION_H
#define EGALIGN_CORE_CALIBRATION_H

enum { CALIBRATION_BINS = 10 };

struct calibration {
    double n;           /* comparisons; with none the rest is NAN */
    double nll;         /* mean of -log sigma(m), nats */
    double brier;       /* mean of (1 - sigma(m))^2 */
    double error;       /* expected calibration error over CALIBRATION_BINS bins of equal mass (fewer when n < bins) */
    double temperature; /* the T that makes the nll of sigma(m / T) least, 0.05 .. 20: above 1 it was too sure */
    double tempered;    /* that nll */
};

/* Of n >= 0 finite margins, whose order is changed. */
struct calibration calibration_of(int n, float *margin);

#endif
