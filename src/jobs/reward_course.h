/* reward_course: the loop of training reward heads: steps, checkpoints, and the end; the same for the command and the
 * job, which differ in how they tell of it.
 *
 * It goes on from the newest checkpoint in its folder. It refuses to write the result: the caller does, after
 * reward_course_run gave 0. The struct is the caller's: the first part is to be filled, the rest is to be read. One
 * thread; the stop flag may be set by a signal. */
#ifndef EGALIGN_JOBS_REWARD_COURSE_H
#define EGALIGN_JOBS_REWARD_COURSE_H

#include "core/align/reward_model.h"
#include "jobs/pace.h"

struct reward_course {
    struct reward_trainer *trainer;
    struct pace pace;
    int (*stepped)(const struct reward_course *c, struct err *err); /* after each step */
    void *context;

    double loss, accuracy; /* running means over the batches */
    struct reward_step last;
};

/* Continues from a checkpoint, if there is one: pace.resumed. */
int reward_course_begin(struct reward_course *c, struct err *err);

/* Steps until the end (0) or until asked to stop (1; the checkpoint is there). */
int reward_course_run(struct reward_course *c, struct err *err);

/* Appends the figures of a step, with the pace, to a JSON object that is open. */
void reward_step_write(const struct reward_step *step, const struct pace *pace, struct buf *out);

#endif
