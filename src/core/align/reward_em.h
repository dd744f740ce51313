/* reward_em: K transformer reward models fine-tuned inside EM over annotators (`full` mode).
 *
 * Algorithm 2 of arXiv 2402.08925 ("MaxMin-RLHF"): each group has a language model of its own with one reward head. An
 * iteration is
 *   M: fine-tune the model of every group on all judged pairs, each comparison weighted by its annotator's
 *      responsibility q_hu (0 or 1 when hard), going on from the model of the iteration before;
 *   E: q_hu ~ eta_u prod_{c in h} sigma(+- m_u(c)), eta_u = mean_h q_hu (soft); or the group of the greatest
 *      likelihood, without eta, as the paper has it (hard).
 * Beside the groups a single model learns from everybody by the same steps: what is said for groups is compared with
 * it. Comparisons that are held out train nothing and move no posterior. For small backbones: K + 1 models are in
 * memory.
 *
 * The models can be saved after an iteration and resumed from there to the same bits on the same machine. It refuses to
 * choose K: reward/fit.h does. Sequences and comparisons are borrowed. One thread. */
#ifndef EGALIGN_CORE_ALIGN_REWARD_EM_H
#define EGALIGN_CORE_ALIGN_REWARD_EM_H

#include "core/align/reward_model.h"
#include "core/reward/fit.h"

struct reward_em_comparison {
    int annotator, first, second; /* the two are sequences */
    double preference;            /* 1: the first is better; 0: the second; 0.5: a tie */
    bool held_out;                /* the same for all comparisons of a pair */
};

struct reward_em_input {
    const struct lm_model *base;          /* where all models start */
    const struct reward_data *sequences;  /* its pairs are not looked at */
    int annotators, comparisons;
    const struct reward_em_comparison *comparison;
    const double *start;                  /* [annotators x groups] first responsibilities; NULL: annotator h mod K */
};

struct reward_em_options {
    struct reward_options train; /* of an M-step; its seed is that of the heads too */
    int groups;                  /* 1 .. REWARD_HEADS_MAX */
    enum assignment assignment;
    /* Called after each step of training; negative stops with -1 (err is the callback's). NULL: never. `model` is the
     * group, or `groups` for the single model. */
    int (*watch)(void *context, int iteration, int model, const struct reward_step *step, int64_t steps,
                 struct err *err);
    void *context;
};

struct reward_em;

/* ERR_INVALID_VALUE, ERR_INSUFFICIENT_DATA, ERR_NO_MEMORY. */
int reward_em_new(const struct reward_em_input *input, const struct reward_em_options *options, struct reward_em **ret,
                  struct err *err);
void reward_em_free(struct reward_em *e);

/* One iteration: every M-step, then the E-step. *ret_moved: the mean over annotators of half the sum of |change of q|,
 * 0 when the groups have settled. ERR_NUMERICAL. */
int reward_em_advance(struct reward_em *e, double *ret_moved, struct err *err);

int reward_em_iterations(const struct reward_em *e);              /* done so far */
const double *reward_em_posteriors(const struct reward_em *e);    /* [annotators x groups] */
double reward_em_likelihood(const struct reward_em *e);           /* sum_h log sum_u eta_u prod P of the last E-step */
struct lm_model *reward_em_model(struct reward_em *e, int model); /* of a group, or the single one; stays the EM's */

/* How well the model of each group predicts the held-out comparisons of its annotators (weighted by posterior; ties
 * left out), ret_group[groups], and the single model the same ones, ret_single[groups]. Valid after an iteration. */
void reward_em_held_out(const struct reward_em *e, struct reward_accuracy *ret_group,
                        struct reward_accuracy *ret_single);

/* The models after the last iteration, as snapshot `out`/checkpoint-N; and back: 1, or 0 when there is none.
 * ERR_CONFLICT when they are of other data or options. */
int reward_em_save(struct reward_em *e, const char *out, struct err *err);
int reward_em_resume(struct reward_em *e, const char *out, struct err *err);

#endif
