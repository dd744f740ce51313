#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "core/align/reward_em_parts.h"
#include "core/reward/assignment.h"
#include "core/reward/mixture.h"

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

size_t reward_em_bytes(const struct lm_shape *base, const struct reward_data *sequences,
                       const struct reward_options *options, int groups)
{
    struct lm_shape shape = *base;
    struct lm_layout layout;
    shape.scalars = 1;
    if (lm_layout_make(&shape, &layout, NULL) < 0)
        return SIZE_MAX;
    size_t model = layout.count * sizeof(float), training = reward_trainer_bytes(&shape, sequences, options);
    lm_layout_free(&layout);
    return training + ((size_t)groups + 1) * model; /* the base and K more, for one is part of the training */
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
    e->moved = 1;
    *ret = e;
    return 0;
}

static void close_work(struct reward_em_work *w)
{
    reward_trainer_free(w->trainer);
    mem_free(w->pairs.pairs);
    mem_free(w->pairs.wins);
    *w = (struct reward_em_work){0};
}

void reward_em_free(struct reward_em *e)
{
    if (!e)
        return;
    close_work(&e->work);
    for (int u = 0; u <= REWARD_HEADS_MAX; u++)
        lm_model_free(e->model[u]);
    mem_free(e->score);
    mem_free(e->q);
    mem_free(e->likelihood);
    mem_free(e);
}

int reward_em_groups(const struct reward_em *e)
{
    return e->options.groups;
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

double reward_em_moved(const struct reward_em *e)
{
    return e->moved;
}

int64_t reward_em_steps(const struct reward_em *e)
{
    return e->steps;
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

/* Opens model `u` with the pairs as those of `judges` (a group, or all) are. 1; 0 when they judged nothing. */
static int open_work(struct reward_em *e, int u, int judges, struct reward_em_work *ret, struct err *err)
{
    struct reward_options o = e->options.train;
    o.seed += (uint64_t)e->iterations * 1000003u; /* another order in each iteration */
    ret->trainer = NULL;
    if (pairs_of(e, judges, &ret->pairs, err) < 0)
        return -1;
    ret->trainer = reward_trainer_new(e->model[u], &ret->pairs, &o, err);
    return ret->trainer ? 1 : err->code == ERR_INSUFFICIENT_DATA ? 0 : -1;
}

/* Scores all sequences under model `u`, which `t` trains. */
static int score(struct reward_em *e, int u, struct reward_trainer *t, struct err *err)
{
    int count = e->in.sequences->count;
    return reward_trainer_score(t, 0, count, e->score + (size_t)u * (size_t)count, err);
}

int reward_em_begin(struct reward_em *e, struct err *err)
{
    int found = open_work(e, e->turn, e->turn, &e->work, err);
    if (found <= 0)
        close_work(&e->work);
    return found;
}

/* A group whose annotators judged nothing keeps its model, which is scored as it is. */
static int keep(struct reward_em *e, struct err *err)
{
    struct reward_em_work w;
    int found = open_work(e, e->turn, e->options.groups, &w, err);
    int result = found > 0 ? score(e, e->turn, w.trainer, err) : -1;
    close_work(&w);
    return result;
}

/* One step of the model whose turn it is; after its last one all sequences are scored under it, and the next one has
 * its turn. */
static int train(struct reward_em *e, struct reward_em_step *ret, struct err *err)
{
    struct reward_trainer *t = e->work.trainer;
    *ret = (struct reward_em_step){.model = e->turn, .steps = reward_trainer_steps(t)};
    if (reward_trainer_advance(t, &ret->train, err) < 0)
        return -1;
    e->steps++;
    if (reward_trainer_done(t) < ret->steps)
        return 0;
    int result = score(e, e->turn, t, err);
    close_work(&e->work);
    e->turn++;
    return result;
}

/* likelihood[h][u], over what is not held out. */
static void likelihoods(struct reward_em *e)
{
    size_t K = (size_t)e->options.groups;
    memset(e->likelihood, 0, (size_t)e->in.annotators * K * sizeof *e->likelihood);
    for (int i = 0; i < e->in.comparisons; i++) {
        const struct reward_em_comparison *c = &e->in.comparison[i];
        for (size_t u = 0; u < K && !c->held_out; u++) {
            double m = reward_em_margin(e, (int)u, c);
            e->likelihood[(size_t)c->annotator * K + u] +=
                c->preference * reward_em_log_sigmoid(m) + (1 - c->preference) * reward_em_log_sigmoid(-m);
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

/* Ends the iteration. */
static int end_iteration(struct reward_em *e, struct err *err)
{
    e->moved = expect(e);
    if (!isfinite(e->total))
        return err_set(err, ERR_NUMERICAL, "the likelihood of the mixture is not finite");
    e->iterations++;
    e->steps++;
    e->turn = 0;
    return 1;
}

int reward_em_advance(struct reward_em *e, struct reward_em_step *ret, struct err *err)
{
    for (; e->turn <= e->options.groups; e->turn++) {
        int found = e->work.trainer ? 1 : reward_em_begin(e, err);
        if (found > 0)
            return train(e, ret, err);
        if (found < 0 || keep(e, err) < 0)
            return -1;
    }
    return end_iteration(e, err);
}

/* ---- numbering ---- */

/* former[u]: the group that is to have the number u. */
static void renumber(struct reward_em *e, const int *former)
{
    size_t K = (size_t)e->options.groups, count = (size_t)e->in.sequences->count;
    struct lm_model *model[REWARD_HEADS_MAX];
    double eta[REWARD_HEADS_MAX], q[REWARD_HEADS_MAX];
    for (size_t u = 0; u < K; u++) {
        model[u] = e->model[former[u]];
        eta[u] = e->eta[former[u]];
    }
    memcpy(e->model, model, K * sizeof *model);
    memcpy(e->eta, eta, K * sizeof *eta);
    for (int h = 0; h < e->in.annotators; h++) {
        double *row = e->q + (size_t)h * K;
        memcpy(q, row, K * sizeof *q);
        for (size_t u = 0; u < K; u++)
            row[u] = q[former[u]];
    }
    for (size_t i = 0; i < count; i++) {
        float of[REWARD_HEADS_MAX];
        for (size_t u = 0; u < K; u++)
            of[u] = e->score[u * count + i];
        for (size_t u = 0; u < K; u++)
            e->score[u * count + i] = of[former[u]];
    }
}

void reward_em_number_as(struct reward_em *e, const double *posteriors)
{
    size_t K = (size_t)e->options.groups;
    double gain[ASSIGNMENT_MAX][ASSIGNMENT_MAX] = {{0}};
    int former[ASSIGNMENT_MAX];
    for (size_t v = 0; v < K; v++)
        for (size_t u = 0; u < K; u++) {
            gain[v][u] = 1; /* so that each goes with one that is there */
            for (int h = 0; h < e->in.annotators; h++)
                gain[v][u] += e->q[(size_t)h * K + v] * posteriors[(size_t)h * K + u];
        }
    assignment_best(gain, former);
    renumber(e, former);
}

double reward_em_distance(const struct reward_em *e, const double *posteriors)
{
    double sum = 0;
    for (int i = 0; i < e->in.annotators * e->options.groups; i++)
        sum += fabs(e->q[i] - posteriors[i]) / 2;
    return sum / e->in.annotators;
}
