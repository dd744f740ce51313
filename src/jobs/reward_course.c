#include "jobs/reward_course.h"

#include "base/clock.h"

#define CHECKPOINT_NS (INT64_C(300) * 1000000000)
#define MEMORY        0.95 /* of the running means */

static double seconds(const struct reward_course *c)
{
    return (double)(clock_mono_ns() - c->begin_ns) * 1e-9;
}

double reward_course_speed(const struct reward_course *c)
{
    return c->tokens ? (double)c->tokens / seconds(c) : 0;
}

double reward_course_left(const struct reward_course *c)
{
    double done = (double)(c->last.step - c->first);
    return done > 0 ? seconds(c) / done * (double)(reward_trainer_steps(c->trainer) - c->last.step) : 0;
}

int reward_course_begin(struct reward_course *c, struct err *err)
{
    int found = reward_trainer_resume(c->trainer, c->folder, err);
    if (found < 0)
        return -1;
    c->resumed = found;
    c->begin_ns = c->saved_ns = clock_mono_ns();
    c->first = c->last.step = reward_trainer_done(c->trainer);
    return 0;
}

static int checkpoint_when_due(struct reward_course *c, struct err *err)
{
    int64_t now = clock_mono_ns();
    bool due = c->checkpoint_every > 0 ? c->last.step % c->checkpoint_every == 0 : now - c->saved_ns >= CHECKPOINT_NS;
    if (!due && !*c->stop)
        return 0;
    c->saved_ns = now;
    return reward_trainer_save(c->trainer, c->folder, err);
}

int reward_course_run(struct reward_course *c, struct err *err)
{
    int64_t steps = reward_trainer_steps(c->trainer);
    while (reward_trainer_done(c->trainer) < steps) {
        if (reward_trainer_advance(c->trainer, &c->last, err) < 0)
            return -1;
        bool first = c->last.step == c->first + 1;
        c->tokens += c->last.tokens;
        c->loss = first ? c->last.loss : MEMORY * c->loss + (1 - MEMORY) * c->last.loss;
        c->accuracy = first ? c->last.accuracy : MEMORY * c->accuracy + (1 - MEMORY) * c->last.accuracy;
        if (c->stepped(c, err) < 0)
            return -1;
        if (c->last.step < steps && checkpoint_when_due(c, err) < 0)
            return -1;
        if (*c->stop && c->last.step < steps)
            return 1;
    }
    return 0;
}
