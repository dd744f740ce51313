#include "jobs/reinforce.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/folder.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "core/align/objective.h"
#include "formats/ppo_job_options.h"
#include "jobs/anchored.h"
#include "jobs/job_folder.h"
#include "jobs/lora_settings.h"
#include "jobs/machine.h"
#include "jobs/policy_folder.h"
#include "jobs/ppo_settings.h"
#include "jobs/references.h"

/* How much of the job is not training. */
#define SHARE_READ    0.02
#define SHARE_TRAIN   0.96
#define CHECKPOINT_NS (INT64_C(120) * 1000000000)

enum { PHASES = PPO_TRAIN + 1 };

struct reinforce {
    const struct job_context *job;
    struct reporter reporter;
    struct arena arena;
    struct ppo_job_settings settings;
    struct policy reference;
    struct policy models; /* the reward models; without a name: the fit's own heads reward */
    struct fit_published fit;
    char folder[PLACE_PATH];     /* of the job */
    char result[PLACE_PATH];     /* in it: the checkpoint that becomes the policy */
    char references_file[PLACE_PATH];
    struct language_model lm;
    struct ppo_options options;
    struct objective_options objective;
    const struct ppo_preset *preset;
    struct references references;
    struct anchored *rewards;
    struct ppo *ppo;
    struct ppo_metrics metrics; /* of the last update */
    int64_t saved_ns, first;    /* when a checkpoint was written; the update that this attempt began with */
    enum ppo_phase phase;
    int64_t phase_ns, spent_ns[PHASES]; /* when the phase began; time in each, of this update */
};

/* ---- what is asked ---- */

static int read_models(struct reinforce *r, struct pg *pg, struct err *err)
{
    struct ppo_job_settings *s = &r->settings;
    s->fit = r->fit.fit;
    if (policy_read(pg, &r->job->lease->project, s->rewards, POLICY_REWARDS, &r->arena, &r->models, err) < 0 ||
        ppo_job_check_rewards(s, &r->models.fit, err) < 0)
        return -1;
    return policy_folder_check(&r->models, err);
}

static int read_options(struct reinforce *r, struct err *err)
{
    const struct job_lease *lease = r->job->lease;
    struct ppo_job_settings *s = &r->settings;
    char *text;
    size_t length;
    struct pg *pg = reporter_pg(&r->reporter, 0, err);
    if (!pg || job_params(pg, lease, &r->arena, &text, &length, err) < 0)
        return -1;
    if (ppo_job_settings_read(text, length, s, &r->arena, err) < 0)
        return err_wrap(err, "option %s", err->pointer);
    const struct uuid *fit = json_given(&s->seen, PPO_JOB_FIT) ? &s->fit : NULL;
    if (policy_read(pg, &lease->project, s->policy, POLICY_WRITES, &r->arena, &r->reference, err) < 0 ||
        fit_published_on(pg, &lease->project, fit, &r->fit, err) < 0 ||
        ppo_job_check_groups(s, r->fit.one_suffices, r->fit.groups, r->fit.size, "", err) < 0)
        return -1;
    if (policy_folder_check(&r->reference, err) < 0)
        return -1;
    return s->rewards.ptr ? read_models(r, pg, err) : 0;
}

static void apply_objective(struct reinforce *r)
{
    const struct ppo_job_settings *s = &r->settings;
    struct objective_options *o = &r->objective;
    bool given = json_given(&s->seen, PPO_JOB_OBJECTIVE);
    objective_options_default(given ? (enum objective_mode)s->objective : r->preset->objective, r->fit.groups, o);
    const struct json_real reals[] = {
        {PPO_JOB_ALPHA, s->alpha, &o->alpha},
        {PPO_JOB_STEP, s->step, &o->step},
        {PPO_JOB_EMA, s->ema, &o->ema},
        {PPO_JOB_FLOOR, s->floor, &o->floor},
        {PPO_JOB_DISAGREEMENT, s->disagreement, &o->disagreement},
    };
    json_take_reals(&s->seen, reals, sizeof reals / sizeof reals[0]);
    o->least_size = json_given(&s->seen, PPO_JOB_MIN_SIZE) ? s->min_group_size : PPO_JOB_MIN_GROUP_SIZE;
    bool any = false;
    for (int u = 0; u < r->fit.groups; u++) {
        o->eta[u] = r->fit.weight[u];
        o->size[u] = r->fit.size[u];
        o->best[u] = (size_t)u < s->best.count ? ((const double *)s->best.items)[u] : 0;
        any |= o->size[u] >= o->least_size;
    }
    if (!any) /* forced: then all take part */
        o->least_size = 0;
}

/* ---- what is needed ---- */

/* The options; without a tokenizer all but the cut token. */
static int apply_options(struct reinforce *r, int *ret_prompt_tokens, struct err *err)
{
    if (ppo_settings_apply(&r->settings.ppo, "/ppo", r->lm.tokenizer, &r->options, &r->preset, ret_prompt_tokens,
                           err) < 0)
        return err_wrap(err, "option %s", err->pointer);
    return 0;
}

/* The policy: below adapters it may stay in its files. */
static int load_policy(struct reinforce *r, struct err *err)
{
    const struct ppo_settings *s = &r->settings.ppo;
    const char *folder = r->reference.folder;
    r->lm.leave_in_files = r->options.lora.rank > 0 && lora_settings_mapped(&s->seen, PPO_LORA, &s->lora, folder);
    if (!r->lm.leave_in_files && machine_may_load(folder, err) < 0)
        return -1;
    return language_model_load(&r->lm, folder, err);
}

static int open_model(struct reinforce *r, int *ret_prompt_tokens, struct err *err)
{
    reporter_tell(&r->reporter, "loading", 0, "{}", true);
    if (apply_options(r, ret_prompt_tokens, err) < 0 || language_model_open(&r->lm, r->job->threads, err) < 0 ||
        language_model_use(&r->lm, NULL, err) < 0 || load_policy(r, err) < 0 ||
        apply_options(r, ret_prompt_tokens, err) < 0)
        return -1;
    if (ppo_settings_check_shape(&r->options, &r->lm.model->shape, "/ppo", err) < 0)
        return err_wrap(err, "option %s", err->pointer);
    r->options.mapped = r->lm.leave_in_files;
    r->options.gemm = r->lm.gemm;
    r->options.memory_limit = machine_memory();
    return 0;
}

static int anchor_rewards(struct reinforce *r, int prompt_tokens, struct err *err)
{
    const struct ppo_job_settings *s = &r->settings;
    struct references_wanted wanted = {
        .items = s->items.items,
        .item_count = s->items.count,
        .most = json_given(&s->seen, PPO_JOB_PROMPT_COUNT) ? s->prompts : PPO_JOB_PROMPTS,
        .prompt_tokens = prompt_tokens,
        .each = json_given(&s->seen, PPO_JOB_REFERENCE_COUNT) ? (int)s->references : PPO_JOB_REFERENCES,
        .ppo = &r->options,
        .path = r->references_file,
    };
    if (machine_fits(ppo_bytes(&r->lm.model->shape, &r->options, 1), err) < 0) /* the least, before sampling */
        return -1;
    if (references_get(&r->reporter, &r->lm, &wanted, &r->references, err) < 0 ||
        anchored_open(&r->reporter, &r->fit, r->models.name ? &r->models : NULL, &r->rewards, err) < 0)
        return -1;
    return anchored_on(r->rewards, (enum anchor)s->anchor, &r->references.set, err);
}

/* ppo's callbacks. */
static void phase_begins(void *context, enum ppo_phase phase)
{
    struct reinforce *r = context;
    int64_t now = clock_mono_ns();
    r->spent_ns[r->phase] += now - r->phase_ns;
    r->phase = phase;
    r->phase_ns = now;
}

static bool stop(void *context)
{
    const struct reinforce *r = context;
    return *r->job->stop || r->reporter.lost;
}

static int open_ppo(struct reinforce *r, struct err *err)
{
    int longest = 0;
    for (int i = 0; i < r->references.set.prompts; i++)
        longest = r->references.asked[i].length > longest ? r->references.asked[i].length : longest;
    apply_objective(r);
    bool copied = r->options.lora.rank == 0; /* the policy that was loaded lies beside the one that is trained */
    size_t need = ppo_bytes(&r->lm.model->shape, &r->options, longest) + anchored_bytes(r->rewards);
    if (machine_fits(need + (copied ? r->lm.model->layout.count * sizeof(float) : 0), err) < 0)
        return -1;
    r->ppo = ppo_new(&(struct ppo_inputs){.policy = r->lm.model,
                                          .tokenizer = r->lm.tokenizer,
                                          .prompts = r->references.asked,
                                          .prompt_count = r->references.set.prompts,
                                          .eos = r->lm.dialogue.end,
                                          .groups = r->fit.groups,
                                          .score = anchored_score,
                                          .score_context = r->rewards,
                                          .score_digest = r->models.name ? r->models.digest : NULL,
                                          .objective = &r->objective,
                                          .phase = phase_begins,
                                          .stop = stop,
                                          .context = r},
                     &r->options, err);
    if (!r->ppo)
        return -1;
    int resumed = ppo_resume(r->ppo, r->folder, err);
    r->first = ppo_done(r->ppo);
    if (resumed > 0)
        reporter_say(&r->reporter, "info", "going on from the checkpoint at update %lld", (long long)r->first);
    return resumed < 0 ? -1 : 0;
}

static int prepare(struct reinforce *r, struct err *err)
{
    int prompt_tokens;
    if (job_folder_make(r->job, r->folder, err) < 0 || place_file(r->folder, "result", r->result, err) < 0 ||
        place_file(r->folder, "references.jsonl", r->references_file, err) < 0 ||
        open_model(r, &prompt_tokens, err) < 0 || anchor_rewards(r, prompt_tokens, err) < 0 || open_ppo(r, err) < 0)
        return -1;
    reporter_say(&r->reporter, "info", "%s over %d groups, %d prompts, %lld updates of %d episodes",
                 objective_name(r->objective.mode), r->fit.groups, r->references.set.prompts,
                 (long long)r->options.updates, r->options.episodes);
    return 0;
}

/* ---- telling ---- */

/* The engine's figures, how often each group's reward beats the references, and the pace. */
static void put_figures(struct reinforce *r, struct buf *out)
{
    static const char *const phases[PHASES] = {"time/generate", "time/score", "time/prepare", "time/train"};
    double rates[PPO_GROUPS_MAX], all = 0;
    char name[32];
    int n;
    const double *scores;
    const struct ppo_episode *episodes = ppo_episodes(r->ppo, &n, &scores);
    ppo_metrics_write(out, &r->metrics);
    if (out->failed)
        return;
    out->data[--out->length] = '\0'; /* the brace: the object goes on */
    anchored_win_rates(r->rewards, n, episodes, scores, rates);
    for (int u = 0; u < r->fit.groups; u++) {
        snprintf(name, sizeof name, "winrate/g%d", u);
        json_member_real(out, name, rates[u]);
    }
    for (int i = 0; i < PHASES; i++) {
        json_member_real(out, phases[i], (double)r->spent_ns[i] * 1e-9);
        all += (double)r->spent_ns[i] * 1e-9;
    }
    json_member_real(out, "eps", n / all);
    json_member_real(out, "tokens_per_second", (double)r->metrics.sampled_tokens / all);
    json_close(out, '}');
}

static void put_sample(const struct reinforce *r, const struct ppo_episode *e, const double *scores, struct buf *text,
                       struct buf *figures)
{
    char name[32];
    buf_readable(text, e->text.ptr, e->text.len);
    json_open(figures, '{');
    json_member_real(figures, "score", e->score);
    json_member_real(figures, "kl", e->kl);
    for (int u = 0; u < r->fit.groups; u++) {
        snprintf(name, sizeof name, "scores/g%d", u);
        json_member_real(figures, name, scores[u]);
    }
    json_close(figures, '}');
}

/* The first episodes of an update, so that people can read where it goes. */
static void show_samples(struct reinforce *r)
{
    const struct ppo_job_settings *s = &r->settings;
    int64_t every = json_given(&s->seen, PPO_JOB_SAMPLED_EVERY) ? s->sample_every : PPO_JOB_SAMPLE_EVERY;
    int wanted = json_given(&s->seen, PPO_JOB_SAMPLE_COUNT) ? (int)s->samples : PPO_JOB_SAMPLES, n;
    const double *scores;
    const struct ppo_episode *episodes = ppo_episodes(r->ppo, &n, &scores);
    if (every == 0 || (r->metrics.update % every != 0 && r->metrics.update != 1))
        return;
    n = n < wanted ? n : wanted;
    struct job_sample *samples = mem_zeroed((size_t)n, sizeof *samples);
    struct buf *texts = mem_zeroed(2 * (size_t)n, sizeof *texts);
    bool whole = samples && texts;
    for (int i = 0; i < n && whole; i++) {
        struct buf *text = &texts[2 * i], *figures = &texts[2 * i + 1];
        put_sample(r, &episodes[i], scores + (size_t)i * (size_t)(r->fit.groups + 1), text, figures);
        whole = !text->failed && !figures->failed;
        samples[i] = (struct job_sample){r->references.prompt[episodes[i].prompt],
                                         {text->data ? text->data : "", text->length},
                                         {figures->data, figures->length}};
    }
    if (whole)
        reporter_samples(&r->reporter, r->metrics.update, samples, n);
    for (int i = 0; texts && i < 2 * n; i++)
        buf_free(&texts[i]);
    mem_free(texts);
    mem_free(samples);
}

static double share(const struct reinforce *r)
{
    return SHARE_READ + SHARE_TRAIN * (double)ppo_done(r->ppo) / (double)r->options.updates;
}

static int tell(struct reinforce *r, struct err *err)
{
    struct buf out = {0};
    put_figures(r, &out);
    if (!out.failed) {
        reporter_figures(&r->reporter, r->metrics.update, (struct str){out.data, out.length});
        reporter_tell(&r->reporter, "training", share(r), out.data, false);
    }
    buf_free(&out);
    show_samples(r);
    return reporter_check(&r->reporter, err);
}

/* ---- training ---- */

static int update(struct reinforce *r, struct err *err)
{
    memset(r->spent_ns, 0, sizeof r->spent_ns);
    r->phase = PPO_GENERATE;
    r->phase_ns = clock_mono_ns();
    int result = ppo_update(r->ppo, &r->metrics, err);
    phase_begins(r, PPO_GENERATE);
    return result;
}

static int checkpoint_when_due(struct reinforce *r, struct err *err)
{
    int64_t every = r->settings.checkpoint_every, done = ppo_done(r->ppo), now = clock_mono_ns();
    bool due = every > 0 ? done % every == 0 : now - r->saved_ns >= CHECKPOINT_NS;
    if (!due || done == r->options.updates)
        return 0;
    r->saved_ns = now;
    reporter_flush(&r->reporter); /* the next attempt does not make these figures again */
    return ppo_save(r->ppo, r->folder, err);
}

/* An update could not be made. JOB_STOPPED when that was asked for; else -1, the state before it kept. */
static int give_up(struct reinforce *r, struct err *err)
{
    struct err ignored;
    if (reporter_check(&r->reporter, err) < 0)
        return -1;
    bool stopped = err->code == ERR_CANCELLED && *r->job->stop;
    if (stopped)
        return ppo_save(r->ppo, r->folder, err) < 0 ? -1 : JOB_STOPPED;
    err_wrap(err, "update %lld", (long long)ppo_done(r->ppo) + 1);
    if (ppo_save(r->ppo, r->folder, &ignored) == 0)
        reporter_say(&r->reporter, "error", "the state before update %lld is in %s/checkpoint-%lld",
                     (long long)ppo_done(r->ppo) + 1, r->folder, (long long)ppo_done(r->ppo));
    return -1;
}

static int train(struct reinforce *r, struct err *err)
{
    int result = 0;
    r->saved_ns = clock_mono_ns();
    reporter_tell(&r->reporter, "training", share(r), "{}", true);
    while (result == 0 && ppo_done(r->ppo) < r->options.updates) {
        if (update(r, err) < 0)
            result = give_up(r, err);
        else if (tell(r, err) < 0 || checkpoint_when_due(r, err) < 0)
            result = -1;
    }
    reporter_flush(&r->reporter);
    return result;
}

/* ---- the result ---- */

/* What the recipe says beyond the options; the object stays open for policy_folder_publish. */
static void put_recipe(struct reinforce *r, struct buf *out)
{
    char hex[SHA256_HEX_SIZE];
    json_open(out, '{');
    json_key(out, "fit");
    json_put_uuid(out, &r->fit.fit);
    if (r->models.name) {
        json_member_text(out, "rewards", r->models.name);
        json_member_text(out, "rewards_digest", sha256_hex(r->models.digest, hex));
    }
    json_member_text(out, "objective", objective_name(r->objective.mode));
    json_member_text(out, "anchor", anchor_name((enum anchor)r->settings.anchor));
    json_member_int(out, "groups", r->fit.groups);
    json_key(out, "weights");
    json_open(out, '[');
    for (int u = 0; u < r->fit.groups; u++)
        json_put_real(out, r->metrics.group_weights[u]);
    json_close(out, ']');
    json_member_text(out, "reference_digest", sha256_hex(r->reference.digest, hex));
    json_member_text(out, "preset", r->preset->name);
    if (r->options.lora.rank > 0) {
        json_member_int(out, "lora_rank", r->options.lora.rank);
        json_member_real(out, "lora_alpha", ppo_adapters(r->ppo)->alpha);
    }
    json_member_int(out, "seed", (int64_t)r->options.seed);
    json_member_int(out, "updates_done", ppo_done(r->ppo));
    json_member_int(out, "episodes_seen", ppo_done(r->ppo) * r->options.episodes);
    json_member_int(out, "prompts_used", r->references.set.prompts);
    json_member_int(out, "references_used", r->references.set.start[r->references.set.prompts]);
    json_member_real(out, "kl", r->metrics.kl);
    json_member_real(out, "beta", r->metrics.kl_coef);
    json_member_text(out, "backend", r->lm.gemm.backend->name);
}

static int write_result(struct reinforce *r, struct err *err)
{
    bool given = json_given(&r->settings.seen, PPO_JOB_STORE);
    enum safetensors_dtype stored = lora_settings_stored(given, r->settings.store, r->lm.leave_in_files);
    if (folder_remove(r->result, err) < 0 ||
        ppo_write_policy(r->ppo, r->result, r->reference.folder, stored, err) < 0)
        return -1;
    return dialogue_save(&r->lm.dialogue, r->result, err);
}

static int publish(struct reinforce *r, struct err *err)
{
    struct buf recipe = {0};
    reporter_tell(&r->reporter, "publishing", SHARE_READ + SHARE_TRAIN, "{}", true);
    if (write_result(r, err) < 0)
        return -1;
    put_recipe(r, &recipe);
    int result = policy_folder_publish(&r->reporter, &recipe, r->result, r->folder, err);
    buf_free(&recipe);
    return result < 0 ? -1 : JOB_WRITTEN;
}

int reinforce_run(const struct job_context *job, struct err *err)
{
    struct reinforce r = {.job = job, .reporter = {.job = job}};
    int result = read_options(&r, err);
    if (result == 0)
        result = prepare(&r, err);
    if (result < 0 && err->code == ERR_CANCELLED && *job->stop)
        result = JOB_STOPPED;
    if (result == 0)
        result = train(&r, err);
    if (result == 0)
        result = publish(&r, err);
    ppo_free(r.ppo);
    anchored_free(r.rewards);
    references_free(&r.references);
    language_model_close(&r.lm);
    fit_published_free(&r.fit);
    arena_free(&r.arena);
    reporter_close(&r.reporter);
    return result;
}
