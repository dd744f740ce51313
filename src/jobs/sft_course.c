#include "jobs/sft_course.h"

#include <math.h>

#include "base/clock.h"
#include "formats/examples.h"

#define CHECKPOINT_NS (INT64_C(300) * 1000000000)

static double seconds(const struct sft_course *c)
{
    return (double)(clock_mono_ns() - c->begin_ns) * 1e-9;
}

double sft_course_speed(const struct sft_course *c)
{
    return c->tokens ? (double)c->tokens / seconds(c) : 0;
}

double sft_course_left(const struct sft_course *c)
{
    double done = (double)(c->last.step - c->first);
    return done > 0 ? seconds(c) / done * (double)(sft_steps(c->sft) - c->last.step) : 0;
}

int sft_course_begin(struct sft_course *c, struct err *err)
{
    int found = sft_resume(c->sft, c->folder, err);
    if (found < 0)
        return -1;
    c->resumed = found;
    c->begin_ns = c->saved_ns = clock_mono_ns();
    c->first = c->last.step = sft_done(c->sft);
    return 0;
}

static int checkpoint_when_due(struct sft_course *c, struct err *err)
{
    int64_t now = clock_mono_ns();
    bool due = c->checkpoint_every > 0 ? c->last.step % c->checkpoint_every == 0 : now - c->saved_ns >= CHECKPOINT_NS;
    if (!due && !*c->stop)
        return 0;
    c->saved_ns = now;
    return sft_save(c->sft, c->folder, err);
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
    int64_t steps = sft_steps(c->sft), every = c->evaluate_every;
    if (every == 0)
        every = steps < 10 ? 1 : steps / 10;
    while (sft_done(c->sft) < steps) {
        if (sft_advance(c->sft, &c->last, err) < 0)
            return -1;
        c->tokens += c->last.tokens;
        c->loss = c->last.step == c->first + 1 ? c->last.loss : 0.95 * c->loss + 0.05 * c->last.loss;
        bool evaluated = c->last.step % every == 0 || c->last.step == steps;
        if ((evaluated ? evaluate(c, err) : c->stepped(c, err)) < 0)
            return -1;
        if (c->last.step < steps && checkpoint_when_due(c, err) < 0)
            return -1;
        if (*c->stop && c->last.step < steps)
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
