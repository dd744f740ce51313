#include "core/align/reward_em.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "core/align/snapshot.h"
#include "core/lm/safetensors.h"
#include "core/reward/mixture.h"

struct reward_em {
    struct reward_em_input in;
    struct reward_em_options options;
    struct lm_model *model[REWARD_HEADS_MAX + 1]; /* the single one last */
    float *score;                                 /* [groups + 1][sequences] rewards under each model */
    double *q;                                    /* [annotators x groups] */
    double *likelihood;                           /* [annotators x groups] */
    double eta[REWARD_HEADS_MAX];
    double total; /* log-likelihood of the mixture */
    int iterations;
};

static const double everybody = 1;

static int check(const struct reward_em_input *in, const struct reward_em_options *o, struct err *err)
{
    if (o->groups < 1 || o->groups > REWARD_HEADS_MAX || in->annotators < 1)
        return err_set(err, ERR_INVALID_VALUE, "%d groups of %d annotators", o->groups, in->annotators);
    for (int i = 0; i < in->comparisons; i++) {
        const struct reward_em_comparison *c = &in->comparison[i];
        if (c->annotator < 0 || c->annotator >= in->annotators || c->first < 0 || c->second < 0 ||
            c->first >= in->sequences->count || c->second >= in->sequences->count || c->first == c->second)
            return err_set(err, ERR_INVALID_VALUE, "comparison %d names what is not there", i);
    }
    return 0;
}

static void first_responsibilities(struct reward_em *e)
{
    size_t K = (size_t)e->options.groups, H = (size_t)e->in.annotators;
    for (size_t h = 0; h < H; h++)
        for (size_t u = 0; u < K; u++)
            e->q[h * K + u] = e->in.start ? e->in.start[h * K + u] : h % K == u;
}

int reward_em_new(const struct reward_em_input *input, const struct reward_em_options *options, struct reward_em **ret,
                  struct err *err)
{
    if (check(input, options, err) < 0)
        return -1;
    struct reward_em *e = mem_zeroed(1, sizeof *e);
    if (!e)
        return err_memory(err);
    e->in = *input;
    e->options = *options;
    size_t K = (size_t)options->groups, H = (size_t)input->annotators;
    e->score = mem_zeroed((K + 1) * (size_t)input->sequences->count, sizeof *e->score);
    e->q = mem_zeroed(H * K, sizeof *e->q);
    e->likelihood = mem_zeroed(H * K, sizeof *e->likelihood);
    bool whole = e->score && e->q && e->likelihood;
    if (!whole)
        err_memory(err);
    for (size_t u = 0; u <= K && whole; u++)
        whole = (e->model[u] = reward_model_new(input->base, 1, options->train.seed + u, err)) != NULL;
    if (!whole) {
        reward_em_free(e);
        return -1;
    }
    first_responsibilities(e);
    *ret = e;
    return 0;
}

void reward_em_free(struct reward_em *e)
{
    if (!e)
        return;
    for (int u = 0; u <= REWARD_HEADS_MAX; u++)
        lm_model_free(e->model[u]);
    mem_free(e->score);
    mem_free(e->q);
    mem_free(e->likelihood);
    mem_free(e);
}

int reward_em_iterations(const struct reward_em *e)
{
    return e->iterations;
}

const double *reward_em_posteriors(const struct reward_em *e)
{
    return e->q;
}

double reward_em_likelihood(const struct reward_em *e)
{
    return e->total;
}

struct lm_model *reward_em_model(struct reward_em *e, int model)
{
    return e->model[model];
}

/* The judged pairs as model `u` is to learn them: a view of the sequences with pairs of its own. */
static int pairs_of(const struct reward_em *e, int u, struct reward_data *ret, struct err *err)
{
    int n = e->in.comparisons;
    size_t K = (size_t)e->options.groups;
    struct reward_judgement *j = mem_array((size_t)n + 1, sizeof *j);
    *ret = *e->in.sequences;
    ret->heads = 1;
    ret->pairs = NULL;
    ret->wins = NULL;
    ret->pair_count = ret->pair_room = 0;
    if (!j)
        return err_memory(err);
    for (int i = 0; i < n; i++) {
        const struct reward_em_comparison *c = &e->in.comparison[i];
        const double *weight = u < (int)K ? &e->q[(size_t)c->annotator * K + (size_t)u] : &everybody;
        j[i] = (struct reward_judgement){c->first, c->second, c->preference, weight, c->held_out};
    }
    int result = reward_data_judge(ret, n, j, err);
    mem_free(j);
    return result;
}

static int train(struct reward_em *e, int u, struct reward_trainer *t, struct err *err)
{
    struct reward_step step;
    int64_t steps = reward_trainer_steps(t);
    while (reward_trainer_done(t) < steps) {
        if (reward_trainer_advance(t, &step, err) < 0)
            return -1;
        if (e->options.watch && e->options.watch(e->options.context, e->iterations, u, &step, steps, err) < 0)
            return -1;
    }
    return 0;
}

/* Trains model `u` (unless it only is to be scored) and scores all sequences under it. A group whose annotators judged
 * nothing keeps its model. */
static int maximise(struct reward_em *e, int u, bool score_only, struct err *err)
{
    struct reward_data data;
    struct reward_options o = e->options.train;
    int result = pairs_of(e, u, &data, err), count = e->in.sequences->count;
    o.seed += (uint64_t)e->iterations * 1000003u; /* another order in each iteration */
    struct reward_trainer *t = result == 0 ? reward_trainer_new(e->model[u], &data, &o, err) : NULL;
    if (t && !score_only)
        result = train(e, u, t, err);
    if (t && result == 0)
        result = reward_trainer_score(t, 0, count, e->score + (size_t)u * (size_t)count, err);
    else if (!t && result == 0)
        result = err->code == ERR_INSUFFICIENT_DATA && u < e->options.groups ? 0 : -1;
    reward_trainer_free(t);
    mem_free(data.pairs);
    mem_free(data.wins);
    return result;
}

static double log_sigmoid(double m)
{
    return m > 0 ? -log1p(exp(-m)) : m - log1p(exp(m));
}

static double margin_of(const struct reward_em *e, int u, const struct reward_em_comparison *c)
{
    const float *score = e->score + (size_t)u * (size_t)e->in.sequences->count;
    return (double)score[c->first] - score[c->second];
}

/* likelihood[h][u], over what is not held out. */
static void likelihoods(struct reward_em *e)
{
    size_t K = (size_t)e->options.groups;
    memset(e->likelihood, 0, (size_t)e->in.annotators * K * sizeof *e->likelihood);
    for (int i = 0; i < e->in.comparisons; i++) {
        const struct reward_em_comparison *c = &e->in.comparison[i];
        for (size_t u = 0; u < K && !c->held_out; u++) {
            double m = margin_of(e, (int)u, c);
            e->likelihood[(size_t)c->annotator * K + u] +=
                c->preference * log_sigmoid(m) + (1 - c->preference) * log_sigmoid(-m);
        }
    }
}

static void assign_hard(const struct reward_em *e, const double *likelihood, double *q)
{
    int best = 0;
    for (int u = 1; u < e->options.groups; u++)
        if (likelihood[u] > likelihood[best])
            best = u;
    for (int u = 0; u < e->options.groups; u++)
        q[u] = u == best;
}

static void assign_soft(const struct reward_em *e, const double *log_joint, double log_sum, double *q)
{
    for (int u = 0; u < e->options.groups; u++)
        q[u] = exp(log_joint[u] - log_sum);
}

/* The E-step, from the present scores; returns how far the responsibilities moved. */
static double expect(struct reward_em *e)
{
    size_t K = (size_t)e->options.groups;
    double moved = 0, before[REWARD_HEADS_MAX], log_joint[REWARD_HEADS_MAX];
    for (size_t u = 0; u < K; u++) {
        e->eta[u] = 1e-9; /* an empty group must not be -inf */
        for (int h = 0; h < e->in.annotators; h++)
            e->eta[u] += e->q[(size_t)h * K + u] / e->in.annotators;
    }
    likelihoods(e);
    e->total = 0;
    for (int h = 0; h < e->in.annotators; h++) {
        double *q = e->q + (size_t)h * K, *likelihood = e->likelihood + (size_t)h * K;
        memcpy(before, q, K * sizeof *before);
        for (size_t u = 0; u < K; u++)
            log_joint[u] = log(e->eta[u]) + likelihood[u];
        double log_sum = log_sum_exp((int)K, log_joint);
        e->total += log_sum;
        if (e->options.assignment == ASSIGNMENT_HARD)
            assign_hard(e, likelihood, q);
        else
            assign_soft(e, log_joint, log_sum, q);
        for (size_t u = 0; u < K; u++)
            moved += fabs(q[u] - before[u]) / 2;
    }
    return moved / e->in.annotators;
}

int reward_em_advance(struct reward_em *e, double *ret_moved, struct err *err)
{
    for (int u = 0; u <= e->options.groups; u++)
        if (maximise(e, u, false, err) < 0)
            return -1;
    *ret_moved = expect(e);
    if (!isfinite(e->total))
        return err_set(err, ERR_NUMERICAL, "the likelihood of the mixture is not finite");
    e->iterations++;
    return 0;
}

void reward_em_held_out(const struct reward_em *e, struct reward_accuracy *ret_group,
                        struct reward_accuracy *ret_single)
{
    int K = e->options.groups;
    double right[2][REWARD_HEADS_MAX] = {{0}}, loss[2][REWARD_HEADS_MAX] = {{0}}, weight[REWARD_HEADS_MAX] = {0};
    for (int i = 0; i < e->in.comparisons; i++) {
        const struct reward_em_comparison *c = &e->in.comparison[i];
        double sign = c->preference > 0.5 ? 1 : -1;
        for (int u = 0; u < K && c->held_out && c->preference != 0.5; u++) {
            double q = e->q[(size_t)c->annotator * (size_t)K + (size_t)u];
            double m[2] = {sign * margin_of(e, u, c), sign * margin_of(e, K, c)};
            weight[u] += q;
            for (int s = 0; s < 2; s++) {
                right[s][u] += q * (m[s] > 0 ? 1 : m[s] < 0 ? 0 : 0.5);
                loss[s][u] -= q * log_sigmoid(m[s]);
            }
        }
    }
    for (int u = 0; u < K; u++) {
        double w = weight[u] > 0 ? weight[u] : 1;
        ret_group[u] = (struct reward_accuracy){proportion_of(right[0][u], weight[u]), loss[0][u] / w};
        ret_single[u] = (struct reward_accuracy){proportion_of(right[1][u], weight[u]), loss[1][u] / w};
    }
}

/* ---- on disk ---- */

/* A digest of all that the course depends on, in hexadecimal. */
static void digest(const struct reward_em *e, char text[SHA256_HEX_SIZE])
{
    uint8_t bytes[SHA256_SIZE];
    char options[320];
    struct sha256 hash;
    const struct reward_options *o = &e->options.train;
    const struct reward_data *d = e->in.sequences;
    int n = snprintf(options, sizeof options, "em %d %d %.17g %d %.17g %.17g %.17g %.17g %" PRIu64 " %d %s",
                     e->options.groups, e->options.assignment, o->epochs, o->batch_tokens, o->rate, o->warm_up,
                     o->weight_decay, o->centring, o->seed, o->frozen, o->gemm.backend->name);
    sha256_init(&hash);
    sha256_update(&hash, options, (size_t)n);
    sha256_update(&hash, d->tokens.ids, d->tokens.count * sizeof *d->tokens.ids);
    for (int i = 0; i < e->in.comparisons; i++) {
        const struct reward_em_comparison *c = &e->in.comparison[i];
        double numbers[5] = {c->annotator, c->first, c->second, c->preference, c->held_out};
        sha256_update(&hash, numbers, sizeof numbers);
    }
    if (e->in.start)
        sha256_update(&hash, e->in.start,
                      (size_t)e->in.annotators * (size_t)e->options.groups * sizeof *e->in.start);
    sha256_update(&hash, e->in.base->weights, e->in.base->layout.count * sizeof(float));
    sha256_final(&hash, bytes);
    sha256_hex(bytes, text);
}

static int save_models(void *trainer, const char *folder, struct err *err)
{
    const struct reward_em *e = trainer;
    struct safetensor tensors[REWARD_HEADS_MAX + 2];
    char path[PATH_MAX], names[REWARD_HEADS_MAX + 1][16];
    size_t K = (size_t)e->options.groups, n = e->model[0]->layout.count;
    if (mkdir(folder, 0777) < 0)
        return err_errno(err, "cannot make %s", folder);
    if (snapshot_path(path, folder, "models.safetensors", err) < 0)
        return -1;
    for (size_t u = 0; u <= K; u++) {
        snprintf(names[u], sizeof names[u], "model.%zu", u);
        tensors[u] = (struct safetensor){.name = names[u], .dtype = DTYPE_F32, .rank = 1, .count = n,
                                         .bytes = n * sizeof(float), .data = e->model[u]->weights};
        tensors[u].shape[0] = (int64_t)n;
    }
    return safetensors_write(path, tensors, (int)K + 1, DTYPE_F32, err);
}

static int load_models(void *trainer, const char *folder, struct err *err)
{
    struct reward_em *e = trainer;
    char path[PATH_MAX], name[24];
    if (snapshot_path(path, folder, "models.safetensors", err) < 0)
        return -1;
    struct safetensors *file = safetensors_open(path, err);
    int result = file ? 0 : -1;
    for (int u = 0; u <= e->options.groups && result == 0; u++) {
        snprintf(name, sizeof name, "model.%d", u);
        const struct safetensor *t = safetensors_find(file, name);
        if (!t || t->count != e->model[u]->layout.count)
            result = err_set(err, ERR_BAD_FILE, "%s does not fit the model", path);
        else
            result = safetensors_read(t, e->model[u]->weights, err);
    }
    safetensors_free(file);
    return result;
}

/* The responsibilities, as numbers that are read back exactly. */
static json_t *describe(const void *trainer)
{
    const struct reward_em *e = trainer;
    json_t *q = json_array();
    for (int i = 0; q && i < e->in.annotators * e->options.groups; i++)
        json_array_append_new(q, json_real(e->q[i]));
    return json_pack("{s:i,s:o}", "iterations", e->iterations, "posteriors", q);
}

static bool take(void *trainer, const json_t *saved)
{
    struct reward_em *e = trainer;
    const json_t *q = json_object_get(saved, "posteriors"), *iterations = json_object_get(saved, "iterations");
    size_t numbers = (size_t)e->in.annotators * (size_t)e->options.groups;
    if (!json_is_integer(iterations) || json_integer_value(iterations) < 0 || json_array_size(q) != numbers)
        return false;
    for (size_t i = 0; i < numbers; i++)
        e->q[i] = json_number_value(json_array_get(q, i));
    e->iterations = (int)json_integer_value(iterations);
    return true;
}

static struct snapshot_trainer snapshot_of(struct reward_em *e, char course[SHA256_HEX_SIZE])
{
    digest(e, course);
    return (struct snapshot_trainer){.trainer = e,
                                     .step = e->iterations,
                                     .course = course,
                                     .save_weights = save_models,
                                     .load_weights = load_models,
                                     .describe = describe,
                                     .take = take};
}

int reward_em_save(struct reward_em *e, const char *out, struct err *err)
{
    char course[SHA256_HEX_SIZE];
    struct snapshot_trainer t = snapshot_of(e, course);
    return snapshot_save(&t, out, err);
}

int reward_em_resume(struct reward_em *e, const char *out, struct err *err)
{
    char course[SHA256_HEX_SIZE];
    struct snapshot_trainer t = snapshot_of(e, course);
    int found = snapshot_resume(&t, out, err);
    if (found <= 0)
        return found;
    for (int u = 0; u <= e->options.groups; u++)
        if (maximise(e, u, true, err) < 0)
            return -1;
    return 1;
}
