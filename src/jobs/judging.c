#include "jobs/judging.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "core/blas.h"
#include "core/reward/bootstrap.h"
#include "core/scorer.h"
#include "jobs/encoding.h"
#include "jobs/settings.h"

/* Where judging stands when it has read, encoded and fitted. */
#define READ    0.1
#define ENCODED 0.4
#define FITTED  0.6

static double at(const struct judging *j, double part)
{
    return j->from + (j->to - j->from) * part;
}

/* ---- who judges ---- */

static int read_held_out(struct judging *j, struct err *err)
{
    const struct job_context *job = j->reporter->job;
    reporter_tell(j->reporter, "reading", at(j, 0), "{}", true);
    if (fit_settings_read(j->task->fit_options, j->task->fit_options_length, &j->settings, &j->arena, err) < 0 ||
        settings_apply(&j->settings, job->threads, &j->options, &j->buckets, err) < 0)
        return err_wrap(err, "option %s of the fit", err->pointer);
    if (json_given(&j->settings.seen, FIT_POLICY) &&
        encoding_open(j->reporter, j->settings.policy, &j->encoding, err) < 0)
        return -1;
    struct pg *pg = reporter_pg(j->reporter, 0, err);
    struct load_annotators who = {j->settings.held_out_annotators, ANNOTATORS_HELD_OUT};
    return pg ? loaded_read(pg, &job->lease->project, who, j->buckets, j->encoding, &j->loaded, err) : -1;
}

/* Adds the responses of both policies to what is encoded; their numbers in the data set. */
static int add_responses(struct judging *j, const struct judging_responses *r, int *a, int *b, struct err *err)
{
    for (int i = 0; i < r->prompts; i++) {
        int item = 0;
        if (j->encoding ? encoding_add_item(j->encoding, &r->item[i], r->prompt[i], err) < 0
                        : (item = dataset_add_item(j->loaded.set, r->prompt[i], err)) < 0)
            return -1;
        for (int k = i * r->samples; k < (i + 1) * r->samples; k++) {
            a[k] = j->encoding ? encoding_add_response(j->encoding, &r->a_id[k], r->a[k], err)
                               : dataset_add_response(j->loaded.set, item, r->a[k], err);
            b[k] = a[k] < 0       ? -1
                   : j->encoding ? encoding_add_response(j->encoding, &r->b_id[k], r->b[k], err)
                                  : dataset_add_response(j->loaded.set, item, r->b[k], err);
            if (b[k] < 0)
                return -1;
        }
    }
    int encoded;
    if (!j->encoding)
        return 0;
    return encoding_complete(j->encoding, at(j, READ), at(j, ENCODED), &encoded, err) < 0 ||
                   loaded_encoded(&j->loaded, err) < 0
               ? -1
               : 0;
}

static bool fit_progress(void *context, const struct fit_progress *p)
{
    struct judging *j = context;
    reporter_tell(j->reporter, "fitting the judge", at(j, ENCODED + (FITTED - ENCODED) * p->fraction), "{}", false);
    return !j->reporter->lost;
}

/* The judge has the fit's number of groups: the question is what these groups think. */
static int fit_judge(struct judging *j, struct err *err)
{
    j->options.k = j->task->groups;
    if (j->options.k_max < j->options.k)
        j->options.k_max = j->options.k;
    j->options.min_group_size = 1;
    j->options.progress = fit_progress;
    j->options.context = j;
    if (j->settings.held_out_annotators == 0) {
        snprintf(j->lack, sizeof j->lack, "The fit has seen all annotators, so none is left to judge: make one with "
                 "held_out_annotators, 0.3 for example, and train on that.");
        return 0;
    }
    if (fit_run(j->loaded.set, &j->options, &j->fit, err) == 0)
        return 0;
    j->fit = NULL;
    if (reporter_check(j->reporter, err) < 0 || err->code != ERR_INSUFFICIENT_DATA)
        return -1;
    snprintf(j->lack, sizeof j->lack, "Too few annotators are held out to judge: %.300s.", err->message);
    return 0;
}

/* ---- the rewards ---- */

/* rewards[n][columns] of the responses numbered `number`. */
static void score_numbers(const struct scorer *s, const struct dataset *set, int n, const int *number, double *rewards)
{
    int columns = scorer_groups(s) + 1;
    for (int i = 0; i < n; i++)
        scorer_score_features(s, dataset_features(set, number[i]), rewards + (size_t)i * (size_t)columns);
}

/* margins[n][groups] of the held-out comparisons. */
static void score_comparisons(const struct scorer *s, const struct loaded *l, double *margins)
{
    int groups = scorer_groups(s);
    double a[EVALUATE_COLUMNS_MAX], b[EVALUATE_COLUMNS_MAX];
    for (int c = 0; c < l->comparisons; c++) {
        scorer_score_features(s, dataset_features(l->set, l->comparison[c].a), a);
        scorer_score_features(s, dataset_features(l->set, l->comparison[c].b), b);
        for (int u = 0; u < groups; u++)
            margins[(size_t)c * (size_t)groups + (size_t)u] = a[u] - b[u];
    }
}

static int rates_by(const struct scorer *s, const struct dataset *set, int samples, int n, const int *a, const int *b,
                    struct win_rate *ret, struct err *err)
{
    size_t columns = (size_t)scorer_groups(s) + 1;
    double *rewards = mem_array(2 * (size_t)n * columns, sizeof *rewards);
    if (!rewards)
        return err_memory(err);
    score_numbers(s, set, n, a, rewards);
    score_numbers(s, set, n, b, rewards + (size_t)n * columns);
    evaluate_rates(n / samples, samples, (int)columns, rewards, rewards + (size_t)n * columns, ret);
    mem_free(rewards);
    return 0;
}

static int match_groups(struct judging *j, const struct scorer *trained, const struct scorer *judge, struct err *err)
{
    size_t n = (size_t)j->loaded.comparisons, k = (size_t)scorer_groups(trained), v = (size_t)scorer_groups(judge);
    double *margins = mem_array(n * (k + v), sizeof *margins), size[FIT_GROUPS_MAX];
    if (!margins)
        return err_memory(err);
    score_comparisons(trained, &j->loaded, margins);
    score_comparisons(judge, &j->loaded, margins + n * k);
    for (size_t u = 0; u < v; u++)
        size[u] = j->fit->group[u].expected_size;
    judge_match((int)n, (int)k, margins, (int)v, margins + n * k, size, &j->match);
    mem_free(margins);
    return 0;
}

/* ---- the bootstrap ---- */

static bool bootstrap_progress(void *context, double done)
{
    struct judging *j = context;
    reporter_tell(j->reporter, "bootstrap", at(j, FITTED + (1 - FITTED) * done), "{}", false);
    return !j->reporter->lost;
}

/* Intervals for the judge's own columns. */
static int add_intervals(struct judging *j, int samples, int n, const int *a, const int *b, uint64_t seed,
                         struct win_rate *rates, struct err *err)
{
    size_t d = (size_t)dataset_dimension(j->loaded.set);
    struct bootstrap_options o = {.replicates = j->replicates, .seed = seed, .threads = j->options.threads,
                                  .strength_weights = j->options.strength_weights, .progress = bootstrap_progress,
                                  .context = j};
    float *features = mem_array(2 * (size_t)n * d, sizeof *features);
    int *prompt = mem_array((size_t)n, sizeof *prompt), result = -1;
    struct evaluation_bootstrap *boot = NULL;
    if (!features || !prompt) {
        err_memory(err);
        goto out;
    }
    for (int i = 0; i < n; i++) {
        prompt[i] = i / samples;
        memcpy(features + (size_t)i * d, dataset_features(j->loaded.set, a[i]), d * sizeof *features);
        memcpy(features + ((size_t)n + (size_t)i) * d, dataset_features(j->loaded.set, b[i]), d * sizeof *features);
    }
    struct evaluation_pairs pairs = {n, n / samples, prompt, (int)d, features, features + (size_t)n * d};
    if (evaluate_bootstrap_new(&pairs, j->fit->k + 1, j->replicates, seed, &boot, err) < 0 ||
        bootstrap_fit(j->loaded.set, j->fit, &o, evaluate_bootstrap_take, boot, err) < 0)
        goto out;
    evaluate_intervals(boot, rates);
    result = 0;
out:
    evaluate_bootstrap_free(boot);
    mem_free(features);
    mem_free(prompt);
    return result;
}

/* ---- all of it ---- */

/* The judge's word, in the columns of the task's fit. */
static int ask_judge(struct judging *j, const struct scorer *trained, int samples, int n, const int *a, const int *b,
                     uint64_t seed, struct err *err)
{
    struct win_rate rates[EVALUATE_COLUMNS_MAX];
    struct buf model = {0};
    struct scorer *judge = NULL;
    int result = -1;
    fit_save(j->fit, &model);
    if (model.failed) {
        err_memory(err);
        goto out;
    }
    if (scorer_open(model.data, model.length, &judge, err) < 0 || match_groups(j, trained, judge, err) < 0 ||
        rates_by(judge, j->loaded.set, samples, n, a, b, rates, err) < 0 ||
        (j->replicates > 0 && add_intervals(j, samples, n, a, b, seed, rates, err) < 0))
        goto out;
    for (int u = 0; u < j->task->groups; u++)
        if (j->match.group[u] >= 0)
            j->judged[u] = rates[j->match.group[u]];
    j->judged[j->task->groups] = rates[j->fit->k];
    result = 0;
out:
    scorer_free(judge);
    buf_free(&model);
    return result;
}

/* The group of an annotator: as the fit has it, else as the judge has it. */
static int group_of(const struct judging *j, const struct evaluation_judgement *e)
{
    int h = e->ordinal < 0 && j->fit ? loaded_annotator(&j->loaded, &e->annotator) : -1;
    if (h < 0)
        return e->ordinal;
    for (int u = 0; u < j->task->groups; u++)
        if (j->match.group[u] >= 0 && j->match.group[u] == j->fit->annotator[h].group)
            return u;
    return -1;
}

/* The judgements from..to of one person. */
static void count_person(const struct evaluation_judgement *all, int from, int to, struct win_rate *r,
                         struct clustered *outcomes)
{
    int wins = 0, ties = 0;
    for (int i = from; i < to; i++) {
        wins += all[i].outcome > 0;
        ties += all[i].outcome == 0;
    }
    r->n += to - from;
    r->wins += wins;
    r->ties += ties;
    clustered_add(outcomes, wins, ties, to - from);
}

static int count_people(struct judging *j, struct err *err)
{
    struct clustered outcomes[EVALUATE_COLUMNS_MAX] = {{0}};
    struct evaluation_judgement *all;
    int n, everybody = j->task->groups;
    struct pg *pg = reporter_pg(j->reporter, 0, err);
    if (!pg || evaluation_judgements(pg, &j->reporter->job->lease->project, j->task, &j->arena, &all, &n, err) < 0)
        return -1;
    for (int from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && memcmp(&all[to].annotator, &all[from].annotator, sizeof(struct uuid)) == 0;)
            to++;
        int group = group_of(j, &all[from]);
        count_person(all, from, to, &j->human[everybody], &outcomes[everybody]);
        if (group >= 0)
            count_person(all, from, to, &j->human[group], &outcomes[group]);
    }
    for (int u = 0; u <= everybody; u++)
        j->human[u].rate = clustered_proportion(&outcomes[u]);
    return 0;
}

int judging_run(struct judging *j, const struct judging_responses *r, int replicates, uint64_t seed, struct err *err)
{
    int n = r->prompts * r->samples, result = -1;
    int *number = mem_array(2 * (size_t)n, sizeof *number);
    struct scorer *trained = NULL;
    j->replicates = replicates;
    for (int u = 0; u < FIT_GROUPS_MAX; u++)
        j->match.group[u] = -1;
    if (!number) {
        err_memory(err);
        goto out;
    }
    if (blas_start(err) < 0 || scorer_open(j->task->model.ptr, j->task->model.len, &trained, err) < 0 ||
        read_held_out(j, err) < 0 || add_responses(j, r, number, number + n, err) < 0 || fit_judge(j, err) < 0)
        goto out;
    if (scorer_dimension(trained) != dataset_dimension(j->loaded.set)) {
        err_set(err, ERR_CONFLICT, "the fit was made with other features than its options say");
        goto out;
    }
    if (rates_by(trained, j->loaded.set, r->samples, n, number, number + n, j->trained, err) < 0 ||
        (j->fit && ask_judge(j, trained, r->samples, n, number, number + n, seed, err) < 0))
        goto out;
    result = count_people(j, err);
out:
    if (result < 0 && j->reporter->lost)
        reporter_check(j->reporter, err);
    scorer_free(trained);
    mem_free(number);
    return result;
}

void judging_close(struct judging *j)
{
    fit_free(j->fit);
    loaded_free(&j->loaded);
    encoding_close(j->encoding);
    arena_free(&j->arena);
}
