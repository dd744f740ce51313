/* reward_em_parts: what a struct reward_em holds. Private to reward_em.c, reward_em_held_out.c, reward_em_state.c. */
#ifndef EGALIGN_CORE_ALIGN_REWARD_EM_PARTS_H
#define EGALIGN_CORE_ALIGN_REWARD_EM_PARTS_H

#include <math.h>

#include "core/align/reward_em.h"
#include "core/align/snapshot.h"

/* What a model learns in the present iteration. */
struct reward_em_work {
    struct reward_data pairs;
    struct reward_trainer *trainer; /* NULL: not begun */
};

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
    int64_t steps;              /* of all M-steps, and the E-steps */
    int turn;                   /* the model whose M-step is under way or next; groups + 1: the E-step is */
    struct reward_em_work work; /* of that model */

    struct snapshot_place resumed; /* where that model's training stood in the snapshot that is loaded */
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

/* Begins the M-step of the model whose turn it is. 1; 0 when its annotators judged nothing; ERR_NO_MEMORY. */
int reward_em_begin(struct reward_em *e, struct err *err);

#endif
