#include "jobs/standing.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "core/align/evaluate.h"

/* ---- what is read of a document (evaluation_document.h) ---- */

struct rate {
    struct json_seen seen;
    int64_t n;
    double effective, rate, low, high, bootstrap_low, bootstrap_high;
};
enum { RATE_N, RATE_EFFECTIVE, RATE_RATE, RATE_LOW, RATE_HIGH, RATE_BOOTSTRAP_LOW, RATE_BOOTSTRAP_HIGH };

static const struct json_field rate_fields[] = {
    [RATE_N] = JSON_FIELD(INT, struct rate, n, "n"),
    [RATE_EFFECTIVE] = JSON_FIELD(REAL, struct rate, effective, "effective_n"), /* not in the oldest documents */
    [RATE_RATE] = JSON_FIELD(REAL, struct rate, rate, "rate", .flags = JSON_NULLABLE),
    [RATE_LOW] = JSON_FIELD(REAL, struct rate, low, "low"),
    [RATE_HIGH] = JSON_FIELD(REAL, struct rate, high, "high"),
    [RATE_BOOTSTRAP_LOW] = JSON_FIELD(REAL, struct rate, bootstrap_low, "bootstrap_low", .flags = JSON_NULLABLE),
    [RATE_BOOTSTRAP_HIGH] = JSON_FIELD(REAL, struct rate, bootstrap_high, "bootstrap_high", .flags = JSON_NULLABLE),
};
static const struct json_shape rate_shape = JSON_SHAPE(struct rate, rate_fields, "Rate", NULL, .open = true);

struct group {
    struct json_seen seen;
    struct uuid id;
    double weight;
    struct rate judged, training, human;
};
enum { GROUP_ID, GROUP_WEIGHT, GROUP_JUDGED, GROUP_TRAINING, GROUP_HUMAN };

static const struct json_field group_fields[] = {
    [GROUP_ID] = JSON_FIELD(UUID, struct group, id, "id", .flags = JSON_REQUIRED),
    [GROUP_WEIGHT] = JSON_FIELD(REAL, struct group, weight, "weight"),
    [GROUP_JUDGED] = JSON_FIELD_OBJECT(struct group, judged, "win_rate", &rate_shape, .flags = JSON_NULLABLE),
    [GROUP_TRAINING] = JSON_FIELD_OBJECT(struct group, training, "training", &rate_shape),
    [GROUP_HUMAN] = JSON_FIELD_OBJECT(struct group, human, "human", &rate_shape),
};
static const struct json_shape group_shape = JSON_SHAPE(struct group, group_fields, "Group", NULL, .open = true);
static const struct json_field group_item =
    {.name = "", .kind = JSON_KIND_OBJECT, .shape = &group_shape};

struct divergence {
    struct json_seen seen;
    double mean, error;
};
enum { DIVERGENCE_MEAN, DIVERGENCE_ERROR };

static const struct json_field divergence_fields[] = {
    [DIVERGENCE_MEAN] = JSON_FIELD(REAL, struct divergence, mean, "mean"),
    [DIVERGENCE_ERROR] = JSON_FIELD(REAL, struct divergence, error, "error", .flags = JSON_NULLABLE),
};
static const struct json_shape divergence_shape =
    JSON_SHAPE(struct divergence, divergence_fields, "Divergence", NULL, .open = true);

struct kl {
    struct json_seen seen;
    struct divergence policy;
};
static const struct json_field kl_fields[] = {
    JSON_FIELD_OBJECT(struct kl, policy, "policy", &divergence_shape, .flags = JSON_NULLABLE),
};
static const struct json_shape kl_shape = JSON_SHAPE(struct kl, kl_fields, "Kl", NULL, .open = true);

struct judge {
    struct json_seen seen;
    struct str status;
};
static const struct json_field judge_fields[] = {JSON_FIELD(STR, struct judge, status, "status")};
static const struct json_shape judge_shape = JSON_SHAPE(struct judge, judge_fields, "Judge", NULL, .open = true);

struct result {
    struct json_seen seen;
    struct json_list groups; /* struct group */
    struct judge judge;
    struct kl kl;
};

static const struct json_field result_fields[] = {
    JSON_FIELD(LIST, struct result, groups, "groups", .flags = JSON_REQUIRED, .item = &group_item,
               .item_size = sizeof(struct group)),
    JSON_FIELD_OBJECT(struct result, judge, "judge", &judge_shape, .flags = JSON_REQUIRED),
    JSON_FIELD_OBJECT(struct result, kl, "kl", &kl_shape, .flags = JSON_REQUIRED),
};
static const struct json_shape result_shape = JSON_SHAPE(struct result, result_fields, "Result", NULL, .open = true);

/* ---- what is made of it ---- */

/* An evaluation with its rates by one means: the judge's, or the training reward's. */
struct entry {
    const struct evaluation_figures *figures;
    struct result result;
    const struct group *group;
    int groups;
    bool judged;   /* the judge has a word on every group */
    bool newest;   /* of its policy and opponent */
    double kl;     /* NAN: not known */
    struct standing standing;
};

static const struct rate *rate_of(const struct entry *e, int u)
{
    return e->judged ? &e->group[u].judged : &e->group[u].training;
}

static void assess(struct entry *e)
{
    struct win_rate rate[EVALUATE_COLUMNS_MAX] = {{0}};
    double weight[EVALUATE_COLUMNS_MAX];
    e->groups = e->groups < EVALUATE_COLUMNS_MAX ? e->groups : EVALUATE_COLUMNS_MAX - 1;
    e->judged = e->groups > 0;
    for (int u = 0; u < e->groups; u++)
        e->judged &= json_has(&e->group[u].seen, GROUP_JUDGED);
    for (int u = 0; u < e->groups; u++) {
        const struct rate *r = rate_of(e, u);
        rate[u] = (struct win_rate){.n = (int)r->n, .rate = {.n = (double)r->n, .value = r->rate}};
        weight[u] = e->group[u].weight;
    }
    e->standing = evaluate_standing(e->groups, rate, weight);
    e->kl = json_has(&e->result.kl.seen, 0) ? e->result.kl.policy.mean : NAN;
}

static int read_entry(const struct evaluation_figures *f, struct arena *arena, struct entry *ret, struct err *err)
{
    static const struct json_limits limits = {.depth = 8, .text_bytes = 1 << 16};
    char *text = arena_strndup(arena, f->result.ptr, f->result.len);
    if (!text)
        return err_memory(err);
    if (json_read(text, f->result.len, &result_shape, &limits, &ret->result, arena, err) < 0)
        return err_set(err, ERR_INTERNAL, "a stored evaluation cannot be read: %s", err->message);
    ret->figures = f;
    ret->group = ret->result.groups.items;
    ret->groups = (int)ret->result.groups.count;
    assess(ret);
    return 0;
}

/* The newest of each policy and opponent: going backwards, who has not been met. */
static void mark_newest(int n, struct entry *all)
{
    for (int i = n - 1; i >= 0; i--) {
        all[i].newest = true;
        for (int k = i + 1; k < n && all[i].newest; k++)
            all[i].newest = !str_equal(all[k].figures->policy, all[i].figures->policy) ||
                            !str_equal(all[k].figures->against, all[i].figures->against);
    }
}

/* Whether `other` may be a yardstick for e: newest, of the objective, of the same opponent, means and groups. */
static bool comparable(const struct entry *e, const struct entry *other, const char *objective)
{
    bool same = other->newest && other->judged == e->judged && other->groups == e->groups &&
                other->figures->objective.ptr && str_is(other->figures->objective, objective) &&
                str_equal(other->figures->against, e->figures->against);
    for (int u = 0; u < e->groups && same; u++)
        same = memcmp(&other->group[u].id, &e->group[u].id, sizeof e->group[u].id) == 0;
    return same;
}

/* The yardstick of e: the best-standing single-reward policy, or a utilitarian one; NULL when there is none. */
static const struct entry *yardstick(const struct entry *e, int n, const struct entry *all)
{
    static const char *const objectives[] = {"single", "average"};
    const struct entry *best = NULL;
    for (int o = 0; o < 2 && !best; o++)
        for (int i = 0; i < n; i++)
            if (comparable(e, &all[i], objectives[o]) && (!best || all[i].standing.mean > best->standing.mean))
                best = &all[i];
    return best;
}

/* What single-reward policies would win in group u at the divergence of e. */
static int single_at(const struct entry *e, int u, int n, const struct entry *all, double *ret, struct err *err)
{
    double *kl = mem_array(2 * (size_t)n + 1, sizeof *kl), *rate = kl ? kl + n : NULL;
    int points = 0;
    if (!kl)
        return err_memory(err);
    for (int i = 0; i < n; i++)
        if (comparable(e, &all[i], "single") && all[i].kl >= 0) {
            kl[points] = all[i].kl;
            rate[points++] = rate_of(&all[i], u)->rate;
        }
    *ret = points > 0 && e->kl >= 0 ? evaluate_rate_at(points, kl, rate, e->kl) : NAN;
    mem_free(kl);
    return 0;
}

/* ---- writing ---- */

static void put_given(struct buf *out, const char *name, const struct rate *r, int field, double value)
{
    json_member_real(out, name, json_has(&r->seen, field) ? value : NAN);
}

static int put_group(struct buf *out, const struct entry *e, int u, int n, const struct entry *all, struct err *err)
{
    const struct rate *r = rate_of(e, u), *human = &e->group[u].human;
    double single = NAN;
    if (single_at(e, u, n, all, &single, err) < 0)
        return -1;
    json_open(out, '{');
    json_key(out, "group");
    json_put_uuid(out, &e->group[u].id);
    json_member_int(out, "n", r->n);
    put_given(out, "effective_n", r, RATE_EFFECTIVE, r->effective);
    put_given(out, "rate", r, RATE_RATE, r->rate);
    json_member_real(out, "low", r->low);
    json_member_real(out, "high", r->high);
    put_given(out, "bootstrap_low", r, RATE_BOOTSTRAP_LOW, r->bootstrap_low);
    put_given(out, "bootstrap_high", r, RATE_BOOTSTRAP_HIGH, r->bootstrap_high);
    json_member_real(out, "training_rate", e->group[u].training.rate);
    json_key(out, "human");
    json_open(out, '{');
    json_member_int(out, "n", human->n);
    put_given(out, "effective_n", human, RATE_EFFECTIVE, human->effective);
    put_given(out, "rate", human, RATE_RATE, human->rate);
    json_member_real(out, "low", human->low);
    json_member_real(out, "high", human->high);
    json_close(out, '}');
    json_member_real(out, "single_at_equal_kl", single);
    json_close(out, '}');
    return 0;
}

/* What both lists begin with. */
static void put_head(struct buf *out, const struct entry *e)
{
    json_key(out, "evaluation");
    json_put_uuid(out, &e->figures->id);
    json_member_str(out, "policy", e->figures->policy);
    json_member_str(out, "against", e->figures->against);
    json_member_str(out, "objective", e->figures->objective);
    json_key(out, "as_of");
    json_put_time(out, e->figures->published_at);
    json_member_text(out, "by", e->judged ? "judge" : "training");
}

static void put_figures(struct buf *out, const struct entry *e)
{
    json_key(out, "worst_off");
    if (e->standing.worst >= 0)
        json_put_uuid(out, &e->group[e->standing.worst].id);
    else
        json_put_null(out);
    json_member_real(out, "least", e->standing.least);
    json_member_real(out, "mean", e->standing.mean);
    json_member_real(out, "gap", e->standing.gap);
    json_member_real(out, "kl", e->kl);
}

static int put_entry(struct buf *out, const struct entry *e, int n, const struct entry *all, struct err *err)
{
    const struct entry *best = yardstick(e, n, all);
    const struct divergence *d = &e->result.kl.policy;
    json_open(out, '{');
    put_head(out, e);
    json_member_str(out, "judge", e->result.judge.status);
    json_key(out, "groups");
    json_open(out, '[');
    for (int u = 0; u < e->groups; u++)
        if (put_group(out, e, u, n, all, err) < 0)
            return -1;
    json_close(out, ']');
    put_figures(out, e);
    json_member_real(out, "kl_error", json_has(&d->seen, DIVERGENCE_ERROR) ? d->error : NAN);
    json_member_real(out, "price_of_fairness", best ? best->standing.mean - e->standing.mean : NAN);
    json_member_str(out, "compared_with", best ? best->figures->policy : (struct str){0});
    json_close(out, '}');
    return 0;
}

static int write_all(struct buf *out, int n, const struct entry *all, struct err *err)
{
    json_key(out, "evaluations");
    json_open(out, '[');
    for (int i = 0; i < n; i++)
        if (all[i].newest && put_entry(out, &all[i], n, all, err) < 0)
            return -1;
    json_close(out, ']');
    json_key(out, "history");
    json_open(out, '[');
    for (int i = n > STANDING_HISTORY ? n - STANDING_HISTORY : 0; i < n; i++) {
        json_open(out, '{');
        put_head(out, &all[i]);
        put_figures(out, &all[i]);
        json_close(out, '}');
    }
    json_close(out, ']');
    return out->failed ? err_memory(err) : 0;
}

int standing_write(void *context, int count, const struct evaluation_figures *all, struct buf *out, struct err *err)
{
    struct arena arena = {0};
    struct entry *entry = mem_zeroed((size_t)count + 1, sizeof *entry);
    int result = entry ? 0 : err_memory(err);
    (void)context;
    for (int i = 0; i < count && result == 0; i++)
        result = read_entry(&all[i], &arena, &entry[i], err);
    if (result == 0) {
        mark_newest(count, entry);
        result = write_all(out, count, entry, err);
    }
    mem_free(entry);
    arena_free(&arena);
    return result;
}
