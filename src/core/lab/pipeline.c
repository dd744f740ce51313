#include "core/lab/pipeline.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

enum { DIM = 16, RIDGE = 1, RESTARTS = 4, ITERATIONS = 100, STREAM_CANDIDATES = 8, STREAM_EPISODES };

const struct ascent pipeline_ascent = {.updates = 600, .rate = 0.2};

static double dot(const double *x, const double *y)
{
    double sum = 0;
    for (int j = 0; j < DIM; j++)
        sum += x[j] * y[j];
    return sum;
}

static double cosine(const double *x, const double *y)
{
    return dot(x, y) / sqrt(dot(x, x) * dot(y, y));
}

/* The candidates with their rewards under the true and the learned heads, learned[3] and truth[3]. */
static void draw(struct pipeline *p, const double *const *learned, const double *const *truth, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed, STREAM_CANDIDATES);
    for (int i = 0; i <= PIPELINE_PROMPTS; i++)
        p->start[i] = i * PIPELINE_EACH;
    for (int y = 0; y < PIPELINE_CANDIDATES; y++) {
        double x[DIM];
        for (int j = 0; j < DIM; j++)
            x[j] = rng_normal(&r);
        for (int u = 0; u < 3; u++) {
            p->learned_reward[3 * y + u] = dot(learned[u], x);
            p->truth_reward[3 * y + u] = dot(truth[u], x);
        }
    }
    p->learned = (struct candidates){PIPELINE_PROMPTS, 2, p->start, NULL, p->learned_reward};
    p->truth = (struct candidates){PIPELINE_PROMPTS, 2, p->start, NULL, p->truth_reward};
}

/* Whether the learned groups stand the other way round than the true ones. */
static bool swapped(const struct world *w, const struct mixture *m)
{
    const double *a = m->theta, *b = m->theta + DIM;
    return cosine(a, w->theta[1]) + cosine(b, w->theta[0]) > cosine(a, w->theta[0]) + cosine(b, w->theta[1]);
}

static int placed(const struct world *w, const struct mixture *m, double *ret, struct err *err)
{
    int *label = mem_array((size_t)m->annotators, sizeof *label);
    if (!label)
        return err_memory(err);
    for (int h = 0; h < m->annotators; h++)
        label[h] = m->q[2 * h + 1] > m->q[2 * h];
    *ret = world_placed(w, label);
    mem_free(label);
    return 0;
}

int pipeline_new(const struct lab *lab, const int *sizes, int pairs, uint64_t seed, struct pipeline **ret,
                 struct err *err)
{
    struct lab_bench b;
    struct mixture *pooled = NULL, *m = NULL;
    struct effort effort = {RESTARTS, ITERATIONS, 1e-6};
    struct pipeline *p = mem_zeroed(1, sizeof *p);
    int failed = lab_bench_open(&b, lab, DIM, 2, sizes, pairs, seed, err);
    if (failed == 0 && !p)
        failed = err_memory(err);
    if (failed == 0)
        failed = study_pooled(&b.study, b.study.all, RIDGE, NULL, &pooled, err);
    if (failed == 0)
        failed = study_mixture(&b.study, b.study.all, 2, RIDGE, effort, pooled, NULL, &m, err);
    if (failed == 0 && m->k != 2)
        failed = err_set(err, ERR_INSUFFICIENT_DATA, "the mixture kept %d groups of two", m->k);
    if (failed == 0)
        failed = placed(&b.world, m, &p->placed, err);
    if (failed == 0) {
        int first = swapped(&b.world, m);
        const double *learned[3] = {m->theta + DIM * first, m->theta + DIM * !first, pooled->theta};
        const double *truth[3] = {b.world.theta[0], b.world.theta[1], b.world.theta[0]};
        draw(p, learned, truth, seed);
        p->eta[0] = m->eta[first];
        p->eta[1] = m->eta[!first];
        *ret = p;
        p = NULL;
    }
    mem_free(p);
    mixture_free(pooled);
    mixture_free(m);
    lab_bench_close(&b);
    return failed;
}

void pipeline_free(struct pipeline *p)
{
    mem_free(p);
}

void pipeline_win_rates(const struct pipeline *p, const double *policy, double *ret)
{
    for (int u = 0; u < 2; u++)
        ret[u] = candidates_win_rate(&p->truth, u, policy);
}

/* One candidate per prompt from the policy: scores[prompts][K + 1] and log-ratios kl[prompts]. */
static void sample(const struct candidates *c, const double *policy, struct rng *r, double *scores, double *kl)
{
    size_t row = (size_t)c->groups + 1;
    for (int i = 0; i < c->prompts; i++) {
        int y = c->start[i], last = c->start[i + 1] - 1;
        double u = rng_uniform(r);
        while (y < last && u >= policy[y])
            u -= policy[y++];
        memcpy(scores + (size_t)i * row, c->reward + (size_t)y * row, row * sizeof *scores);
        kl[i] = log(policy[y] * (last + 1 - c->start[i])); /* the reference is uniform */
    }
}

static int update(const struct candidates *c, const struct objective_options *o, struct objective_state *s, double beta,
                  const double *policy, struct rng *r, double *episodes, struct err *err)
{
    if (r) {
        double *kl = episodes + (size_t)c->prompts * (size_t)(c->groups + 1);
        sample(c, policy, r, episodes, kl);
        return objective_update(o, s, c->prompts, episodes, kl, beta, err);
    }
    double utilities[OBJECTIVE_GROUPS_MAX + 1], kl;
    candidates_expect(c, policy, utilities, &kl);
    for (int u = 0; u < c->groups; u++)
        utilities[u] -= beta * kl;
    return objective_update_exact(o, s, utilities, err);
}

int pipeline_train(const struct candidates *c, const struct objective_options *o, double beta, const struct ascent *how,
                   double *policy, struct err *err)
{
    int n = c->start[c->prompts], failed = 0;
    double *scalar = mem_array((size_t)n, sizeof *scalar), *smooth = mem_zeroed((size_t)n, sizeof *smooth);
    double *episodes = mem_array((size_t)c->prompts * (size_t)(c->groups + 2), sizeof *episodes);
    struct objective_state s;
    struct rng r;
    rng_init(&r, how->seed, STREAM_EPISODES);
    objective_start(o, &s);
    if (!scalar || !smooth || !episodes)
        failed = err_memory(err);
    for (int t = 0; t < how->updates && failed == 0; t++) {
        candidates_tilt(c, smooth, beta, policy);
        failed = update(c, o, &s, beta, policy, how->sampled ? &r : NULL, episodes, err);
        objective_rewards(o, &s, n, c->reward, scalar);
        for (int y = 0; y < n; y++)
            smooth[y] += how->rate * (scalar[y] - smooth[y]);
    }
    if (failed == 0)
        candidates_tilt(c, smooth, beta, policy);
    mem_free(scalar);
    mem_free(smooth);
    mem_free(episodes);
    return failed;
}

void pipeline_single(const struct candidates *c, double beta, double *policy)
{
    double single[PIPELINE_CANDIDATES];
    for (int y = 0; y < PIPELINE_CANDIDATES; y++)
        single[y] = c->reward[3 * y + 2];
    candidates_tilt(c, single, beta, policy);
}

void pipeline_single_at(const struct candidates *c, double kl, double *policy)
{
    double low = 1e-3, high = 1e3, means[3], reached; /* of beta: KL falls as it rises */
    for (int i = 0; i < 60; i++) {
        double beta = sqrt(low * high);
        pipeline_single(c, beta, policy);
        candidates_expect(c, policy, means, &reached);
        if (reached > kl)
            low = beta;
        else
            high = beta;
    }
}

void pipeline_objective(enum objective_mode mode, const struct pipeline *p, struct objective_options *ret)
{
    objective_options_default(mode, 2, ret);
    ret->step = 0.02;
    ret->ema = mode == OBJECTIVE_MAXMIN ? 0.8 : ret->ema; /* of utilities estimated on few episodes */
    ret->eta[0] = p->eta[0];
    ret->eta[1] = p->eta[1];
}

int pipeline_fare(struct pipeline *p, double beta, struct fare *ret, struct err *err)
{
    struct objective_options o;
    double policy[PIPELINE_CANDIDATES], means[3];
    pipeline_objective(OBJECTIVE_MAXMIN, p, &o);
    candidates_anchor_centred(&p->learned);
    if (pipeline_train(&p->learned, &o, beta, &pipeline_ascent, policy, err) < 0)
        return -1;
    pipeline_win_rates(p, policy, ret->maxmin);
    candidates_expect(&p->learned, policy, means, &ret->maxmin_kl);
    pipeline_single(&p->learned, beta, policy);
    pipeline_win_rates(p, policy, ret->single);
    candidates_expect(&p->learned, policy, means, &ret->single_kl);
    pipeline_single_at(&p->learned, ret->maxmin_kl, policy);
    pipeline_win_rates(p, policy, ret->equal);
    return 0;
}
