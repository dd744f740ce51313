#include "jobs/sft_course.h"

#include <math.h>

#include "formats/examples.h"

int sft_course_begin(struct sft_course *c, struct err *err)
{
    int found = sft_resume(c->sft, c->pace.folder, err);
    if (found < 0)
        return -1;
    c->last.step = sft_done(c->sft);
    pace_begin(&c->pace, found, c->last.step, sft_steps(c->sft));
    return 0;
}

static int evaluate(struct sft_course *c, struct err *err)
{
    if (sft_held_out(c->sft, &c->held_out, &c->predictions, err) < 0)
        return -1;
    if (c->predictions == 0)
        c->held_out = NAN;
    return c->evaluated(c, err);
}

int sft_course_run(struct sft_course *c, struct err *err)
{
    int64_t steps = c->pace.steps, every = c->evaluate_every;
    if (every == 0)
        every = steps < 10 ? 1 : steps / 10;
    while (c->pace.done < steps) {
        if (sft_advance(c->sft, &c->last, err) < 0)
            return -1;
        pace_step(&c->pace, c->last.tokens);
        c->loss = pace_mean(&c->pace, c->loss, c->last.loss);
        bool evaluated = c->last.step % every == 0 || c->last.step == steps;
        if ((evaluated ? evaluate(c, err) : c->stepped(c, err)) < 0)
            return -1;
        if (pace_checkpoint(&c->pace) && sft_save(c->sft, c->pace.folder, err) < 0)
            return -1;
        if (pace_stopped(&c->pace))
            return 1;
    }
    return 0;
}

struct passing {
    sft_take *take;
    void *context;
};

static int pass_on(void *context, const struct example *e, struct err *err)
{
    struct passing *p = context;
    return p->take(p->context, e->prompt, e->text, err);
}

int sft_course_file(void *path, sft_take *take, void *context, struct err *err)
{
    return examples_read(path, pass_on, &(struct passing){take, context}, err);
}
