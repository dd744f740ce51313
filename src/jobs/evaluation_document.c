#include "jobs/evaluation_document.h"

#include <math.h>

#include "base/json_text.h"

static void put_real(struct buf *out, const char *name, double value)
{
    json_key(out, name);
    json_put_real(out, value);
}

static void put_int(struct buf *out, const char *name, int64_t value)
{
    json_key(out, name);
    json_put_int(out, value);
}

static void put_text(struct buf *out, const char *name, const char *value)
{
    json_key(out, name);
    json_put_text(out, value);
}

/* Without pairs: null when that means that there is no judge, else zeros. */
static void put_rate(struct buf *out, const char *name, const struct win_rate *r, bool nullable, bool bootstrap)
{
    json_key(out, name);
    if (r->n == 0 && nullable) {
        json_put_null(out);
        return;
    }
    json_open(out, '{');
    put_int(out, "n", r->n);
    put_real(out, "effective_n", r->rate.n);
    put_int(out, "wins", r->wins);
    put_int(out, "ties", r->ties);
    json_key(out, "rate");
    if (r->n > 0)
        json_put_real(out, r->rate.value);
    else
        json_put_null(out);
    put_real(out, "low", r->rate.low);
    put_real(out, "high", r->rate.high);
    put_real(out, "bootstrap_low", bootstrap ? r->low : NAN);
    put_real(out, "bootstrap_high", bootstrap ? r->high : NAN);
    json_close(out, '}');
}

static void put_judge(struct buf *out, const struct judging *j)
{
    json_key(out, "judge");
    json_open(out, '{');
    put_text(out, "status", j->fit ? "ok" : "insufficient_annotators");
    put_text(out, "reason", j->fit ? "" : j->lack);
    put_real(out, "held_out_annotators", j->settings.held_out_annotators);
    put_int(out, "annotators", j->loaded.annotators);
    put_int(out, "comparisons", j->loaded.comparisons);
    put_int(out, "groups", j->fit ? j->fit->k : 0);
    put_int(out, "replicates", j->fit ? j->replicates : 0);
    put_text(out, "interval",
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
    json_key(out, "matched");
    json_put_bool(out, j->match.group[u] >= 0);
    put_text(out, "reason", judge_lack_sentence(j->match.lack[u]));
    put_real(out, "agreement", j->match.agreement[u]);
    put_real(out, "same_choice", j->match.same_choice[u]);
    put_real(out, "runner_up", j->match.runner_up[u]);
    put_real(out, "expected_size", j->match.size[u]);
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
        put_int(out, "ordinal", u);
        json_key(out, "name");
        json_put_str(out, j->task->group[u].name);
        put_real(out, "weight", j->task->group[u].weight);
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
    put_text(out, "by", judged ? "judge" : "training");
    json_key(out, "worst_off");
    if (s.worst >= 0)
        json_put_uuid(out, &j->task->group[s.worst].lineage);
    else
        json_put_null(out);
    put_real(out, "least", s.least);
    put_real(out, "mean", s.mean);
    put_real(out, "gap", s.gap);
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
    put_int(out, "n", m->n);
    put_real(out, "mean", m->mean);
    put_real(out, "error", m->error);
    json_close(out, '}');
}

static void put_kl(struct buf *out, const struct evaluation_kl *kl)
{
    json_key(out, "kl");
    json_open(out, '{');
    put_text(out, "reference", kl->reference);
    put_text(out, "reason", kl->reason);
    put_divergence(out, "policy", &kl->policy);
    put_divergence(out, "against", &kl->against);
    json_close(out, '}');
}

void evaluation_document(struct buf *out, const struct evaluate_options *o, int prompts, const struct judging *j,
                         const struct evaluation_kl *kl)
{
    json_open(out, '{');
    put_int(out, "prompts", prompts);
    put_int(out, "samples", o->samples);
    put_int(out, "pairs", prompts * o->samples);
    put_int(out, "max_tokens", o->max_tokens);
    put_real(out, "temperature", o->temperature);
    put_int(out, "seed", o->seed);
    put_judge(out, j);
    put_groups(out, j);
    put_standing(out, j);
    put_kl(out, kl);
    json_close(out, '}');
}
