/* linear: Y = X W + b over T tokens, with the low-rank adapters of W. Private to the transformer; the twin is the naive
 * backend of gemm.h. */
#ifndef EGALIGN_CORE_LM_LINEAR_H
#define EGALIGN_CORE_LM_LINEAR_H

#include "core/lm/run.h"

/* y [T, out] = x [T, in] W + b + residual; residual [T, out] may be NULL. y may be residual, and is not x. */
void linear_forward(struct lm_run *run, const struct lm_linear *l, int T, const float *x, const float *residual,
                    float *y);

/* dx [T, in] = dy W^T, and the gradients of W, b and the adapters as far as they are trained. */
void linear_backward(struct lm_run *run, const struct lm_linear *l, int T, const float *x, const float *dy, float *dx);

#endif
