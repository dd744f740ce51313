#include "core/reward/calibration.h"

#include <math.h>
#include <stdlib.h>

#include "core/reward/choice.h"

/* Limits of 1 / T: a reward that is always right, or never, has no best temperature. */
static const double COLDEST = 20, HOTTEST = 0.05;

/* -log sigma(m). */
static double surprise(double m)
{
    return fmax(-m, 0) + log1p(exp(-fabs(m)));
}

static double mean_surprise(int n, const float *margin, double sharpness)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += surprise(margin[i] * sharpness);
    return sum / n;
}

/* Slope of the summed surprise in 1 / T; it rises with 1 / T, for the surprise is convex. */
static double slope(int n, const float *margin, double sharpness)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum -= margin[i] * choice_probability(-margin[i] * sharpness);
    return sum;
}

static double best_sharpness(int n, const float *margin)
{
    double low = HOTTEST, high = COLDEST;
    for (int i = 0; i < 50; i++) {
        double middle = sqrt(low * high);
        if (slope(n, margin, middle) < 0)
            low = middle;
        else
            high = middle;
    }
    return sqrt(low * high);
}

static int less_sure_first(const void *a, const void *b)
{
    float x = fabsf(*(const float *)a), y = fabsf(*(const float *)b);
    return (x > y) - (x < y);
}

/* Margins by rising size. */
static double equal_mass_error(int n, const float *margin)
{
    int bins = n < CALIBRATION_BINS ? n : CALIBRATION_BINS;
    double error = 0;
    for (int b = 0; b < bins; b++) {
        int from = (int)((long)n * b / bins), to = (int)((long)n * (b + 1) / bins);
        double off = 0;
        for (int i = from; i < to; i++)
            off += choice_probability(fabs(margin[i])) - (margin[i] > 0 ? 1 : margin[i] == 0 ? 0.5 : 0);
        error += fabs(off) / n;
    }
    return error;
}

struct calibration calibration_of(int n, float *margin)
{
    if (n == 0)
        return (struct calibration){0, NAN, NAN, NAN, NAN, NAN};
    qsort(margin, (size_t)n, sizeof *margin, less_sure_first);
    double brier = 0, sharpness = best_sharpness(n, margin);
    for (int i = 0; i < n; i++)
        brier += pow(choice_probability(-margin[i]), 2) / n;
    return (struct calibration){
        .n = n,
        .nll = mean_surprise(n, margin, 1),
        .brier = brier,
        .error = equal_mass_error(n, margin),
        .temperature = 1 / sharpness,
        .tempered = mean_surprise(n, margin, sharpness),
    };
}
