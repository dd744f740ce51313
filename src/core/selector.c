#include "core/selector.h"

#include <math.h>

#include "base/check.h"
#include "base/rng.h"
#include "core/align/dual.h"

static const double TOLERANCE = 1e-8;

const char *const selector_anchors[] = {[ANCHOR_CENTRED] = "centred", [ANCHOR_WIN] = "win", NULL};

void selector_options_default(enum objective_mode mode, enum anchor anchor, int groups, struct selector_options *ret)
{
    *ret = (struct selector_options){.anchor = anchor, .seed = 1};
    objective_options_default(mode, groups, &ret->objective);
    if (anchor == ANCHOR_WIN)
        ret->objective.disagreement = 0;
}

static int check(const struct scorer *s, const struct selector_options *o, struct err *err)
{
    CHECK(o->objective.groups == scorer_groups(s));
    if (!(o->beta == 0 || (o->beta >= 0.001 && o->beta <= 1000)))
        return err_at(err, ERR_INVALID_VALUE, "/beta", "must be 0 or between 0.001 and 1000");
    return objective_check(&o->objective, err);
}

static int score_all(const struct scorer *s, const struct selector_options *o, struct str prompt, int n,
                     const struct str *responses, double *ret, struct err *err)
{
    int k = scorer_groups(s), start[2] = {0, n};
    double scratch[SELECTOR_MOST];
    for (int i = 0; i < n; i++)
        if (scorer_score(s, prompt, responses[i], ret + (size_t)i * (size_t)(k + 1), err) < 0)
            return -1;
    struct candidates c = {.prompts = 1, .groups = k, .start = start, .reward = ret};
    if (o->anchor == ANCHOR_WIN)
        candidates_anchor_win(&c, scratch);
    else
        candidates_anchor_centred(&c);
    for (int i = 0; i < n * (k + 1); i++)
        if (!isfinite(ret[i]))
            return err_set(err, ERR_NUMERICAL, "a score is not finite");
    return 0;
}

/* The one response that is best by the objective. */
static int best_of(const struct objective_options *options, int n, const double *scores)
{
    struct objective_options o = *options;
    int best = 0, k = o.groups;
    double most = -INFINITY;
    for (int u = 0; u < k; u++) {
        o.best[u] = -INFINITY;
        for (int i = 0; i < n; i++)
            o.best[u] = fmax(o.best[u], scores[i * (k + 1) + u]);
    }
    for (int i = 0; i < n; i++) {
        const double *row = scores + (size_t)i * (size_t)(k + 1);
        double value = o.mode == OBJECTIVE_SINGLE ? row[k] : objective_welfare(&o, row);
        if (value > most) {
            most = value;
            best = i;
        }
    }
    return best;
}

static int draw(int n, const double *probability, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed, 0);
    double u = rng_uniform(&r), sum = 0;
    int last = 0;
    for (int i = 0; i < n; i++) {
        sum += probability[i];
        if (probability[i] > 0)
            last = i;
        if (u < sum)
            return i;
    }
    return last; /* the sum is 1 but for rounding */
}

static int distribute(const struct selector_options *options, struct arena *arena, struct selection *ret,
                      struct err *err)
{
    struct objective_options o = options->objective;
    struct dual_solution solution;
    int n = ret->candidates, k = ret->groups, start[2] = {0, n};
    struct candidates c = {.prompts = 1, .groups = k, .start = start, .reward = (double *)ret->score};
    double *p = arena_zeroed(arena, (size_t)n, sizeof *p);
    double *expected = arena_zeroed(arena, (size_t)k + 1, sizeof *expected);
    double *weight = arena_zeroed(arena, (size_t)k, sizeof *weight);
    if (!p || !expected || !weight)
        return err_memory(err);
    if (o.mode == OBJECTIVE_REGRET && dual_best(&c, options->beta, o.best, err) < 0)
        return -1;
    if (dual_solve(&c, &o, options->beta, TOLERANCE, &solution, p, err) < 0)
        return -1;
    candidates_expect(&c, p, expected, NULL);
    for (int u = 0; u < k; u++)
        weight[u] = solution.weight[u];
    ret->probability = p;
    ret->expected = expected;
    ret->weight = o.mode == OBJECTIVE_SINGLE || o.mode == OBJECTIVE_MIN_PER_SAMPLE ? NULL : weight;
    ret->gap = solution.gap;
    ret->choice = draw(n, p, options->seed);
    return 0;
}

int selector_choose(const struct scorer *s, const struct selector_options *o, struct str prompt, int n,
                    const struct str *responses, struct arena *arena, struct selection *ret, struct err *err)
{
    CHECK(n >= SELECTOR_LEAST && n <= SELECTOR_MOST);
    if (check(s, o, err) < 0)
        return -1;
    int k = scorer_groups(s);
    double *scores = arena_zeroed(arena, (size_t)n * (size_t)(k + 1), sizeof *scores);
    if (!scores)
        return err_memory(err);
    if (score_all(s, o, prompt, n, responses, scores, err) < 0)
        return -1;
    *ret = (struct selection){.candidates = n, .groups = k, .score = scores, .worst_off = -1};
    if (o->beta > 0) {
        if (distribute(o, arena, ret, err) < 0)
            return -1;
    } else {
        ret->choice = best_of(&o->objective, n, scores);
    }
    const double *chosen = scores + (size_t)ret->choice * (size_t)(k + 1);
    for (int u = 0; u < k; u++)
        if (objective_takes_part(&o->objective, u) && (ret->worst_off < 0 || chosen[u] < chosen[ret->worst_off]))
            ret->worst_off = u;
    return 0;
}
