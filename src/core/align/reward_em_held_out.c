/* What the models of EM predict of comparisons that none of them has seen. */
#include "base/mem.h"
#include "core/align/reward_em_parts.h"

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
            double m[2] = {sign * reward_em_margin(e, u, c), sign * reward_em_margin(e, K, c)};
            weight[u] += q;
            for (int s = 0; s < 2; s++) {
                right[s][u] += q * (m[s] > 0 ? 1 : m[s] < 0 ? 0 : 0.5);
                loss[s][u] -= q * reward_em_log_sigmoid(m[s]);
            }
        }
    }
    for (int u = 0; u < K; u++) {
        double w = weight[u] > 0 ? weight[u] : 1;
        ret_group[u] = (struct reward_accuracy){proportion_of(right[0][u], weight[u]), loss[0][u] / w};
        ret_single[u] = (struct reward_accuracy){proportion_of(right[1][u], weight[u]), loss[1][u] / w};
    }
}

static int likeliest(const struct reward_em *e, int annotator)
{
    int K = e->options.groups, best = 0;
    const double *q = e->q + (size_t)annotator * (size_t)K;
    for (int u = 1; u < K; u++)
        best = q[u] > q[best] ? u : best;
    return best;
}

/* The margins of model `m` on the decided held-out comparisons of group `u`; how many. */
static int margins(const struct reward_em *e, int u, int m, float *ret)
{
    int n = 0;
    for (int i = 0; i < e->in.comparisons; i++) {
        const struct reward_em_comparison *c = &e->in.comparison[i];
        if (c->held_out && c->preference != 0.5 && likeliest(e, c->annotator) == u)
            ret[n++] = (float)((c->preference > 0.5 ? 1 : -1) * reward_em_margin(e, m, c));
    }
    return n;
}

int reward_em_calibration(const struct reward_em *e, struct calibration *ret_group, struct calibration *ret_single,
                          struct err *err)
{
    float *margin = mem_array((size_t)e->in.comparisons + 1, sizeof *margin);
    if (!margin)
        return err_memory(err);
    for (int u = 0; u < e->options.groups; u++) {
        ret_group[u] = calibration_of(margins(e, u, u, margin), margin);
        ret_single[u] = calibration_of(margins(e, u, e->options.groups, margin), margin);
    }
    mem_free(margin);
    return 0;
}
