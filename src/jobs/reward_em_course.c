#include "jobs/reward_em_course.h"

#include "base/json_text.h"
#include "core/align/reward_scorer.h"
#include "jobs/fit_document.h"

#define SETTLED 0.01 /* mean change of a posterior at which EM ends */

int reward_em_course_begin(struct reward_em_course *c, const struct reward_em_input *input,
                           const struct reward_em_options *options, struct err *err)
{
    if (reward_em_new(input, options, &c->em, err) < 0)
        return -1;
    int found = reward_em_resume(c->em, c->pace.folder, err);
    if (found < 0)
        return -1;
    pace_begin(&c->pace, found, reward_em_steps(c->em), INT64_MAX);
    return 0;
}

/* What is to be told of the step that was made; `iterated`: it was the E-step. */
static int tell(struct reward_em_course *c, bool iterated, struct err *err)
{
    if (!iterated) {
        pace_step(&c->pace, c->last.train.tokens);
        return c->stepped(c, err);
    }
    pace_step(&c->pace, 0);
    c->last = (struct reward_em_step){0};
    reward_em_held_out(c->em, c->group, c->single);
    return c->iterated(c, err);
}

int reward_em_course_run(struct reward_em_course *c, struct err *err)
{
    while (reward_em_iterations(c->em) < c->iterations && reward_em_moved(c->em) > SETTLED) {
        int iterated = reward_em_advance(c->em, &c->last, err);
        if (iterated < 0 || tell(c, iterated, err) < 0)
            return -1;
        if (pace_checkpoint(&c->pace) && reward_em_save(c->em, c->pace.folder, err) < 0)
            return -1;
        if (pace_stopped(&c->pace))
            return 1;
    }
    return 0;
}

double reward_em_course_share(const struct reward_em_course *c)
{
    int models = reward_em_groups(c->em) + 1;
    double model = c->last.steps ? (double)c->last.train.step / (double)c->last.steps : 0;
    return (reward_em_iterations(c->em) + (c->last.model + model) / models) / c->iterations;
}

int reward_em_course_finish(struct reward_em_course *c, const double *posteriors, const char *folder,
                            const struct dialogue *dialogue, const char *like, struct err *err)
{
    struct lm_model *models[REWARD_HEADS_MAX + 1];
    int groups = reward_em_groups(c->em);
    reward_em_number_as(c->em, posteriors);
    reward_em_held_out(c->em, c->group, c->single);
    if (reward_em_calibration(c->em, c->own, c->pooled, err) < 0)
        return -1;
    for (int u = 0; u <= groups; u++)
        models[u] = reward_em_model(c->em, u);
    return reward_scorer_save(folder, groups, models, dialogue, like, err);
}

void reward_em_course_close(struct reward_em_course *c)
{
    reward_em_free(c->em);
    c->em = NULL;
}

void reward_em_course_write(const struct reward_em_course *c, int u, struct buf *out)
{
    const struct {
        const char *name;
        const struct reward_accuracy *accuracy;
    } both[] = {{"group", &c->group[u]}, {"single", &c->single[u]}};
    json_open(out, '{');
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
        json_key(out, both[i].name);
        json_open(out, '{');
        reward_accuracy_write(out, both[i].accuracy);
        json_close(out, '}');
    }
    fit_document_calibration(out, &c->own[u], &c->pooled[u]);
    json_close(out, '}');
}
