#include "cli/train_reward.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "core/align/snapshot.h"
#include "jobs/reward_em_course.h"

#define PROGRESS_NS (INT64_C(500) * 1000000)

struct full {
    struct reward *reward;
    struct reward_em_comparison *comparison;
    double *start;
    struct reward_em_course course;
};

static int take_comparisons(struct full *f, struct err *err)
{
    const struct reward *r = f->reward;
    const struct fit_load *l = &r->load;
    size_t K = (size_t)r->fit->k;
    f->comparison = mem_array((size_t)l->comparisons + 1, sizeof *f->comparison);
    f->start = mem_array((size_t)r->fit->annotators * K, sizeof *f->start);
    if (!f->comparison || !f->start)
        return err_memory(err);
    for (int i = 0; i < l->comparisons; i++) {
        const struct comparison *c = &l->comparison[i];
        double preference = c->outcome == CHOICE_A ? 1 : c->outcome == CHOICE_B ? 0 : 0.5;
        f->comparison[i] = (struct reward_em_comparison){c->annotator, c->a, c->b, preference,
                                                         train_reward_held_out(r, l->text[c->a].item)};
    }
    for (int h = 0; h < r->fit->annotators; h++)
        for (size_t u = 0; u < K; u++)
            f->start[(size_t)h * K + u] = r->fit->annotator[h].posterior[u];
    return 0;
}

static int show(const struct reward_em_course *c, struct err *err)
{
    (void)err;
    const struct full *f = c->context;
    struct reward *r = f->reward;
    int64_t now = clock_mono_ns();
    if (!r->terminal || now - r->shown_ns < PROGRESS_NS)
        return 0;
    fprintf(stderr,
            "\r\033[Kiteration %d, model %d of %d: step %" PRId64 " of %" PRId64 "  loss %.3f  accuracy %.3f  "
            "%.0f tokens/s",
            reward_em_iterations(c->em) + 1, c->last.model + 1, r->fit->k + 1, c->last.train.step, c->last.steps,
            c->last.train.loss, c->last.train.accuracy, pace_speed(&c->pace));
    r->shown_ns = now;
    return 0;
}

static int show_iteration(const struct reward_em_course *c, struct err *err)
{
    (void)err;
    const struct full *f = c->context;
    if (!f->reward->json)
        printf("iteration %d: log-likelihood %.2f, posteriors moved by %.4f\n", reward_em_iterations(c->em),
               reward_em_likelihood(c->em), reward_em_moved(c->em));
    fflush(stdout);
    return 0;
}

static void print_json(const struct full *f)
{
    struct buf out = {0};
    json_open(&out, '{');
    json_member_int(&out, "iterations", reward_em_iterations(f->course.em));
    json_key(&out, "groups");
    json_open(&out, '[');
    for (int u = 0; u < f->reward->fit->k; u++)
        reward_em_course_write(&f->course, u, &out);
    json_close(&out, ']');
    json_close(&out, '}');
    printf("%s\n", out.failed ? "{}" : out.data);
    buf_free(&out);
}

static void print_table(const struct full *f)
{
    const struct reward_accuracy *group = f->course.group, *single = f->course.single;
    printf("\n group   own model, held out   single model          judgements\n");
    for (int u = 0; u < f->reward->fit->k; u++)
        printf(" %5d   %5.1f %% (%4.1f-%4.1f)   %5.1f %% (%4.1f-%4.1f)   %10.1f\n", u, 100 * group[u].right.value,
               100 * group[u].right.low, 100 * group[u].right.high, 100 * single[u].right.value,
               100 * single[u].right.low, 100 * single[u].right.high, group[u].right.n);
    printf("\n%s holds the reward models\n", f->reward->out);
}

static int finish(struct full *f, struct err *err)
{
    const struct reward *r = f->reward;
    if (reward_em_course_finish(&f->course, f->start, r->out, &r->lm.dialogue, r->init, err) < 0 ||
        snapshot_forget(r->out, err) < 0)
        return -1;
    (r->json ? print_json : print_table)(f);
    return 0;
}

int train_reward_full(struct reward *r, const volatile sig_atomic_t *stop, struct err *err)
{
    struct full f = {.reward = r,
                     .course = {.pace = {.folder = r->out, .checkpoint_every = r->checkpoint_every, .stop = stop},
                                .iterations = (int)r->iterations,
                                .stepped = show,
                                .iterated = show_iteration}};
    struct reward_em_options o = {.train = r->options, .groups = r->fit->k, .assignment = r->assignment};
    f.course.context = &f;
    int result = take_comparisons(&f, err);
    struct reward_em_input in = {r->lm.model,         &r->data,     r->fit->annotators,
                                 r->load.comparisons, f.comparison, r->round_robin ? NULL : f.start};
    if (result == 0)
        result = reward_em_course_begin(&f.course, &in, &o, err);
    if (result == 0 && f.course.pace.resumed && !r->json)
        printf("Going on from the checkpoint at step %" PRId64 ", in iteration %d\n", f.course.pace.first,
               reward_em_iterations(f.course.em) + 1);
    if (result == 0)
        result = reward_em_course_run(&f.course, err);
    if (r->terminal)
        fprintf(stderr, "\r\033[K");
    if (result == 0)
        result = finish(&f, err);
    reward_em_course_close(&f.course);
    mem_free(f.comparison);
    mem_free(f.start);
    return result;
}
