#include "jobs/evaluation_document.h"

#include <math.h>

#include "base/json_text.h"

/* Without pairs: null when that means that there is no judge, else zeros. */
static void put_rate(struct buf *out, const char *name, const struct win_rate *r, bool nullable, bool bootstrap)
{
    json_key(out, name);
    if (r->n == 0 && nullable) {
        json_put_null(out);
        return;
    }
    json_open(out, '{');
    json_member_int(out, "n", r->n);
    json_member_real(out, "effective_n", r->rate.effective);
    json_member_int(out, "wins", r->wins);
    json_member_int(out, "ties", r->ties);
    json_key(out, "rate");
    if (r->n > 0)
        json_put_real(out, r->rate.value);
    else
        json_put_null(out);
    json_member_real(out, "low", r->rate.low);
    json_member_real(out, "high", r->rate.high);
    json_member_real(out, "bootstrap_low", bootstrap ? r->low : NAN);
    json_member_real(out, "bootstrap_high", bootstrap ? r->high : NAN);
    json_close(out, '}');
}

static void put_judge(struct buf *out, const struct judging *j)
{
    json_key(out, "judge");
    json_open(out, '{');
    json_member_text(out, "status", j->fit ? "ok" : "insufficient_annotators");
    json_member_text(out, "reason", j->fit ? "" : j->lack);
    json_member_real(out, "held_out_annotators", j->settings.held_out_annotators);
    json_member_int(out, "annotators", j->loaded.annotators);
    json_member_int(out, "comparisons", j->loaded.comparisons);
    json_member_int(out, "groups", j->fit ? j->fit->k : 0);
    json_member_int(out, "replicates", j->fit ? j->replicates : 0);
    json_member_text(out, "interval",
             "wilson 95 % over the effective number of pairs; bootstrap 95 % over annotators and prompts");
    json_close(out, '}');
}

static void put_match(struct buf *out, const struct judging *j, int u)
{
    json_key(out, "judge");
    if (!j->fit) {
        json_put_null(out);
        return;
    }
    json_open(out, '{');
    json_member_bool(out, "matched", j->match.group[u] >= 0);
    json_member_text(out, "reason", judge_lack_sentence(j->match.lack[u]));
    json_member_real(out, "agreement", j->match.agreement[u]);
    json_member_real(out, "same_choice", j->match.same_choice[u]);
    json_member_real(out, "runner_up", j->match.runner_up[u]);
    json_member_real(out, "expected_size", j->match.size[u]);
    json_close(out, '}');
}

static void put_groups(struct buf *out, const struct judging *j)
{
    bool bootstrap = j->replicates > 0;
    json_key(out, "groups");
    json_open(out, '[');
    for (int u = 0; u < j->task->groups; u++) {
        json_open(out, '{');
        json_key(out, "id");
        json_put_uuid(out, &j->task->group[u].lineage);
        json_member_int(out, "ordinal", u);
        json_member_str(out, "name", j->task->group[u].name);
        json_member_real(out, "weight", j->task->group[u].weight);
        put_match(out, j, u);
        put_rate(out, "win_rate", &j->judged[u], true, bootstrap);
        put_rate(out, "training", &j->trained[u], false, false);
        put_rate(out, "human", &j->human[u], false, false);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_key(out, "single");
    json_open(out, '{');
    put_rate(out, "win_rate", &j->judged[j->task->groups], true, bootstrap);
    put_rate(out, "training", &j->trained[j->task->groups], false, false);
    json_close(out, '}');
    put_rate(out, "human", &j->human[j->task->groups], false, false);
}

static void put_standing(struct buf *out, const struct judging *j)
{
    double weight[EVALUATE_COLUMNS_MAX];
    bool judged = true;
    for (int u = 0; u < j->task->groups; u++) {
        weight[u] = j->task->group[u].weight;
        judged &= j->judged[u].n > 0;
    }
    struct standing s = evaluate_standing(j->task->groups, judged ? j->judged : j->trained, weight);
    json_key(out, "standing");
    json_open(out, '{');
    json_member_text(out, "by", judged ? "judge" : "training");
    json_key(out, "worst_off");
    if (s.worst >= 0)
        json_put_uuid(out, &j->task->group[s.worst].lineage);
    else
        json_put_null(out);
    json_member_real(out, "least", s.least);
    json_member_real(out, "mean", s.mean);
    json_member_real(out, "gap", s.gap);
    json_close(out, '}');
}

static void put_divergence(struct buf *out, const char *name, const struct mean_error *m)
{
    json_key(out, name);
    if (m->n == 0) {
        json_put_null(out);
        return;
    }
    json_open(out, '{');
    json_member_int(out, "n", m->n);
    json_member_real(out, "mean", m->mean);
    json_member_real(out, "error", m->error);
    json_close(out, '}');
}

static void put_kl(struct buf *out, const struct evaluation_kl *kl)
{
    json_key(out, "kl");
    json_open(out, '{');
    json_member_text(out, "reference", kl->reference);
    json_member_text(out, "reason", kl->reason);
    put_divergence(out, "policy", &kl->policy);
    put_divergence(out, "against", &kl->against);
    json_close(out, '}');
}

void evaluation_document(struct buf *out, const struct evaluate_options *o, int prompts, const struct judging *j,
                         const struct evaluation_kl *kl)
{
    json_open(out, '{');
    json_member_int(out, "prompts", prompts);
    json_member_int(out, "samples", o->samples);
    json_member_int(out, "pairs", prompts * o->samples);
    json_member_int(out, "max_tokens", o->max_tokens);
    json_member_real(out, "temperature", o->temperature);
    json_member_int(out, "seed", o->seed);
    put_judge(out, j);
    put_groups(out, j);
    put_standing(out, j);
    put_kl(out, kl);
    json_close(out, '}');
}
