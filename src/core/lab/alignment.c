/* alignment: the experiments on policies over finite candidates: T5, T6, T7. */
#include <math.h>
#include <string.h>

#include "core/align/dual.h"
#include "core/lab/pipeline.h"

enum { MAJORITY = 100, MINORITY = 10, PAIRS = 30 };

static const double TOLERANCE = 1e-9;

static int open_repeat(const struct lab *lab, int i, struct pipeline **ret, struct err *err)
{
    lab_tell(lab, (double)i / lab->repeats, "world %d of %d", i + 1, lab->repeats);
    return pipeline_new(lab, (int[2]){MAJORITY, MINORITY}, PAIRS, lab->seed * 1000 + (uint64_t)i, ret, err);
}

static void add_share(int n, const double *x, int of, double *ret)
{
    for (int i = 0; i < n; i++)
        ret[i] += x[i] / of;
}

int lab_t5(struct lab *lab, struct err *err)
{
    enum { FIGURES = sizeof(struct fare) / sizeof(double) };
    double mean[2][FIGURES] = {{0}};
    struct fare fare, large;
    double placed = 0;
    for (int i = 0; i < lab->repeats; i++) {
        struct pipeline *p;
        if (open_repeat(lab, i, &p, err) < 0)
            return -1;
        placed += p->placed / lab->repeats;
        int failed = pipeline_fare(p, PIPELINE_BETA, &fare, err);
        if (failed == 0)
            failed = pipeline_fare(p, 2 * PIPELINE_BETA, &large, err);
        pipeline_free(p);
        if (failed < 0)
            return -1;
        add_share(FIGURES, (const double *)&fare, lab->repeats, mean[0]);
        add_share(FIGURES, (const double *)&large, lab->repeats, mean[1]);
    }
    memcpy(&fare, mean[0], sizeof fare);
    memcpy(&large, mean[1], sizeof large);
    lab_figure_add(lab, false, placed, 0, 1, "annotators placed right");
    lab_figure_add(lab, true, fare.maxmin[0], 0.7, 1, "max-min, win rate of the majority");
    lab_figure_add(lab, true, fare.maxmin[1], 0.7, 1, "max-min, win rate of the minority");
    lab_figure_add(lab, true, fare.single[0], 0.86, 1, "single reward, win rate of the majority");
    lab_figure_add(lab, true, fare.single[1], 0, 0.45, "single reward, win rate of the minority");
    lab_figure_add(lab, false, fare.equal[0], 0, 1, "single at equal KL, majority");
    lab_figure_add(lab, false, fare.equal[1], 0, 1, "single at equal KL, minority");
    lab_figure_add(lab, false, fare.maxmin_kl, 0, INFINITY, "KL of max-min, nats a prompt");
    lab_figure_add(lab, false, fare.single_kl, 0, INFINITY, "KL of the single reward");
    lab_figure_add(lab, false, large.maxmin[0], 0, 1, "twice the beta: max-min, majority");
    lab_figure_add(lab, false, large.maxmin[1], 0, 1, "twice the beta: max-min, minority");
    lab_figure_add(lab, false, large.single[0], 0, 1, "twice the beta: single, majority");
    lab_figure_add(lab, false, large.single[1], 0, 1, "twice the beta: single, minority");
    return 0;
}

/* How much better the least utility can be than that of `policy`. */
static double gap_of(const struct candidates *c, const double *policy, double best)
{
    double means[3], kl;
    candidates_expect(c, policy, means, &kl);
    return best - (fmin(means[0], means[1]) - PIPELINE_BETA * kl);
}

int lab_t6(struct lab *lab, struct err *err)
{
    static const enum objective_mode modes[] = {OBJECTIVE_MAXMIN, OBJECTIVE_MAXMIN_ARGMIN, OBJECTIVE_MIN_PER_SAMPLE};
    double gap[3] = {0}, exact = 0, certified = 0, policy[PIPELINE_CANDIDATES];
    int failed = 0;
    for (int i = 0; i < lab->repeats && failed == 0; i++) {
        struct pipeline *p;
        struct objective_options o;
        struct dual_solution best;
        if (open_repeat(lab, i, &p, err) < 0)
            return -1;
        candidates_anchor_centred(&p->learned);
        pipeline_objective(OBJECTIVE_MAXMIN, p, &o);
        failed = dual_solve(&p->learned, &o, PIPELINE_BETA, TOLERANCE, &best, NULL, err);
        certified = fmax(certified, best.gap);
        struct ascent how = pipeline_ascent;
        if (failed == 0)
            failed = pipeline_train(&p->learned, &o, PIPELINE_BETA, &how, policy, err);
        exact += gap_of(&p->learned, policy, best.welfare) / lab->repeats;
        how.sampled = true;
        how.seed = lab->seed * 1000 + (uint64_t)i;
        for (int m = 0; m < 3 && failed == 0; m++) {
            pipeline_objective(modes[m], p, &o);
            failed = pipeline_train(&p->learned, &o, PIPELINE_BETA, &how, policy, err);
            gap[m] += gap_of(&p->learned, policy, best.welfare) / lab->repeats;
        }
        pipeline_free(p);
    }
    lab_figure_add(lab, true, certified, 0, 1e-8, "duality gap of the exact optimum, largest");
    lab_figure_add(lab, true, exact, -1e-8, 0.01, "gap of EG, exact utilities");
    lab_figure_add(lab, true, gap[0], -1e-8, 0.01, "gap of EG, 200 episodes an update");
    lab_figure_add(lab, false, gap[1], 0, 1, "gap of maxmin_argmin, the same episodes");
    lab_figure_add(lab, false, gap[2], 0, 1, "gap of min_per_sample");
    return failed;
}

/* Win rates of the exact max-min policy when the second group's learned rewards are scaled and shifted first. */
static int transformed(const struct pipeline *p, double scale, double shift, bool anchored, double *ret,
                       struct err *err)
{
    static double reward[3 * PIPELINE_CANDIDATES];
    double policy[PIPELINE_CANDIDATES];
    struct candidates c = p->learned;
    struct objective_options o;
    struct dual_solution solution;
    memcpy(reward, p->learned_reward, sizeof reward);
    for (int y = 0; y < PIPELINE_CANDIDATES; y++)
        reward[3 * y + 1] = scale * reward[3 * y + 1] + shift;
    c.reward = reward;
    if (anchored)
        candidates_anchor_centred(&c);
    pipeline_objective(OBJECTIVE_MAXMIN, p, &o);
    if (dual_solve(&c, &o, PIPELINE_BETA, TOLERANCE, &solution, policy, err) < 0)
        return -1;
    pipeline_win_rates(p, policy, ret);
    return 0;
}

int lab_t7(struct lab *lab, struct err *err)
{
    static const struct {
        double scale, shift;
        const char *anchored, *raw;
    } changes[] = {{5, 0, "times 5: points moved, anchored", "times 5: points moved, not anchored"},
                   {1, 3, "plus 3: points moved, anchored", "plus 3: points moved, not anchored"},
                   {1, -3, "minus 3: points moved, anchored", "minus 3: points moved, not anchored"}};
    double moved[3][2] = {{0}}, before[2], after[2];
    int failed = 0;
    for (int i = 0; i < lab->repeats && failed == 0; i++) {
        struct pipeline *p;
        if (open_repeat(lab, i, &p, err) < 0)
            return -1;
        for (int k = 0; k < 6 && failed == 0; k++) {
            bool anchored = k % 2 == 0;
            failed = transformed(p, 1, 0, anchored, before, err);
            if (failed == 0)
                failed = transformed(p, changes[k / 2].scale, changes[k / 2].shift, anchored, after, err);
            for (int u = 0; u < 2 && failed == 0; u++)
                moved[k / 2][k % 2] = fmax(moved[k / 2][k % 2], 100 * fabs(after[u] - before[u]));
        }
        pipeline_free(p);
    }
    for (int k = 0; k < 3 && failed == 0; k++) {
        lab_figure_add(lab, true, moved[k][0], 0, 0.5, changes[k].anchored);
        lab_figure_add(lab, false, moved[k][1], 0, 100, changes[k].raw);
    }
    return failed;
}
