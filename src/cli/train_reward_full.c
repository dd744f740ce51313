#include "cli/train_reward.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "core/align/reward_em.h"
#include "core/align/reward_scorer.h"
#include "core/align/snapshot.h"

#define PROGRESS_NS (INT64_C(500) * 1000000)
#define SETTLED     0.01 /* mean change of a posterior at which EM ends */

struct full {
    struct reward *reward;
    const volatile sig_atomic_t *stop;
    struct reward_em_comparison *comparison;
    double *start;
    struct reward_em *em;
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

static int watch(void *context, int iteration, int model, const struct reward_step *step, int64_t steps,
                 struct err *err)
{
    struct full *f = context;
    struct reward *r = f->reward;
    int64_t now = clock_mono_ns();
    if (*f->stop)
        return err_set(err, ERR_CANCELLED, "told to stop");
    if (!r->terminal || now - r->shown_ns < PROGRESS_NS)
        return 0;
    fprintf(stderr, "\r\033[Kiteration %d, model %d of %d: step %" PRId64 " of %" PRId64 "  loss %.3f  accuracy %.3f",
            iteration + 1, model + 1, r->fit->k + 1, step->step, steps, step->loss, step->accuracy);
    r->shown_ns = now;
    return 0;
}

static void put_accuracy(struct buf *out, const char *name, const struct reward_accuracy *a)
{
    json_key(out, name);
    json_open(out, '{');
    json_key(out, "n");
    json_put_real(out, a->right.n);
    json_key(out, "accuracy");
    json_put_real(out, a->right.value);
    json_key(out, "low");
    json_put_real(out, a->right.low);
    json_key(out, "high");
    json_put_real(out, a->right.high);
    json_key(out, "log_loss");
    json_put_real(out, a->loss);
    json_close(out, '}');
}

static void print_json(const struct full *f, const struct reward_accuracy *group, const struct reward_accuracy *single)
{
    struct buf out = {0};
    json_open(&out, '{');
    json_key(&out, "iterations");
    json_put_int(&out, reward_em_iterations(f->em));
    json_key(&out, "groups");
    json_open(&out, '[');
    for (int u = 0; u < f->reward->fit->k; u++) {
        json_open(&out, '{');
        put_accuracy(&out, "group", &group[u]);
        put_accuracy(&out, "single", &single[u]);
        json_close(&out, '}');
    }
    json_close(&out, ']');
    json_close(&out, '}');
    printf("%s\n", out.failed ? "{}" : out.data);
    buf_free(&out);
}

static void print_table(const struct full *f, const struct reward_accuracy *group,
                        const struct reward_accuracy *single)
{
    printf("\n group   own model, held out   single model          judgements\n");
    for (int u = 0; u < f->reward->fit->k; u++)
        printf(" %5d   %5.1f %% (%4.1f-%4.1f)   %5.1f %% (%4.1f-%4.1f)   %10.1f\n", u, 100 * group[u].right.value,
               100 * group[u].right.low, 100 * group[u].right.high, 100 * single[u].right.value,
               100 * single[u].right.low, 100 * single[u].right.high, group[u].right.n);
    printf("\n%s holds the reward models\n", f->reward->out);
}

/* Iterations until the groups have settled or there were enough; saved after each. */
static int iterate(struct full *f, struct err *err)
{
    struct reward *r = f->reward;
    double moved = 1;
    while (reward_em_iterations(f->em) < r->iterations && moved > SETTLED) {
        if (reward_em_advance(f->em, &moved, err) < 0)
            return *f->stop && err->code == ERR_CANCELLED ? 1 : -1;
        if (!r->json)
            printf("iteration %d: log-likelihood %.2f, posteriors moved by %.4f\n", reward_em_iterations(f->em),
                   reward_em_likelihood(f->em), moved);
        fflush(stdout);
        if (reward_em_save(f->em, r->out, err) < 0)
            return -1;
    }
    return 0;
}

static int finish(struct full *f, struct err *err)
{
    const struct reward *r = f->reward;
    struct lm_model *models[REWARD_HEADS_MAX + 1];
    struct reward_accuracy group[REWARD_HEADS_MAX], single[REWARD_HEADS_MAX];
    for (int u = 0; u <= r->fit->k; u++)
        models[u] = reward_em_model(f->em, u);
    if (reward_scorer_save(r->out, r->fit->k, models, &r->lm.dialogue, r->init, err) < 0 ||
        snapshot_forget(r->out, err) < 0)
        return -1;
    reward_em_held_out(f->em, group, single);
    (r->json ? print_json : print_table)(f, group, single);
    return 0;
}

int train_reward_full(struct reward *r, const volatile sig_atomic_t *stop, struct err *err)
{
    struct full f = {.reward = r, .stop = stop};
    struct reward_em_options o = {.train = r->options, .groups = r->fit->k, .assignment = r->assignment, .watch = watch,
                                  .context = &f};
    int result = take_comparisons(&f, err);
    struct reward_em_input in = {r->lm.model,         &r->data,     r->fit->annotators,
                                 r->load.comparisons, f.comparison, r->round_robin ? NULL : f.start};
    if (result == 0)
        result = reward_em_new(&in, &o, &f.em, err);
    if (result == 0)
        result = reward_em_resume(f.em, r->out, err);
    if (result > 0 && !r->json)
        printf("Going on after iteration %d\n", reward_em_iterations(f.em));
    if (result >= 0)
        result = iterate(&f, err);
    if (r->terminal)
        fprintf(stderr, "\r\033[K");
    if (result == 0)
        result = finish(&f, err);
    reward_em_free(f.em);
    mem_free(f.comparison);
    mem_free(f.start);
    return result;
}
