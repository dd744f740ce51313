/* navigation: T9, a grid world in which two groups want to be in two corners.
 *
 * 7 x 7 cells, start in the middle of the bottom row, goals in the two top corners. 16 steps; an action moves up, down,
 * left, right or stays, and a move into the wall stays. Group u's reward of a step is -L1(cell reached, goal_u) / 12.
 * The policy is regularised towards the uniform one, 0.1 KL a step: soft value iteration backwards in time,
 *   V_t(s) = beta log mean_a exp((sum_u w_u r_u(s') + V_{t+1}(s')) / beta), pi_t(a | s) in proportion to the
 *   exponentials,
 * and the utility of a group is the expected sum of its rewards (the KL is the same for both). */
#include <math.h>
#include <stdlib.h>

#include "core/align/objective.h"
#include "core/lab/lab_parts.h"

enum { SIDE = 7, CELLS = SIDE * SIDE, STEPS = 16, ACTIONS = 5, START = (SIDE - 1) * SIDE + SIDE / 2, UPDATES = 400 };

static const double BETA = 0.1;

static int moved(int cell, int action)
{
    static const int down[ACTIONS] = {-1, 1, 0, 0, 0}, right[ACTIONS] = {0, 0, -1, 1, 0};
    int row = cell / SIDE + down[action], column = cell % SIDE + right[action];
    return row < 0 || row >= SIDE || column < 0 || column >= SIDE ? cell : row * SIDE + column;
}

static double reward(int cell, int u)
{
    int goal = u == 0 ? 0 : SIDE - 1;
    return -(cell / SIDE + abs(cell % SIDE - goal)) / 12.0;
}

/* The soft-optimal policy for weights w: policy[step][cell][action]. */
static void plan(const double *w, double policy[STEPS][CELLS][ACTIONS])
{
    double value[CELLS] = {0}, before[CELLS];
    for (int t = STEPS - 1; t >= 0; t--) {
        for (int s = 0; s < CELLS; s++) {
            double *p = policy[t][s], most = -INFINITY, z = 0;
            for (int a = 0; a < ACTIONS; a++) {
                int next = moved(s, a);
                p[a] = (w[0] * reward(next, 0) + w[1] * reward(next, 1) + value[next]) / BETA;
                most = fmax(most, p[a]);
            }
            for (int a = 0; a < ACTIONS; a++)
                z += p[a] = exp(p[a] - most);
            for (int a = 0; a < ACTIONS; a++)
                p[a] /= z;
            before[s] = BETA * (most + log(z / ACTIONS));
        }
        for (int s = 0; s < CELLS; s++)
            value[s] = before[s];
    }
}

/* Expected sums of the rewards, ret[2], and of the KL to the uniform policy. */
static double follow(double policy[STEPS][CELLS][ACTIONS], double *ret)
{
    double at[CELLS] = {0}, kl = 0;
    at[START] = 1;
    ret[0] = ret[1] = 0;
    for (int t = 0; t < STEPS; t++) {
        double next[CELLS] = {0};
        for (int s = 0; s < CELLS; s++)
            for (int a = 0; a < ACTIONS; a++) {
                double p = at[s] * policy[t][s][a];
                next[moved(s, a)] += p;
                kl += p > 0 ? p * log(policy[t][s][a] * ACTIONS) : 0;
            }
        for (int s = 0; s < CELLS; s++) {
            at[s] = next[s];
            ret[0] += at[s] * reward(s, 0);
            ret[1] += at[s] * reward(s, 1);
        }
    }
    return kl;
}

int lab_t9(struct lab *lab, struct err *err)
{
    static double policy[STEPS][CELLS][ACTIONS];
    const double share[2] = {10.0 / 11, 1.0 / 11};
    double single[2], utility[2];
    struct objective_options o;
    struct objective_state s;
    plan(share, policy); /* the single reward of a population of 10:1 is its mean */
    double kl = follow(policy, single);
    lab_figure_add(lab, true, single[0], -3.25, -3.15, "single reward at 10:1, utility of the majority");
    lab_figure_add(lab, true, single[1], -8.65, -8.55, "single reward at 10:1, utility of the minority");
    lab_figure_add(lab, false, kl, 0, INFINITY, "single reward, KL to uniform, nats");
    objective_options_default(OBJECTIVE_MAXMIN, 2, &o);
    o.step = 0.02;
    objective_start(&o, &s);
    s.weight[0] = share[0]; /* from where the single reward stands, for equal weights are the answer */
    s.weight[1] = share[1];
    for (int i = 0; i < UPDATES; i++) {
        plan(s.weight, policy);
        kl = follow(policy, utility);
        if (objective_update_exact(&o, &s, utility, err) < 0)
            return -1;
    }
    lab_figure_add(lab, true, fmin(utility[0], utility[1]), -5.45, -5.35, "max-min, the least utility");
    lab_figure_add(lab, true, fmax(utility[0], utility[1]), -5.45, -5.35, "max-min, the other utility");
    lab_figure_add(lab, false, s.weight[0], 0, 1, "max-min, weight of the majority");
    lab_figure_add(lab, false, kl, 0, INFINITY, "max-min, KL to uniform, nats");
    return 0;
}
