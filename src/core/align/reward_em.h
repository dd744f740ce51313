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
 * The groups are numbered as the start has them; reward_em_number_as gives them the numbers of a fit. It goes step by
 * step, can be saved after any of them and is resumed from there to the same bits on the same machine. It refuses to
 * choose K (reward/fit.h does) and to know the time and signals. Sequences and comparisons are borrowed. One thread. */
#ifndef EGALIGN_CORE_ALIGN_REWARD_EM_H
#define EGALIGN_CORE_ALIGN_REWARD_EM_H

#include "core/align/reward_model.h"
#include "core/reward/calibration.h"
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
};

struct reward_em;

/* ERR_INVALID_VALUE, ERR_INSUFFICIENT_DATA, ERR_NO_MEMORY. */
int reward_em_new(const struct reward_em_input *input, const struct reward_em_options *options, struct reward_em **ret,
                  struct err *err);
void reward_em_free(struct reward_em *e);

/* Bytes that it takes besides the data: the base, the K + 1 models, and the training of one of them. */
size_t reward_em_bytes(const struct lm_shape *base, const struct reward_data *sequences,
                       const struct reward_options *options, int groups);

/* A step of training in an M-step. */
struct reward_em_step {
    int model;     /* the group, or `groups` for the single model */
    int64_t steps; /* that this model takes in this iteration */
    struct reward_step train;
};

/* One step of training of the model whose turn it is, told in *ret: 0; or when each has had its turn, the E-step, which
 * ends the iteration: 1. ERR_NUMERICAL. After a failure only the last snapshot is of use. */
int reward_em_advance(struct reward_em *e, struct reward_em_step *ret, struct err *err);

int reward_em_groups(const struct reward_em *e);                  /* K */
int reward_em_iterations(const struct reward_em *e);              /* done so far */
int64_t reward_em_steps(const struct reward_em *e);               /* of training, and the E-steps, done so far */
double reward_em_moved(const struct reward_em *e); /* by the last E-step: mean over annotators of half the sum of
                                                      |change of q|; 0: the groups have settled; 1 before the first */
const double *reward_em_posteriors(const struct reward_em *e);    /* [annotators x groups] */
double reward_em_likelihood(const struct reward_em *e);           /* sum_h log sum_u eta_u prod P of the last E-step */
struct lm_model *reward_em_model(struct reward_em *e, int model); /* of a group, or the single one; stays the EM's */

/* How well the model of each group predicts the held-out comparisons of its annotators (weighted by posterior; ties
 * left out), ret_group[groups], and the single model the same ones, ret_single[groups]. Valid after an iteration. */
void reward_em_held_out(const struct reward_em *e, struct reward_accuracy *ret_group,
                        struct reward_accuracy *ret_single);

/* Whether the probabilities of both can be believed, on the held-out comparisons of the annotators that are likelier in
 * the group than in any other. Valid likewise. ERR_NO_MEMORY. */
int reward_em_calibration(const struct reward_em *e, struct calibration *ret_group, struct calibration *ret_single,
                          struct err *err);

/* Numbers the groups as those of `posteriors`[annotators x groups] are, one to one so that the most responsibility is
 * shared: from a round-robin start their order is arbitrary. For the end: a renumbered EM is not to be saved. */
void reward_em_number_as(struct reward_em *e, const double *posteriors);

/* How far the responsibilities are from others: as reward_em_moved. */
double reward_em_distance(const struct reward_em *e, const double *posteriors);

/* All of it after the last step, as snapshot `out`/checkpoint-N; and back: 1, or 0 when there is none. ERR_CONFLICT
 * when it is of other data or options. */
int reward_em_save(struct reward_em *e, const char *out, struct err *err);
int reward_em_resume(struct reward_em *e, const char *out, struct err *err);

#endif
