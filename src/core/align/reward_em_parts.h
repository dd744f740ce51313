/* reward_em_parts: what a struct reward_em holds. Private to reward_em.c, reward_em_held_out.c, reward_em_state.c. */
#ifndef EGALIGN_CORE_ALIGN_REWARD_EM_PARTS_H
#define EGALIGN_CORE_ALIGN_REWARD_EM_PARTS_H

#include <math.h>

#include "core/align/reward_em.h"

struct reward_em {
    struct reward_em_input in;
    struct reward_em_options options;
    struct lm_model *model[REWARD_HEADS_MAX + 1]; /* the single one last */
    float *score;                                 /* [groups + 1][sequences] rewards under each model */
    double *q;                                    /* [annotators x groups] */
    double *likelihood;                           /* [annotators x groups] */
    double eta[REWARD_HEADS_MAX];
    double total; /* log-likelihood of the mixture */
    double moved; /* how far the last E-step moved the responsibilities */
    int iterations;
    int64_t steps; /* of all M-steps, and the E-steps */
};

static inline double reward_em_log_sigmoid(double m)
{
    return m > 0 ? -log1p(exp(-m)) : m - log1p(exp(m));
}

/* The reward of the first response less that of the second, under model `u`. */
static inline double reward_em_margin(const struct reward_em *e, int u, const struct reward_em_comparison *c)
{
    const float *score = e->score + (size_t)u * (size_t)e->in.sequences->count;
    return (double)score[c->first] - score[c->second];
}

/* Scores all sequences under model `u` as it is. */
int reward_em_score(struct reward_em *e, int u, struct err *err);

#endif
