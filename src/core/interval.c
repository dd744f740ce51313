#include "core/interval.h"

#include <math.h>

struct proportion proportion_of(double successes, double n)
{
    if (!(n > 0))
        return (struct proportion){.low = 0, .high = 1};
    const double z = 1.959963984540054, p = successes / n, shrink = 1 + z * z / n;
    double middle = (p + z * z / (2 * n)) / shrink;
    double half = z / shrink * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return (struct proportion){n, p, fmax(0, middle - half), fmin(1, middle + half)};
}
