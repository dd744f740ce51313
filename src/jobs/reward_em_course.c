#include "jobs/reward_em_course.h"

#include "base/json_text.h"
#include "core/align/reward_scorer.h"
#include "jobs/fit_document.h"

#define SETTLED 0.01 /* mean change of a posterior at which EM ends */

/* The watch of EM. */
static int watch(void *context, int iteration, int model, const struct reward_step *step, int64_t steps,
                 struct err *err)
{
    struct reward_em_course *c = context;
    (void)iteration;
    c->model = model;
    c->last = *step;
    c->model_steps = steps;
    pace_step(&c->pace, step->tokens);
    if (c->stepped(c, err) < 0)
        return -1;
    return *c->pace.stop ? err_set(err, ERR_CANCELLED, "told to stop") : 0;
}

int reward_em_course_begin(struct reward_em_course *c, const struct reward_em_input *input,
                           const struct reward_em_options *options, struct err *err)
{
    struct reward_em_options o = *options;
    o.watch = watch;
    o.context = c;
    if (reward_em_new(input, &o, &c->em, err) < 0)
        return -1;
    int found = reward_em_resume(c->em, c->pace.folder, err);
    if (found < 0)
        return -1;
    pace_begin(&c->pace, found, reward_em_steps(c->em), INT64_MAX);
    reward_em_held_out(c->em, c->group, c->single);
    return 0;
}

int reward_em_course_run(struct reward_em_course *c, struct err *err)
{
    while (reward_em_iterations(c->em) < c->iterations && reward_em_moved(c->em) > SETTLED) {
        if (reward_em_advance(c->em, err) < 0)
            return *c->pace.stop && err->code == ERR_CANCELLED ? 1 : -1;
        c->model = 0;
        c->last.step = 0;
        reward_em_held_out(c->em, c->group, c->single);
        if (c->iterated(c, err) < 0)
            return -1;
        if (c->pace.saving)
            c->pace.saving(c->pace.teller);
        if (reward_em_save(c->em, c->pace.folder, err) < 0)
            return -1;
    }
    return 0;
}

double reward_em_course_share(const struct reward_em_course *c)
{
    int models = reward_em_groups(c->em) + 1;
    double model = c->model_steps ? (double)c->last.step / (double)c->model_steps : 0;
    return (reward_em_iterations(c->em) + (c->model + model) / models) / c->iterations;
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
