/* minimise: L-BFGS (Liu and Nocedal 1989) with a diagonal start metric and Armijo backtracking.
 *
 * The state keeps its pairs between calls, for the M-steps of EM ask for nearly the same minimum again and again. A
 * call never returns a worse point than it was given. Owned by one thread. */
#ifndef EGALIGN_CORE_MINIMISE_H
#define EGALIGN_CORE_MINIMISE_H

#include "base/err.h"

struct minimiser;

/* A function of x[n]: returns its value. `gradient` == NULL asks for the value only; otherwise the gradient at the same
 * x as the call before is wanted as well. */
typedef double minimise_function(void *context, const double *x, double *gradient);

struct minimiser *minimiser_new(int n, struct err *err);
void minimiser_free(struct minimiser *m);
void minimiser_forget(struct minimiser *m); /* drops the pairs: the next problem is another one */

/* At most `steps` steps downhill from x[n], in place; stops sooner when a step gains less than tolerance * (1 + |f|).
 * `metric`[n] > 0 is a guess at the diagonal of the inverse Hessian. Returns the value at x; *ret_steps the number of
 * steps that were taken (may be NULL). */
double minimise(struct minimiser *m, double *x, const double *metric, minimise_function *f, void *context, int steps,
                double tolerance, int *ret_steps);

#endif
