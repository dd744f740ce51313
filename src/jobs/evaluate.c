#include "jobs/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "core/align/responses.h"
#include "formats/evaluate_options.h"
#include "jobs/evaluation_document.h"
#include "jobs/judging.h"
#include "jobs/machine.h"
#include "jobs/policy_folder.h"
#include "jobs/reporter.h"
#include "jobs/standing.h"
#include "store/completion.h"
#include "store/identity.h"
#include "store/item.h"
#include "store/policy.h"
#include "store/transaction.h"

enum { SLOTS = 64 };

/* Where the job stands when the first policy, and the second, have answered, and when divergences are known. */
#define ANSWERED   0.3
#define ANSWERED_2 0.6
#define COMPARED   0.7

struct evaluate {
    const struct job_context *job;
    struct reporter reporter;
    struct arena arena;
    struct evaluate_options options;
    struct evaluation_task task;
    int prompts;
    struct uuid *item;   /* [prompts] */
    struct str *prompt;  /* [prompts] */
    bool *plain;         /* [prompts] given as text, so that its item may have to be made */
    struct response_set a, b;
    struct evaluation_kl kl;
    struct judging judging;
    double from, to;     /* shares of what is being done */
    const char *stage;
};

/* ---- what is asked ---- */

static int name_items(struct evaluate *e, struct err *err)
{
    const struct complete_prompt *asked = e->options.prompts.items;
    const struct uuid *project = &e->job->lease->project;
    int n = (int)e->options.prompts.count, named = 0;
    struct uuid *items = arena_zeroed(&e->arena, (size_t)n + 1, sizeof *items);
    struct str *texts = arena_zeroed(&e->arena, (size_t)n + 1, sizeof *texts);
    struct pg *pg = reporter_pg(&e->reporter, 0, err);
    e->item = arena_zeroed(&e->arena, (size_t)n + 1, sizeof *e->item);
    e->prompt = arena_zeroed(&e->arena, (size_t)n + 1, sizeof *e->prompt);
    e->plain = arena_zeroed(&e->arena, (size_t)n + 1, sizeof *e->plain);
    if (!items || !texts || !e->item || !e->prompt || !e->plain)
        return err_memory(err);
    for (int i = 0; i < n; i++)
        if (asked[i].form == COMPLETE_ITEM)
            items[named++] = asked[i].item.id;
    if (!pg || completion_prompts(pg, project, items, named, &e->arena, texts, err) < 0)
        return -1;
    for (int i = 0, next = 0; i < n; i++) {
        e->plain[i] = asked[i].form == COMPLETE_TEXT;
        e->prompt[i] = e->plain[i] ? asked[i].text : texts[next];
        e->item[i] = e->plain[i] ? identity_item(project, e->prompt[i], false) : items[next];
        next += !e->plain[i];
    }
    e->prompts = n;
    return 0;
}

static int take_items(struct evaluate *e, struct err *err)
{
    struct pg *pg = reporter_pg(&e->reporter, 0, err);
    if (!pg || evaluation_items(pg, &e->job->lease->project, (int)e->options.items, &e->arena, &e->item, &e->prompt,
                                &e->prompts, err) < 0)
        return -1;
    if (e->prompts == 0)
        return err_set(err, ERR_INSUFFICIENT_DATA, "the project has no items; give the prompts of the evaluation");
    e->plain = arena_zeroed(&e->arena, (size_t)e->prompts, sizeof *e->plain);
    return e->plain ? 0 : err_memory(err);
}

static int read_task(struct evaluate *e, struct err *err)
{
    static const struct json_limits limits = {.depth = 8, .text_bytes = 1 << 20};
    char *text;
    size_t length;
    struct pg *pg = reporter_pg(&e->reporter, 0, err);
    if (!pg || job_params(pg, e->job->lease, &e->arena, &text, &length, err) < 0)
        return -1;
    if (json_read(text, length, &evaluate_options_shape, &limits, &e->options, &e->arena, err) < 0)
        return err_wrap(err, "option %s", err->pointer);
    evaluate_options_fill(&e->options);
    if (evaluation_task_of(pg, e->job->lease, &e->arena, &e->task, err) < 0)
        return -1;
    return e->options.prompts.count > 0 ? name_items(e, err) : take_items(e, err);
}

/* ---- the policies ---- */

static bool progress(void *context, double done)
{
    struct evaluate *e = context;
    reporter_tell(&e->reporter, e->stage, e->from + (e->to - e->from) * done, "{}", false);
    return !e->reporter.lost;
}

static struct responses_options sampling_of(struct evaluate *e, const char *stage, double from, double to)
{
    e->stage = stage;
    e->from = from;
    e->to = to;
    reporter_tell(&e->reporter, stage, from, "{}", true);
    return (struct responses_options){
        .seed = (uint64_t)e->options.seed,
        .samples = (int)e->options.samples,
        .max_tokens = (int)e->options.max_tokens,
        .temperature = e->options.temperature,
        .slots = SLOTS,
        .memory_limit = machine_memory(),
        .progress = progress,
        .context = e,
    };
}

/* Opens a policy's model, which must be what was registered. language_model_close must follow in any case. */
static int open_policy(struct evaluate *e, const char *name, struct language_model *lm, struct err *err)
{
    struct policy policy;
    struct pg *pg = reporter_pg(&e->reporter, 0, err);
    if (!pg || policy_read(pg, &e->job->lease->project, str_of(name), POLICY_WRITES, &e->arena, &policy, err) < 0 ||
        policy_folder_check(&policy, err) < 0 || language_model_open(lm, e->job->threads, err) < 0)
        return -1;
    return machine_load_model(lm, policy.folder, err);
}

static int answer(struct evaluate *e, const char *name, double from, double to, struct response_set *ret,
                  struct err *err)
{
    struct language_model lm = {0};
    struct responses_options o = sampling_of(e, "sampling", from, to);
    int result = open_policy(e, name, &lm, err);
    if (result == 0)
        result = responses_sample(&lm, &o, e->prompts, e->prompt, ret, err);
    language_model_close(&lm);
    return result;
}

/* KL of one policy to the reference, from its own responses. */
static int diverge(const struct language_model *reference, const struct responses_options *o, const struct evaluate *e,
                   const struct response_set *s, struct mean_error *ret, struct err *err)
{
    double *logp = mem_array((size_t)s->n, sizeof *logp);
    if (!logp)
        return err_memory(err);
    int result = responses_logp(reference, o, e->prompt, s, logp, err);
    for (int i = 0; i < s->n && result == 0; i++)
        logp[i] = s->logp[i] - logp[i];
    if (result == 0)
        *ret = evaluate_mean(s->n, logp);
    mem_free(logp);
    return result;
}

/* Models that cannot be compared have no divergence; that is no failure. */
static int compare_models(struct evaluate *e, struct err *err)
{
    struct language_model lm = {0};
    struct responses_options o = sampling_of(e, "comparing with the reference", ANSWERED_2, COMPARED);
    int result = 0;
    if (!e->task.has_parent) {
        snprintf(e->kl.reason, sizeof e->kl.reason, "The policy has no parent that is ready.");
        return 0;
    }
    e->kl.reference = e->task.parent.name;
    result = open_policy(e, e->task.parent.name, &lm, err);
    if (result == 0)
        result = diverge(&lm, &o, e, &e->a, &e->kl.policy, err);
    if (result == 0)
        result = diverge(&lm, &o, e, &e->b, &e->kl.against, err);
    if (result < 0 && err->code == ERR_CONFLICT) {
        snprintf(e->kl.reason, sizeof e->kl.reason, "%.150s.", err->message);
        result = 0;
    }
    language_model_close(&lm);
    return result;
}

/* ---- storing the responses ---- */

struct storing {
    const struct evaluate *e;
    const struct response_set *set;
    const char *policy;
};

static int store_work(struct pg *pg, void *context, struct err *err)
{
    const struct storing *c = context;
    const struct evaluate *e = c->e;
    struct item_response response[16];
    for (int i = 0; i < e->prompts; i++) {
        for (int k = 0; k < c->set->samples; k++)
            response[k] = (struct item_response){c->set->text[i * c->set->samples + k], str_of(c->policy)};
        struct str prompt = e->plain[i] ? e->prompt[i] : (struct str){0};
        if (item_store_on(pg, &e->job->lease->project, &e->item[i], prompt, response, (size_t)c->set->samples, err) < 0)
            return -1;
    }
    return 0;
}

static int store_responses(struct evaluate *e, const struct response_set *set, const char *policy, struct err *err)
{
    struct storing c = {e, set, policy};
    struct pg *pg = reporter_pg(&e->reporter, 0, err);
    return pg ? transaction_on(pg, TRANSACTION_WRITE, store_work, &c, err) : -1;
}

/* ---- judging and publishing ---- */

static struct uuid *ids_of(struct evaluate *e, const struct response_set *set, const char *policy)
{
    struct uuid *id = arena_zeroed(&e->arena, (size_t)set->n, sizeof *id);
    for (int i = 0; id && i < set->n; i++)
        id[i] = identity_response(&e->item[i / set->samples], str_of(policy), set->text[i]);
    return id;
}

static int judge(struct evaluate *e, struct err *err)
{
    struct judging_responses r = {
        .item = e->item,
        .prompt = e->prompt,
        .prompts = e->prompts,
        .samples = e->a.samples,
        .a_id = ids_of(e, &e->a, e->task.policy.name),
        .b_id = ids_of(e, &e->b, e->task.against.name),
        .a = e->a.text,
        .b = e->b.text,
    };
    if (!r.a_id || !r.b_id)
        return err_memory(err);
    e->judging.reporter = &e->reporter;
    e->judging.task = &e->task;
    e->judging.from = COMPARED;
    e->judging.to = 0.98;
    if (judging_run(&e->judging, &r, (int)e->options.replicates, (uint64_t)e->options.seed, err) < 0)
        return -1;
    if (!e->judging.fit)
        reporter_say(&e->reporter, "warning", "%s", e->judging.lack);
    for (int u = 0; u < e->task.groups && e->judging.fit; u++)
        if (e->judging.match.lack[u] != JUDGE_FOUND)
            reporter_say(&e->reporter, "warning", "group %d: %s", u, judge_lack_sentence(e->judging.match.lack[u]));
    return 0;
}

/* A database that is away for a while does not cost the evaluation. */
static int publish(struct evaluate *e, struct err *err)
{
    struct buf document = {0};
    int tried = 0, result = -1;
    evaluation_document(&document, &e->options, e->prompts, &e->judging, &e->kl);
    if (document.failed) {
        buf_free(&document);
        return err_memory(err);
    }
    do {
        struct pg *pg = reporter_pg(&e->reporter, 0, err);
        if (pg)
            result = evaluation_store(pg, e->job->lease, &e->task, (struct str){document.data, document.length},
                                      standing_write, NULL, err);
    } while (result < 0 && reporter_again(&e->reporter, ++tried, err));
    buf_free(&document);
    return result;
}

static int work(struct evaluate *e, struct err *err)
{
    if (read_task(e, err) < 0)
        return -1;
    reporter_say(&e->reporter, "info", "%s against %s: %d prompts, %d responses of each to each", e->task.policy.name,
                 e->task.against.name, e->prompts, (int)e->options.samples);
    if (answer(e, e->task.policy.name, 0, ANSWERED, &e->a, err) < 0 ||
        store_responses(e, &e->a, e->task.policy.name, err) < 0 ||
        answer(e, e->task.against.name, ANSWERED, ANSWERED_2, &e->b, err) < 0 ||
        store_responses(e, &e->b, e->task.against.name, err) < 0)
        return -1;
    if (compare_models(e, err) < 0 || judge(e, err) < 0)
        return -1;
    return publish(e, err);
}

int evaluate_run(const struct job_context *job, struct err *err)
{
    struct evaluate e = {.job = job, .reporter = {.job = job}};
    int result = work(&e, err);
    if (result < 0 && e.reporter.lost)
        result = reporter_check(&e.reporter, err);
    judging_close(&e.judging);
    response_set_free(&e.a);
    response_set_free(&e.b);
    arena_free(&e.arena);
    reporter_close(&e.reporter);
    return result;
}
