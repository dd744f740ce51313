/* sft_course: the loop of supervised training: steps, held-out perplexity, checkpoints, and the end; the same for the
 * command and the job, which differ in how they tell of it.
 *
 * It goes on from the newest checkpoint in its folder. It refuses to write the result: the caller does, after
 * sft_course_run gave 0. The struct is the caller's: the first part is to be filled, the rest is to be read. One
 * thread; the stop flag may be set by a signal. */
#ifndef EGALIGN_JOBS_SFT_COURSE_H
#define EGALIGN_JOBS_SFT_COURSE_H

#include "core/align/sft_start.h"
#include "jobs/pace.h"

struct sft_course {
    struct sft *sft;
    struct pace pace;
    int64_t evaluate_every; /* steps; 0: a tenth of all */
    int (*stepped)(const struct sft_course *c, struct err *err); /* after each step but those evaluated */
    int (*evaluated)(const struct sft_course *c, struct err *err); /* after each held-out evaluation and its step */
    void *context;

    double loss;      /* running mean */
    struct sft_step last;
    double held_out;  /* mean loss, nats; NAN where nothing is held out; of the last evaluation */
    long predictions; /* that it rests on */
};

/* Continues from a checkpoint, if there is one: pace.resumed. */
int sft_course_begin(struct sft_course *c, struct err *err);

/* Steps until the end (0) or until asked to stop (1; the checkpoint is there). */
int sft_course_run(struct sft_course *c, struct err *err);

/* An sft_read of a file of examples (formats/examples.h); `path` is its name. */
sft_read sft_course_file;

#endif
