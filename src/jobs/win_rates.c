#include "jobs/win_rates.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/mem.h"

/* Judgements of one group on two policies, seen from the first; of a policy and itself: on it and all others. */
struct meeting {
    struct count {
        int wins, ties, n;
    } all, own; /* own: of the annotator whose judgements are being counted */
    int annotator;
    struct clustered outcomes; /* of the annotators before */
};

struct tally {
    int policies;                     /* shown */
    int shown[WIN_RATES_POLICIES];    /* their numbers in struct loaded, by name */
    int left_out;
    int *place;                       /* [loaded policies] position in shown, or -1 */
    struct meeting *meeting;          /* [groups][policies][policies] */
};

/* ---- counting ---- */

struct use {
    int policy;
    long comparisons;
    struct str name;
};

static int by_use(const void *a, const void *b)
{
    const struct use *one = a, *other = b;
    if (one->comparisons != other->comparisons)
        return one->comparisons < other->comparisons ? 1 : -1;
    return str_compare(one->name, other->name);
}

static int by_name(const void *a, const void *b)
{
    return str_compare(((const struct use *)a)->name, ((const struct use *)b)->name);
}

/* The two policies that a comparison pits against each other; false when it does not. */
static bool policies_of(const struct loaded *l, const struct comparison *c, int *ret_a, int *ret_b)
{
    *ret_a = l->policy_of[c->a];
    *ret_b = l->policy_of[c->b];
    return *ret_a >= 0 && *ret_b >= 0 && *ret_a != *ret_b;
}

/* Which policies are shown, and where. */
static int choose_policies(const struct loaded *l, struct tally *t, struct err *err)
{
    struct use *use = mem_zeroed((size_t)l->policies + 1, sizeof *use);
    t->place = mem_array((size_t)l->policies + 1, sizeof *t->place);
    if (!use || !t->place) {
        mem_free(use);
        return err_memory(err);
    }
    int a, b, met = 0;
    for (int i = 0; i < l->policies; i++) {
        use[i] = (struct use){.policy = i, .name = l->policy[i]};
        t->place[i] = -1;
    }
    for (int i = 0; i < l->comparisons; i++) {
        if (policies_of(l, &l->comparison[i], &a, &b)) {
            use[a].comparisons++;
            use[b].comparisons++;
        }
    }
    qsort(use, (size_t)l->policies, sizeof *use, by_use);
    while (met < l->policies && use[met].comparisons > 0)
        met++;
    t->policies = met < WIN_RATES_POLICIES ? met : WIN_RATES_POLICIES;
    t->left_out = met - t->policies;
    qsort(use, (size_t)t->policies, sizeof *use, by_name);
    for (int i = 0; i < t->policies; i++) {
        t->shown[i] = use[i].policy;
        t->place[use[i].policy] = i;
    }
    mem_free(use);
    return 0;
}

static struct meeting *meeting_of(const struct tally *t, int group, int policy, int opponent)
{
    return &t->meeting[((size_t)group * (size_t)t->policies + (size_t)policy) * (size_t)t->policies + (size_t)opponent];
}

/* What the annotator at hand said becomes a cluster. */
static void end_annotator(struct meeting *m)
{
    clustered_add(&m->outcomes, m->own.wins, m->own.ties, m->own.n);
    m->all.wins += m->own.wins;
    m->all.ties += m->own.ties;
    m->all.n += m->own.n;
    m->own = (struct count){0};
}

static void count_one(struct meeting *m, int annotator, bool won, bool tied)
{
    if (m->annotator != annotator)
        end_annotator(m);
    m->annotator = annotator;
    m->own.n++;
    m->own.wins += won;
    m->own.ties += tied;
}

static void count_comparison(struct tally *t, int group, int a, int b, const struct comparison *c)
{
    bool tied = c->outcome == CHOICE_TIE || c->outcome == CHOICE_BOTH_BAD;
    count_one(meeting_of(t, group, a, b), c->annotator, c->outcome == CHOICE_A, tied);
    count_one(meeting_of(t, group, b, a), c->annotator, c->outcome == CHOICE_B, tied);
    count_one(meeting_of(t, group, a, a), c->annotator, c->outcome == CHOICE_A, tied);
    count_one(meeting_of(t, group, b, b), c->annotator, c->outcome == CHOICE_B, tied);
}

/* The numbers of all comparisons, annotator by annotator; the caller frees them. */
static int *by_annotator(const struct loaded *l, struct err *err)
{
    int *order = mem_array((size_t)l->comparisons + 1, sizeof *order);
    int *next = mem_zeroed((size_t)l->annotators + 1, sizeof *next);
    if (!order || !next) {
        err_memory(err);
        mem_free(order);
        order = NULL;
    }
    for (int i = 0; i < l->comparisons && order; i++)
        next[l->comparison[i].annotator + 1]++;
    for (int h = 0; h < l->annotators && order; h++)
        next[h + 1] += next[h];
    for (int i = 0; i < l->comparisons && order; i++)
        order[next[l->comparison[i].annotator]++] = i;
    mem_free(next);
    return order;
}

static int count_meetings(const struct loaded *l, const struct fit *fit, struct tally *t, struct err *err)
{
    size_t cells = (size_t)fit->k * (size_t)t->policies * (size_t)t->policies;
    int *order = by_annotator(l, err);
    t->meeting = mem_zeroed(cells + 1, sizeof *t->meeting);
    if (!order || !t->meeting) {
        mem_free(order);
        return err_memory(err);
    }
    for (int i = 0; i < l->comparisons; i++) {
        const struct comparison *c = &l->comparison[order[i]];
        int a, b, group = fit->k == 1 ? 0 : fit->annotator[c->annotator].group;
        if (group < 0 || !policies_of(l, c, &a, &b) || t->place[a] < 0 || t->place[b] < 0)
            continue;
        count_comparison(t, group, t->place[a], t->place[b], c);
    }
    for (size_t i = 0; i < cells; i++)
        end_annotator(&t->meeting[i]);
    mem_free(order);
    return 0;
}

/* ---- writing ---- */

/* Its members n, effective_n, rate, low, high. */
static void put_rate(struct buf *out, const struct proportion *p)
{
    json_member_real(out, "n", p->n);
    json_member_real(out, "effective_n", p->effective);
    json_key(out, "rate");
    if (p->n > 0)
        json_put_real(out, p->value);
    else
        json_put_null(out);
    json_member_real(out, "low", p->low);
    json_member_real(out, "high", p->high);
}

static void put_proportion(struct buf *out, const struct proportion *p)
{
    json_open(out, '{');
    put_rate(out, p);
    json_close(out, '}');
}

void win_rates_accuracy(struct buf *out, const struct fit_accuracy *accuracy)
{
    json_key(out, "accuracy");
    json_open(out, '{');
    json_key(out, "group");
    put_proportion(out, &accuracy->mixture);
    json_key(out, "single");
    put_proportion(out, &accuracy->pooled);
    json_close(out, '}');
}

/* The group that the single reward predicts worst; -1 when there is but one, or nothing to tell it by. */
static int worst_group(const struct fit *fit)
{
    int worst = -1;
    for (int u = 0; u < fit->k && fit->k > 1; u++) {
        const struct proportion *p = &fit->group[u].accuracy.pooled;
        if (p->n > 0 && (worst < 0 || p->value < fit->group[worst].accuracy.pooled.value))
            worst = u;
    }
    return worst;
}

static void put_groups(struct buf *out, const struct win_rates_input *in)
{
    int worst = worst_group(in->fit);
    json_key(out, "groups");
    json_open(out, '[');
    for (int u = 0; u < in->fit->k; u++) {
        json_open(out, '{');
        json_key(out, "id");
        json_put_uuid(out, &in->group[u].lineage);
        json_member_int(out, "ordinal", u);
        json_member_str(out, "name", in->group[u].name);
        json_member_int(out, "colour", in->group[u].colour);
        json_member_real(out, "weight", in->fit->group[u].weight);
        json_member_int(out, "size", in->fit->group[u].size);
        json_member_bool(out, "worst_off", u == worst);
        win_rates_accuracy(out, &in->fit->group[u].accuracy);
        json_close(out, '}');
    }
    json_close(out, ']');
    win_rates_accuracy(out, &in->fit->accuracy);
}

static void put_policies(struct buf *out, const struct loaded *l, const struct tally *t)
{
    json_key(out, "policies");
    json_open(out, '[');
    for (int i = 0; i < t->policies; i++)
        json_put_str(out, l->policy[t->shown[i]]);
    json_close(out, ']');
    json_member_int(out, "policies_left_out", t->left_out);
}

static void put_meeting(struct buf *out, const struct win_rates_input *in, const struct tally *t, int group, int policy,
                        int opponent)
{
    const struct meeting *m = meeting_of(t, group, policy, opponent);
    struct proportion rate = clustered_proportion(&m->outcomes);
    if (m->all.n == 0 || policy == opponent)
        return;
    json_open(out, '{');
    json_key(out, "group");
    json_put_uuid(out, &in->group[group].lineage);
    json_member_str(out, "policy", in->loaded->policy[t->shown[policy]]);
    json_member_str(out, "opponent", in->loaded->policy[t->shown[opponent]]);
    json_member_int(out, "wins", m->all.wins);
    json_member_int(out, "ties", m->all.ties);
    put_rate(out, &rate);
    json_close(out, '}');
}

static void put_meetings(struct buf *out, const struct win_rates_input *in, const struct tally *t)
{
    json_key(out, "win_rates");
    json_open(out, '[');
    for (int u = 0; u < in->fit->k; u++)
        for (int p = 0; p < t->policies; p++)
            for (int q = 0; q < t->policies; q++)
                put_meeting(out, in, t, u, p, q);
    json_close(out, ']');
}

/* The group that likes the policy least, against all others; -1 when none was asked. */
static int least_pleased(const struct tally *t, int groups, int policy)
{
    int worst = -1;
    double least = 0;
    for (int u = 0; u < groups; u++) {
        const struct meeting *m = meeting_of(t, u, policy, policy);
        double rate = clustered_proportion(&m->outcomes).value;
        if (m->all.n == 0 || (worst >= 0 && rate >= least))
            continue;
        worst = u;
        least = rate;
    }
    return worst;
}

static void put_worst_off(struct buf *out, const struct win_rates_input *in, const struct tally *t)
{
    json_key(out, "worst_off");
    json_open(out, '[');
    for (int p = 0; p < t->policies; p++) {
        int worst = least_pleased(t, in->fit->k, p);
        if (worst < 0)
            continue;
        struct proportion least = clustered_proportion(&meeting_of(t, worst, p, p)->outcomes);
        json_open(out, '{');
        json_member_str(out, "policy", in->loaded->policy[t->shown[p]]);
        json_key(out, "group");
        json_put_uuid(out, &in->group[worst].lineage);
        put_rate(out, &least);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void put_head(struct buf *out, const struct win_rates_input *in, const char *status)
{
    int unassigned = 0;
    for (int h = 0; in->fit && h < in->fit->annotators; h++)
        unassigned += in->fit->annotator[h].group < 0;
    json_member_text(out, "status", status);
    json_member_text(out, "project", in->project);
    json_key(out, "fit_id");
    json_put_uuid(out, &in->fit_id);
    json_key(out, "as_of");
    json_put_time(out, in->loaded->data.as_of);
    json_member_int(out, "k", in->fit ? in->fit->k : 0);
    json_member_text(out, "reason", in->reason);
    json_member_int(out, "comparisons", in->loaded->comparisons);
    json_member_int(out, "annotators", in->loaded->annotators);
    json_member_int(out, "unassigned", in->fit ? unassigned : in->loaded->annotators);
    json_member_text(out, "interval", "wilson 95 %");
}

static void put_insufficient(struct buf *out, const struct win_rates_input *in)
{
    put_head(out, in, "insufficient_data");
    json_key(out, "missing");
    json_open(out, '{');
    if (in->missing_comparisons > 0) {
        json_member_int(out, "comparisons", in->missing_comparisons);
    }
    if (in->missing_annotators > 0) {
        json_member_int(out, "annotators", in->missing_annotators);
    }
    json_close(out, '}');
    buf_text(out, ",\"groups\":[],\"policies\":[],\"win_rates\":[],\"worst_off\":[]");
}

int win_rates_write(const struct win_rates_input *in, struct buf *out, struct err *err)
{
    struct tally t = {0};
    int result = -1;
    json_open(out, '{');
    if (!in->fit) {
        put_insufficient(out, in);
    } else {
        if (choose_policies(in->loaded, &t, err) < 0 || count_meetings(in->loaded, in->fit, &t, err) < 0)
            goto out;
        put_head(out, in, in->fit->k > 1 ? "ok" : "one_group_suffices");
        put_groups(out, in);
        put_policies(out, in->loaded, &t);
        put_meetings(out, in, &t);
        put_worst_off(out, in, &t);
    }
    json_close(out, '}');
    result = out->failed ? err_memory(err) : 0;
out:
    mem_free(t.place);
    mem_free(t.meeting);
    return result;
}
