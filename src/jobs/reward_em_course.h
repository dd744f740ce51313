/* reward_em_course: the loop of EM over reward models: iterations until the groups have settled or there were enough,
 * its checkpoints, and the models at the end; the same for the command and the job, which differ in how they tell of
 * it.
 *
 * The struct is the caller's: the first part is to be filled, the rest is to be read, and reward_em_course_close must
 * follow. One thread; the stop flag may be set by a signal. */
#ifndef EGALIGN_JOBS_REWARD_EM_COURSE_H
#define EGALIGN_JOBS_REWARD_EM_COURSE_H

#include "core/align/dialogue.h"
#include "core/align/reward_em.h"
#include "jobs/pace.h"

struct reward_em_course {
    struct pace pace; /* how many steps there will be is not known */
    int iterations;   /* most */
    int (*stepped)(const struct reward_em_course *c, struct err *err);  /* after each step of training */
    int (*iterated)(const struct reward_em_course *c, struct err *err); /* after each iteration */
    void *context;

    struct reward_em *em;
    struct reward_em_step last;
    struct reward_accuracy group[REWARD_HEADS_MAX], single[REWARD_HEADS_MAX]; /* held out, after each iteration */
    struct calibration own[REWARD_HEADS_MAX], pooled[REWARD_HEADS_MAX];       /* of both, at the end */
};

/* Opens EM and continues from a checkpoint, if there is one: pace.resumed. */
int reward_em_course_begin(struct reward_em_course *c, const struct reward_em_input *input,
                           const struct reward_em_options *options, struct err *err);

/* Iterates until the end (0) or until asked to stop (1; with a checkpoint). */
int reward_em_course_run(struct reward_em_course *c, struct err *err);

/* The share that is done, 0 .. 1, as if all iterations were to be made. */
double reward_em_course_share(const struct reward_em_course *c);

/* After the end: numbers the groups as those of `posteriors` are (reward_em_number_as) and writes the models into
 * `folder` (reward_scorer_save). */
int reward_em_course_finish(struct reward_em_course *c, const double *posteriors, const char *folder,
                            const struct dialogue *dialogue, const char *like, struct err *err);

/* Frees the models. */
void reward_em_course_close(struct reward_em_course *c);

/* Appends {"group": {n, rate, low, high, log_loss}, "single": {...}, "calibration": {...}} of group `u`. */
void reward_em_course_write(const struct reward_em_course *c, int u, struct buf *out);

#endif
