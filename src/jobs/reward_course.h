/* reward_course: the loop of training reward heads: steps, checkpoints, and the end; the same for the command and the
 * job, which differ in how they tell of it.
 *
 * It goes on from the newest checkpoint in its folder. It refuses to write the result: the caller does, after
 * reward_course_run gave 0. The struct is the caller's: the first part is to be filled, the rest is to be read. One
 * thread; the stop flag may be set by a signal. */
#ifndef EGALIGN_JOBS_REWARD_COURSE_H
#define EGALIGN_JOBS_REWARD_COURSE_H

#include <signal.h>

#include "core/align/reward_model.h"

struct reward_course {
    struct reward_trainer *trainer;
    const char *folder;                /* of the checkpoints */
    int64_t checkpoint_every;          /* steps; 0: five minutes */
    const volatile sig_atomic_t *stop; /* asks for a checkpoint and the end */
    int (*stepped)(const struct reward_course *c, struct err *err); /* after each step */
    void *context;

    bool resumed;          /* it goes on from a checkpoint */
    int64_t begin_ns, saved_ns;
    int64_t first;         /* the step it began with */
    int64_t tokens;        /* through the model since then */
    double loss, accuracy; /* running means over the batches */
    struct reward_step last;
};

/* Continues from a checkpoint, if there is one: `resumed`. */
int reward_course_begin(struct reward_course *c, struct err *err);

/* Steps until the end (0) or until asked to stop (1; the checkpoint is there). */
int reward_course_run(struct reward_course *c, struct err *err);

/* Since it began: tokens a second, and the seconds that are left at this pace; 0 before the first step. */
double reward_course_speed(const struct reward_course *c);
double reward_course_left(const struct reward_course *c);

#endif
