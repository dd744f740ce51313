#include "jobs/reward_course.h"

#include "base/json_text.h"

int reward_course_begin(struct reward_course *c, struct err *err)
{
    int found = reward_trainer_resume(c->trainer, c->pace.folder, err);
    if (found < 0)
        return -1;
    c->last.step = reward_trainer_done(c->trainer);
    pace_begin(&c->pace, found, c->last.step, reward_trainer_steps(c->trainer));
    return 0;
}

int reward_course_run(struct reward_course *c, struct err *err)
{
    while (c->pace.done < c->pace.steps) {
        if (reward_trainer_advance(c->trainer, &c->last, err) < 0)
            return -1;
        pace_step(&c->pace, c->last.tokens);
        c->loss = pace_mean(&c->pace, c->loss, c->last.loss);
        c->accuracy = pace_mean(&c->pace, c->accuracy, c->last.accuracy);
        if (c->stepped(c, err) < 0)
            return -1;
        if (pace_checkpoint(&c->pace) && reward_trainer_save(c->trainer, c->pace.folder, err) < 0)
            return -1;
        if (pace_stopped(&c->pace))
            return 1;
    }
    return 0;
}

void reward_step_write(const struct reward_step *step, const struct pace *pace, struct buf *out)
{
    json_member_real(out, "loss", step->loss);
    json_member_real(out, "accuracy", step->accuracy);
    json_member_real(out, "learning_rate", step->rate);
    json_member_real(out, "grad_norm", step->norm);
    json_member_real(out, "tokens_per_second", pace_speed(pace));
}
