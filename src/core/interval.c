#include "core/interval.h"

#include <math.h>

struct proportion proportion_of(double successes, double n)
{
    if (!(n > 0))
        return (struct proportion){.low = 0, .high = 1};
    const double z = 1.959963984540054, p = successes / n, shrink = 1 + z * z / n;
    double middle = (p + z * z / (2 * n)) / shrink;
    double half = z / shrink * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return (struct proportion){.n = n, .effective = n, .value = p, .low = fmax(0, fmin(p, middle - half)),
                               .high = fmin(1, fmax(p, middle + half))}; /* rounding, where p = 0 or 1 */
}

void clustered_add(struct clustered *c, int wins, int ties, int n)
{
    double size = n, sum = wins + 0.5 * ties;
    if (n == 0)
        return;
    c->clusters++;
    c->n += size;
    c->sum += sum;
    c->sizes += size * size;
    c->means += sum * sum / size;
    c->squares += wins + 0.25 * ties;
}

/* The intraclass correlation of two or more clusters. */
static double correlation(const struct clustered *c)
{
    double between = (c->means - c->sum * c->sum / c->n) / (c->clusters - 1);
    double within = (c->squares - c->means) / (c->n - c->clusters), size = (c->n - c->sizes / c->n) / (c->clusters - 1);
    if (!(within > 0)) /* they agree within each cluster, also when all agree */
        return 1;
    return fmax(0, fmin(1, (between - within) / (between + (size - 1) * within)));
}

double clustered_trials(const struct clustered *c)
{
    if (c->clusters < 2 || c->n <= c->clusters)
        return c->clusters;
    return c->n / (1 + (c->sizes / c->n - 1) * correlation(c));
}

struct proportion clustered_proportion(const struct clustered *c)
{
    double trials = clustered_trials(c);
    struct proportion p = proportion_of(trials > 0 ? trials * (c->sum / c->n) : 0, trials);
    p.n = c->n;
    return p;
}

/* The 97.5 % point of Student's t. */
static double t_quantile(int freedom)
{
    static const double table[30] = {12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
                                     2.2010,  2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
                                     2.0796,  2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423};
    const double z = 1.959963984540054;
    if (freedom <= 30)
        return table[freedom - 1];
    return z + (z * z * z + z) / (4.0 * freedom); /* Cornish and Fisher's first term: right to 0.001 from here on */
}

struct mean mean_of(int n, const double *x)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    double value = sum / n;
    for (int i = 0; i < n; i++)
        squares += (x[i] - value) * (x[i] - value);
    double half = n > 1 ? t_quantile(n - 1) * sqrt(squares / (n - 1) / n) : INFINITY;
    return (struct mean){n, value, value - half, value + half};
}
