/* pace: how far a course of training is and how fast it goes, and when a checkpoint is due.
 *
 * It refuses to train and to save: sft_course and reward_course do. The struct is the caller's: the first part is to be
 * filled, the rest is to be read. One thread; the stop flag may be set by a signal. */
#ifndef EGALIGN_JOBS_PACE_H
#define EGALIGN_JOBS_PACE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct pace {
    const char *folder;                /* of the checkpoints */
    int64_t checkpoint_every;          /* steps; 0: five minutes */
    const volatile sig_atomic_t *stop; /* asks for a checkpoint and the end */
    void (*saving)(void *teller);      /* NULL, or called before each checkpoint */
    void *teller;

    bool resumed;                /* it goes on from a checkpoint */
    int64_t begin_ns, saved_ns;
    int64_t first, done, steps;  /* the step it began with, the present one, and all */
    int64_t tokens;              /* through the model since it began */
};

/* Starts the clock at step `done` of `steps`. */
void pace_begin(struct pace *p, bool resumed, int64_t done, int64_t steps);

/* One step more, of `tokens`. */
void pace_step(struct pace *p, int64_t tokens);

/* The running mean over the steps with the present one's `value`: exponential, and `value` at the first step. */
double pace_mean(const struct pace *p, double mean, double value);

/* Whether to save now, which is then taken to be done. Never after the last step. */
bool pace_checkpoint(struct pace *p);

/* Whether it is asked to stop before the end. */
bool pace_stopped(const struct pace *p);

/* Since it began: tokens that went through the model a second, and the seconds that are left at this pace; 0 before the
 * first step. */
double pace_speed(const struct pace *p);
double pace_left(const struct pace *p);

#endif
