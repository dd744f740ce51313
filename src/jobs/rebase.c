#include "jobs/rebase.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/json_text.h"
#include "core/align/language_model.h"
#include "core/lm/checkpoint.h"
#include "core/lm/replace.h"
#include "jobs/job_folder.h"
#include "jobs/judged_pairs.h"
#include "jobs/machine.h"
#include "jobs/policy_folder.h"
#include "jobs/reporter.h"
#include "jobs/reward_course.h"
#include "jobs/reward_settings.h"

/* How much of the job is not training. */
#define SHARE_READ  0.02
#define SHARE_TRAIN 0.96

struct rebase {
    const struct job_context *job;
    struct reporter reporter;
    struct arena arena;
    struct reward_settings settings;
    struct policy parent;
    struct fit_posteriors posteriors;
    char folder[PLACE_PATH];    /* of the job */
    char result[PLACE_PATH];    /* in it: the checkpoint that becomes the policy */
    char data_file[PLACE_PATH]; /* in it: what is learnt, by every attempt */
    struct reward_options options;
    struct language_model lm;
    struct reward_data data;
    struct lm_model *model;     /* with the heads */
    struct reward_course course;
    struct reward_accuracy accuracy[REWARD_HEADS_MAX];
};

/* ---- the data ---- */

static int write_data(FILE *file, void *context, struct err *err)
{
    const struct rebase *r = context;
    return reward_data_write(&r->data, file, err);
}

/* From the database at first; later attempts learn from what the first one read. */
static int find_data(struct rebase *r, struct err *err)
{
    const struct reward_settings *s = &r->settings;
    r->data.longest = reward_settings_longest(s, r->lm.model->shape.context);
    if (access(r->data_file, F_OK) == 0)
        return reward_data_load(r->data_file, &r->data, err);
    struct pg *pg = reporter_pg(&r->reporter, 0, err);
    const struct uuid *project = &r->job->lease->project;
    if (!pg ||
        fit_posteriors_read(pg, project, json_given(&s->seen, REWARD_FIT) ? &s->fit : NULL, &r->arena, &r->posteriors,
                            err) < 0 ||
        judged_pairs_read(pg, project, &r->posteriors, &r->lm.dialogue, reward_settings_held_out(s),
                          &r->data, err) < 0)
        return -1;
    return replace_file(r->data_file, write_data, r, err);
}

static int prepare(struct rebase *r, struct err *err)
{
    reporter_tell(&r->reporter, "reading", 0, "{}", true);
    if (job_folder_make(r->job, r->folder, err) < 0 || place_file(r->folder, "result", r->result, err) < 0 ||
        place_file(r->folder, "pairs", r->data_file, err) < 0 ||
        language_model_open(&r->lm, r->job->threads, err) < 0 ||
        machine_load_model(&r->lm, r->parent.folder, err) < 0 || find_data(r, err) < 0)
        return -1;
    r->options = reward_settings_apply(&r->settings, r->lm.gemm, r->data.longest);
    r->model = reward_model_new(r->lm.model, r->data.heads, r->options.seed, err);
    if (!r->model || machine_fits(reward_trainer_bytes(&r->model->shape, &r->data, &r->options), err) < 0)
        return -1;
    reporter_say(&r->reporter, "info",
                 "%d judged pairs of %d responses, %zu tokens, %d groups; %d were cut to %d tokens",
                 r->data.pair_count, r->data.count, r->data.tokens.count, r->data.heads, r->data.cut, r->data.longest);
    return 0;
}

/* ---- training ---- */

static int stepped(const struct reward_course *c, struct err *err)
{
    struct rebase *r = c->context;
    struct buf out = {0};
    json_open(&out, '{');
    reward_step_write(&c->last, &c->pace, &out);
    json_close(&out, '}');
    double share = SHARE_READ + SHARE_TRAIN * (double)c->last.step / (double)c->pace.steps;
    if (!out.failed) {
        reporter_figures(&r->reporter, c->last.step, (struct str){out.data, out.length});
        reporter_tell(&r->reporter, "training", share, out.data, false);
    }
    buf_free(&out);
    return reporter_check(&r->reporter, err);
}

/* 0 at the end, 1 when it was told to stop. */
static int train(struct rebase *r, struct err *err)
{
    struct reward_course *c = &r->course;
    *c = (struct reward_course){.pace = reporter_pace(&r->reporter, r->folder, r->settings.checkpoint_every),
                                .stepped = stepped,
                                .context = r};
    c->trainer = reward_trainer_new(r->model, &r->data, &r->options, err);
    if (!c->trainer || reward_course_begin(c, err) < 0)
        return -1;
    if (c->pace.resumed)
        reporter_say(&r->reporter, "info", "going on from the checkpoint at step %lld", (long long)c->pace.first);
    int result = reward_course_run(c, err);
    reporter_flush(&r->reporter);
    if (result == 0)
        result = reward_trainer_held_out(c->trainer, r->accuracy, err);
    return result;
}

/* ---- the result ---- */

static void put_accuracies(const struct rebase *r, struct buf *out)
{
    json_key(out, "held_out");
    json_open(out, '[');
    for (int u = 0; u < r->data.heads; u++) {
        json_open(out, '{');
        reward_accuracy_write(out, &r->accuracy[u]);
        json_close(out, '}');
    }
    json_close(out, ']');
}

/* What the recipe says beyond the options; the object stays open for policy_folder_publish. */
static void put_recipe(const struct rebase *r, struct buf *out)
{
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    reward_data_digest(&r->data, digest);
    json_open(out, '{');
    json_member_int(out, "steps_done", reward_trainer_done(r->course.trainer));
    json_member_int(out, "pairs", r->data.pair_count);
    json_member_text(out, "data_digest", sha256_hex(digest, hex));
    put_accuracies(r, out);
}

/* The model without its heads, as a whole checkpoint in r->result. */
static int write_result(struct rebase *r, struct err *err)
{
    struct lm_model *encoder = lm_model_copy(r->model, 0, err);
    int result = encoder ? folder_remove(r->result, err) : -1;
    if (result == 0)
        result = checkpoint_save(encoder, r->result, r->parent.folder, DTYPE_F32, err);
    lm_model_free(encoder);
    return result < 0 ? -1 : dialogue_save(&r->lm.dialogue, r->result, err);
}

static int publish(struct rebase *r, struct err *err)
{
    struct buf recipe = {0};
    reporter_tell(&r->reporter, "publishing", SHARE_READ + SHARE_TRAIN, "{}", true);
    for (int u = 0; u < r->data.heads; u++)
        reporter_say(&r->reporter, "info", "group %d: %.1f %% of held-out judgements right (%.1f to %.1f)", u,
                     100 * r->accuracy[u].right.value, 100 * r->accuracy[u].right.low, 100 * r->accuracy[u].right.high);
    if (write_result(r, err) < 0)
        return -1;
    put_recipe(r, &recipe);
    int result = policy_folder_publish(&r->reporter, &recipe, r->result, r->folder, err);
    buf_free(&recipe);
    return result < 0 ? -1 : JOB_WRITTEN;
}

int rebase_run(const struct job_context *job, struct err *err)
{
    struct rebase r = {.job = job, .reporter = {.job = job}};
    int result = -1;
    if (reward_settings_of_job(&r.reporter, &rebase_settings_shape, &r.arena, &r.settings, &r.parent, err) == 0 &&
        prepare(&r, err) == 0)
        result = train(&r, err);
    if (result == 0)
        result = publish(&r, err);
    else if (result > 0)
        result = JOB_STOPPED;
    reward_trainer_free(r.course.trainer);
    lm_model_free(r.model);
    reward_data_free(&r.data);
    language_model_close(&r.lm);
    arena_free(&r.arena);
    reporter_close(&r.reporter);
    return result;
}
