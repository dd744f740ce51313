#include "core/align/response_scorer.h"

#include "core/reward/fit.h"
#include "core/scorer.h"

_Static_assert((int)RESPONSE_SCORER_GROUPS_MAX == (int)FIT_GROUPS_MAX, "a fit's groups fit in a row of rewards");

static int score_with_fit(void *context, int n, const struct str *prompt, const struct str *response, double *ret,
                          struct err *err)
{
    return scorer_score_all(context, n, prompt, response, ret, err);
}

struct response_scorer response_scorer_of(const struct scorer *s)
{
    return (struct response_scorer){scorer_groups(s), score_with_fit, (void *)s};
}
