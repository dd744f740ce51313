#include "jobs/reward.h"

#include <stdio.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/json_text.h"
#include "core/align/language_model.h"
#include "core/lm/replace.h"
#include "formats/fit_options.h"
#include "jobs/job_folder.h"
#include "jobs/judged_pairs.h"
#include "jobs/machine.h"
#include "jobs/policy_folder.h"
#include "jobs/reward_course.h"
#include "jobs/reward_em_course.h"
#include "jobs/reward_settings.h"

/* How much of the job is not training. */
#define SHARE_READ  0.02
#define SHARE_TRAIN 0.96

struct reward {
    const struct job_context *job;
    struct reporter reporter;
    struct arena arena;
    struct reward_settings settings;
    struct policy parent;
    struct fit_posteriors posteriors;
    char folder[PLACE_PATH];    /* of the job */
    char result[PLACE_PATH];    /* in it: the models that become the policy */
    char data_file[PLACE_PATH]; /* in it: what is learnt, by every attempt */
    struct reward_options options;
    struct language_model lm;
    struct reward_em_data data;
    struct reward_em_course course;
};

/* ---- the data ---- */

static int write_data(FILE *file, void *context, struct err *err)
{
    const struct reward *r = context;
    return reward_em_data_write(&r->data, file, err);
}

/* From the database at first; later attempts learn from what the first one read. */
static int find_data(struct reward *r, struct err *err)
{
    const struct reward_settings *s = &r->settings;
    if (access(r->data_file, F_OK) == 0)
        return reward_em_data_load(r->data_file, &r->data, err);
    struct pg *pg = reporter_pg(&r->reporter, 0, err);
    const struct uuid *project = &r->job->lease->project;
    r->data.sequences.longest = reward_settings_longest(s, r->lm.model->shape.context);
    if (!pg ||
        fit_posteriors_read(pg, project, json_given(&s->seen, REWARD_FIT) ? &s->fit : NULL, &r->arena, &r->posteriors,
                            err) < 0 ||
        judged_comparisons_read(pg, project, &r->posteriors, &r->lm.dialogue, reward_settings_held_out(s), &r->data,
                                err) < 0)
        return -1;
    return replace_file(r->data_file, write_data, r, err);
}

static int prepare(struct reward *r, struct err *err)
{
    const struct reward_data *sequences = &r->data.sequences;
    reporter_tell(&r->reporter, "reading", 0, "{}", true);
    if (job_folder_make(r->job, r->folder, err) < 0 || place_file(r->folder, "result", r->result, err) < 0 ||
        place_file(r->folder, "comparisons", r->data_file, err) < 0 ||
        language_model_open(&r->lm, r->job->threads, err) < 0 ||
        language_model_load(&r->lm, r->parent.folder, err) < 0 || find_data(r, err) < 0)
        return -1;
    r->options = reward_settings_apply(&r->settings, r->lm.gemm, sequences->longest);
    if (machine_fits(reward_em_bytes(&r->lm.model->shape, sequences, &r->options, r->data.groups), err) < 0)
        return -1;
    reporter_say(&r->reporter, "info",
                 "%d comparisons of %d responses by %d annotators, %zu tokens, %d groups; %d were cut to %d tokens",
                 r->data.comparisons, sequences->count, r->data.annotators, sequences->tokens.count, r->data.groups,
                 sequences->cut, sequences->longest);
    return 0;
}

/* ---- training ---- */

static int tell(struct reward *r, struct buf *figures, struct err *err)
{
    const struct reward_em_course *c = &r->course;
    json_close(figures, '}');
    if (!figures->failed) {
        reporter_figures(&r->reporter, reward_em_steps(c->em), (struct str){figures->data, figures->length});
        reporter_tell(&r->reporter, "training", SHARE_READ + SHARE_TRAIN * reward_em_course_share(c), figures->data,
                      false);
    }
    buf_free(figures);
    return reporter_check(&r->reporter, err);
}

static int stepped(const struct reward_em_course *c, struct err *err)
{
    struct buf out = {0};
    json_open(&out, '{');
    json_member_int(&out, "iteration", reward_em_iterations(c->em) + 1);
    json_member_int(&out, "model", c->last.model);
    reward_step_write(&c->last.train, &c->pace, &out);
    return tell(c->context, &out, err);
}

/* The figures of an E-step, which is a step of its own. */
static int iterated(const struct reward_em_course *c, struct err *err)
{
    struct reward *r = c->context;
    struct buf out = {0};
    char name[32];
    json_open(&out, '{');
    json_member_int(&out, "iteration", reward_em_iterations(c->em));
    json_member_real(&out, "log_likelihood", reward_em_likelihood(c->em));
    json_member_real(&out, "moved", reward_em_moved(c->em));
    for (int u = 0; u < r->data.groups; u++) {
        snprintf(name, sizeof name, "held_out/g%d", u);
        json_member_real(&out, name, c->group[u].right.value);
        snprintf(name, sizeof name, "held_out_single/g%d", u);
        json_member_real(&out, name, c->single[u].right.value);
    }
    reporter_say(&r->reporter, "info", "iteration %d: log-likelihood %.2f, posteriors moved by %.4f",
                 reward_em_iterations(c->em), reward_em_likelihood(c->em), reward_em_moved(c->em));
    return tell(r, &out, err);
}

/* 0 at the end, 1 when it was told to stop. */
static int train(struct reward *r, struct err *err)
{
    const struct reward_settings *s = &r->settings;
    struct reward_em_course *c = &r->course;
    const char *assignment = fit_settings_assignments[s->assignment];
    struct reward_em_options o = {.train = r->options,
                                  .groups = r->data.groups,
                                  .assignment = (enum assignment)assignment_of(assignment)};
    struct reward_em_input in = {r->lm.model,          &r->data.sequences,   r->data.annotators,
                                 r->data.comparisons, r->data.comparison,
                                 s->start == REWARD_FROM_FIT ? r->data.posterior : NULL};
    *c = (struct reward_em_course){
        .pace = reporter_pace(&r->reporter, r->folder, s->checkpoint_every),
        .iterations = json_given(&s->seen, REWARD_ITERATIONS) ? (int)s->iterations : REWARD_MOST_ITERATIONS,
        .stepped = stepped,
        .iterated = iterated,
        .context = r};
    if (reward_em_course_begin(c, &in, &o, err) < 0)
        return -1;
    if (c->pace.resumed)
        reporter_say(&r->reporter, "info", "going on from the checkpoint at step %lld, in iteration %d",
                     (long long)c->pace.first, reward_em_iterations(c->em) + 1);
    int result = reward_em_course_run(c, err);
    reporter_flush(&r->reporter);
    return result;
}

/* ---- the result ---- */

/* What the recipe says beyond the options; the object stays open for policy_folder_publish. */
static void put_recipe(const struct reward *r, struct buf *out)
{
    const struct reward_em_course *c = &r->course;
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    reward_em_data_digest(&r->data, digest);
    json_open(out, '{');
    json_member_int(out, "groups", r->data.groups);
    json_member_int(out, "annotators", r->data.annotators);
    json_member_int(out, "comparisons", r->data.comparisons);
    json_member_text(out, "data_digest", sha256_hex(digest, hex));
    json_member_text(out, "parent_digest", sha256_hex(r->parent.digest, hex));
    json_member_int(out, "iterations_done", reward_em_iterations(c->em));
    json_member_int(out, "steps_done", reward_em_steps(c->em));
    json_member_real(out, "log_likelihood", reward_em_likelihood(c->em));
    json_member_real(out, "moved", reward_em_moved(c->em));
    json_member_real(out, "moved_from_fit", reward_em_distance(c->em, r->data.posterior));
    json_key(out, "held_out");
    json_open(out, '[');
    for (int u = 0; u < r->data.groups; u++)
        reward_em_course_write(c, u, out);
    json_close(out, ']');
}

static void say_accuracies(struct reward *r)
{
    for (int u = 0; u < r->data.groups; u++) {
        const struct proportion *own = &r->course.group[u].right, *single = &r->course.single[u].right;
        reporter_say(&r->reporter, "info",
                     "group %d: %.1f %% of %.1f held-out judgements right (%.1f to %.1f), by the single model %.1f %% "
                     "(%.1f to %.1f)",
                     u, 100 * own->value, own->n, 100 * own->low, 100 * own->high, 100 * single->value,
                     100 * single->low, 100 * single->high);
    }
}

static int publish(struct reward *r, struct err *err)
{
    struct buf recipe = {0};
    reporter_tell(&r->reporter, "publishing", SHARE_READ + SHARE_TRAIN, "{}", true);
    if (folder_remove(r->result, err) < 0 ||
        reward_em_course_finish(&r->course, r->data.posterior, r->result, &r->lm.dialogue, r->parent.folder, err) < 0)
        return -1;
    say_accuracies(r);
    put_recipe(r, &recipe);
    int result = policy_folder_publish(&r->reporter, &recipe, r->result, r->folder, err);
    buf_free(&recipe);
    return result < 0 ? -1 : JOB_WRITTEN;
}

int reward_run(const struct job_context *job, struct err *err)
{
    struct reward r = {.job = job, .reporter = {.job = job}};
    int result = -1;
    if (reward_settings_of_job(&r.reporter, &reward_settings_shape, &r.arena, &r.settings, &r.parent, err) == 0 &&
        prepare(&r, err) == 0)
        result = train(&r, err);
    if (result == 0)
        result = publish(&r, err);
    else if (result > 0)
        result = JOB_STOPPED;
    reward_em_course_close(&r.course);
    reward_em_data_free(&r.data);
    language_model_close(&r.lm);
    arena_free(&r.arena);
    reporter_close(&r.reporter);
    return result;
}
