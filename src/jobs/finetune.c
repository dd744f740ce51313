#include "jobs/finetune.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/json_text.h"
#include "core/lm/checkpoint.h"
#include "core/lm/replace.h"
#include "formats/sft_options.h"
#include "jobs/job_folder.h"
#include "jobs/lora_settings.h"
#include "jobs/machine.h"
#include "jobs/policy_folder.h"
#include "jobs/reporter.h"
#include "jobs/sft_course.h"
#include "store/policy_place.h"
#include "store/training_input.h"

/* How much of the job is not training. */
#define SHARE_READ  0.02
#define SHARE_TRAIN 0.96

struct finetune {
    const struct job_context *job;
    struct reporter reporter;
    struct arena arena;
    struct sft_settings settings;
    struct policy parent;        /* when `settings` names one */
    char folder[PLACE_PATH];     /* of the job */
    char result[PLACE_PATH];     /* in it: the checkpoint that becomes the policy */
    char data_file[PLACE_PATH];
    struct sft_start start;
    struct sft_options options;
    struct lora_wanted lora;     /* rank 0: the model itself is trained */
    struct lm_adapters *adapters;
    struct language_model lm;
    struct sft_data data;
    struct sft_course course;
};

/* ---- what is asked ---- */

static int read_options(struct finetune *f, struct err *err)
{
    char *text;
    size_t length;
    struct pg *pg = reporter_pg(&f->reporter, 0, err);
    if (!pg || job_params(pg, f->job->lease, &f->arena, &text, &length, err) < 0)
        return -1;
    if (sft_settings_read(text, length, &f->settings, &f->arena, err) < 0)
        return err_wrap(err, "option %s", err->pointer);
    if (!f->settings.policy.ptr)
        return 0;
    if (policy_read(pg, &f->job->lease->project, f->settings.policy, POLICY_WRITES, &f->arena, &f->parent, err) < 0)
        return -1;
    return policy_folder_check(&f->parent, err);
}

static void apply_reals(const struct sft_settings *s, struct sft_start *start, struct sft_options *o)
{
    const struct json_real reals[] = {
        {SFT_EPOCHS, s->epochs, &o->epochs},
        {SFT_RATE, s->rate, &o->rate},
        {SFT_WARM_UP, s->warm_up, &o->warm_up},
        {SFT_WEIGHT_DECAY, s->weight_decay, &o->weight_decay},
        {SFT_HELD_OUT, s->held_out, &start->held_out},
    };
    json_take_reals(&s->seen, reals, sizeof reals / sizeof reals[0]);
}

static int apply_options(struct finetune *f, struct err *err)
{
    const struct sft_settings *s = &f->settings;
    struct sft_options *o = &f->options;
    struct sft_start *start = &f->start;
    sft_start_default(start);
    sft_options_default(!s->policy.ptr, o);
    start->init = f->parent.folder;
    start->layers = (int)s->new_model.layers;
    start->width = (int)s->new_model.width;
    if (json_given(&s->new_model.seen, SFT_NEW_VOCABULARY))
        start->vocabulary = s->new_model.vocabulary;
    if (json_given(&s->new_model.seen, SFT_NEW_CONTEXT))
        start->context = s->new_model.context;
    if (s->template.ptr && !(start->template = arena_strndup(&f->arena, s->template.ptr, s->template.len)))
        return err_memory(err);
    start->longest = s->longest;
    lora_settings_apply(&s->seen, SFT_LORA, &s->lora, &f->lora);
    if (f->lora.rank > 0)
        o->rate = SFT_LORA_RATE;
    apply_reals(s, start, o);
    o->steps = s->steps;
    if (json_given(&s->seen, SFT_SEED))
        start->seed = o->seed = (uint64_t)s->seed;
    if (json_given(&s->seen, SFT_BATCH_TOKENS))
        o->batch_tokens = (int)s->batch_tokens;
    o->frozen = (int)s->frozen;
    o->recompute = s->recompute;
    return 0;
}

/* ---- the data ---- */

static int add_line(void *context, struct str prompt, struct str response, struct err *err)
{
    FILE *file = context;
    struct buf line = {0};
    json_open(&line, '{');
    json_key(&line, "prompt");
    json_put_str(&line, prompt);
    json_key(&line, "response");
    json_put_str(&line, response);
    json_close(&line, '}');
    buf_char(&line, '\n');
    int result = line.failed ? err_memory(err) : 0;
    if (result == 0 && fwrite(line.data, 1, line.length, file) != line.length)
        result = err_errno(err, "cannot write the examples");
    buf_free(&line);
    return result;
}

static int write_preferred(FILE *file, void *context, struct err *err)
{
    struct finetune *f = context;
    struct pg *pg = reporter_pg(&f->reporter, 0, err);
    return pg ? training_input_preferred(pg, &f->job->lease->project, add_line, file, err) : -1;
}

/* The file that the examples are read from. */
static int find_data(struct finetune *f, struct err *err)
{
    char *path;
    if (f->settings.data_form == SFT_OF_FILE) {
        path = arena_strndup(&f->arena, f->settings.file.path.ptr, f->settings.file.path.len);
        return path ? policy_place_file(f->job->model_folder, f->job->policy_folders, path, "/data/file", f->data_file,
                                        err)
                    : err_memory(err);
    }
    if (place_file(f->folder, "examples.jsonl", f->data_file, err) < 0)
        return -1;
    return access(f->data_file, F_OK) == 0 ? 0 : replace_file(f->data_file, write_preferred, f, err);
}

/* Where training starts from a policy, decides whether it is loaded. */
static int choose_place(struct finetune *f, struct err *err)
{
    const struct sft_settings *s = &f->settings;
    const char *folder = f->start.init;
    f->lm.leave_in_files = f->lora.rank > 0 && lora_settings_mapped(&s->seen, SFT_LORA, &s->lora, folder);
    f->options.mapped = f->lm.leave_in_files;
    return folder && !f->lm.leave_in_files ? machine_may_load(folder, err) : 0;
}

/* The adapters, when they are what is trained. */
static int adapt(struct finetune *f, struct err *err)
{
    const struct lm_shape *shape = &f->lm.model->shape;
    struct lora_options how = lora_chosen(&f->lora, shape->family, f->options.frozen, 0);
    if (f->options.frozen > shape->layers)
        return err_set(err, ERR_INVALID_VALUE, "%d frozen blocks of %d", f->options.frozen, shape->layers);
    if (f->lora.rank == 0)
        return 0;
    f->options.adapters = f->adapters = lora_plan(shape, &how, err);
    return f->adapters ? lora_start(f->adapters, f->options.seed, err) : -1;
}

static int prepare(struct finetune *f, struct err *err)
{
    reporter_tell(&f->reporter, "reading", 0, "{}", true);
    if (job_folder_make(f->job, f->folder, err) < 0 || place_file(f->folder, "result", f->result, err) < 0 ||
        find_data(f, err) < 0 || language_model_open(&f->lm, f->job->threads, err) < 0 ||
        language_model_use(&f->lm, NULL, err) < 0 || choose_place(f, err) < 0)
        return -1;
    f->options.gemm = f->lm.gemm;
    f->start.read = sft_course_file;
    f->start.source = f->data_file;
    if (sft_start_make(&f->start, &f->lm, &f->data, err) < 0 || adapt(f, err) < 0 ||
        machine_fits(sft_bytes(&f->lm.model->shape, &f->data, &f->options), err) < 0)
        return -1;
    reporter_say(&f->reporter, "info", "%zu examples of %zu tokens; %ld were cut to %d tokens, %ld passed over",
                 f->data.count, f->data.tokens.count, f->data.cut, f->data.longest, f->data.passed_over);
    return 0;
}

/* ---- training ---- */

static int tell(const struct sft_course *c, bool evaluated, struct err *err)
{
    struct finetune *f = c->context;
    struct buf out = {0};
    json_open(&out, '{');
    json_member_real(&out, "loss", c->last.loss);
    json_member_real(&out, "learning_rate", c->last.rate);
    json_member_real(&out, "grad_norm", c->last.norm);
    json_member_real(&out, "epoch", c->last.epoch);
    json_member_real(&out, "tokens_per_second", pace_speed(&c->pace));
    if (evaluated && c->predictions) {
        json_member_real(&out, "held_out_loss", c->held_out);
        json_member_real(&out, "held_out_perplexity", exp(c->held_out));
    }
    json_close(&out, '}');
    double share = SHARE_READ + SHARE_TRAIN * (double)c->last.step / (double)c->pace.steps;
    if (!out.failed) {
        reporter_figures(&f->reporter, c->last.step, (struct str){out.data, out.length});
        reporter_tell(&f->reporter, "training", share, out.data, false);
    }
    buf_free(&out);
    return reporter_check(&f->reporter, err);
}

static int stepped(const struct sft_course *c, struct err *err)
{
    return tell(c, false, err);
}

static int evaluated(const struct sft_course *c, struct err *err)
{
    struct finetune *f = c->context;
    if (c->predictions)
        reporter_say(&f->reporter, "info", "step %lld of %lld: held-out perplexity %.2f", (long long)c->last.step,
                     (long long)c->pace.steps, exp(c->held_out));
    return tell(c, true, err);
}

/* 0 at the end, 1 when it was told to stop. */
static int train(struct finetune *f, struct err *err)
{
    struct sft_course *c = &f->course;
    *c = (struct sft_course){.pace = reporter_pace(&f->reporter, f->folder, f->settings.checkpoint_every),
                             .evaluate_every = f->settings.evaluate_every,
                             .stepped = stepped,
                             .evaluated = evaluated,
                             .context = f};
    c->sft = sft_new(f->lm.model, &f->data, &f->options, err);
    if (!c->sft || sft_course_begin(c, err) < 0)
        return -1;
    double share = SHARE_READ + SHARE_TRAIN * (double)c->pace.first / (double)c->pace.steps;
    reporter_tell(&f->reporter, "training", share, "{}", true);
    if (c->pace.resumed)
        reporter_say(&f->reporter, "info", "going on from the checkpoint at step %lld", (long long)c->pace.first);
    int result = sft_course_run(c, err);
    reporter_flush(&f->reporter);
    return result;
}

/* ---- the result ---- */

/* What the recipe says beyond the options; the object stays open for policy_folder_publish. */
static void put_recipe(const struct finetune *f, struct buf *out)
{
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    sft_data_digest(&f->data, digest);
    json_open(out, '{');
    json_member_int(out, "steps_done", sft_done(f->course.sft));
    json_member_int(out, "examples", (int64_t)f->data.count);
    json_member_int(out, "tokens", (int64_t)f->data.tokens.count);
    json_member_text(out, "data_digest", sha256_hex(digest, hex));
    json_member_int(out, "seed", (int64_t)f->options.seed);
    json_member_real(out, "held_out_perplexity", exp(f->course.held_out));
    json_member_text(out, "backend", f->lm.gemm.backend->name);
}

static int publish(struct finetune *f, struct err *err)
{
    bool given = json_given(&f->settings.seen, SFT_STORE);
    enum safetensors_dtype stored = lora_settings_stored(given, f->settings.store, f->lm.leave_in_files);
    struct checkpoint_source trained = {.model = f->lm.model, .adapters = f->adapters};
    struct buf recipe = {0};
    reporter_tell(&f->reporter, "publishing", SHARE_READ + SHARE_TRAIN, "{}", true);
    if (folder_remove(f->result, err) < 0 || sft_start_folder(&f->start, &f->lm, f->result, err) < 0 ||
        checkpoint_write(&trained, f->result, f->start.init, stored, err) < 0)
        return -1;
    put_recipe(f, &recipe);
    int result = policy_folder_publish(&f->reporter, &recipe, f->result, f->folder, err);
    buf_free(&recipe);
    return result < 0 ? -1 : JOB_WRITTEN;
}

int finetune_run(const struct job_context *job, struct err *err)
{
    struct finetune f = {.job = job, .reporter = {.job = job}};
    int result = -1;
    if (read_options(&f, err) == 0 && apply_options(&f, err) == 0 && prepare(&f, err) == 0)
        result = train(&f, err);
    if (result == 0)
        result = publish(&f, err);
    else if (result > 0)
        result = JOB_STOPPED;
    sft_free(f.course.sft);
    lora_free(f.adapters);
    language_model_close(&f.lm);
    sft_data_free(&f.data);
    arena_free(&f.arena);
    reporter_close(&f.reporter);
    return result;
}
