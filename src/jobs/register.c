#include "jobs/register.h"

#include "core/align/dialogue.h"
#include "core/lm/checkpoint.h"
#include "jobs/machine.h"
#include "jobs/policy_folder.h"
#include "store/policy_place.h"

/* Loads the weights, or maps them when they are too large to lie in memory in fp32. */
static struct lm_model *load_weights(const char *folder, const struct policy_facts *facts, struct err *err)
{
    bool large = (double)facts->parameters * (double)sizeof(float) > (double)machine_memory() / 2;
    return large ? checkpoint_map(folder, err) : checkpoint_load(folder, err);
}

/* Whether everything that makes a policy is there and fits together. */
static int check_model(const char *folder, const struct policy_facts *facts, struct err *err)
{
    struct dialogue dialogue = {.end = -1};
    struct lm_model *model = NULL;
    int result = -1;
    struct tokenizer *tokenizer = tokenizer_load(folder, err);
    if (tokenizer)
        model = load_weights(folder, facts, err);
    if (model && tokenizer_count(tokenizer) > (size_t)model->shape.vocabulary)
        err_set(err, ERR_BAD_FILE, "%s: the tokenizer has %zu tokens, the model %d", folder, tokenizer_count(tokenizer),
                model->shape.vocabulary);
    else if (model)
        result = dialogue_load(tokenizer, folder, model->shape.eos, &dialogue, err);
    dialogue_free(&dialogue);
    lm_model_free(model);
    tokenizer_free(tokenizer);
    return result;
}

static int read_folder(struct reporter *r, const char *folder, struct policy_facts *ret, struct err *err)
{
    char real[PLACE_PATH];
    const struct job_context *job = r->job;
    if (policy_place_check(job->model_folder, job->policy_folders, folder, "", real, err) < 0)
        return -1;
    reporter_tell(r, "digest", 0, "{}", true);
    if (policy_folder_facts(real, POLICY_WRITES, ret, err) < 0)
        return -1;
    reporter_tell(r, "loading", 0.5, "{}", true);
    return check_model(real, ret, err);
}

int register_run(const struct job_context *job, struct err *err)
{
    struct reporter r = {.job = job};
    struct arena arena = {0};
    struct policy policy;
    struct policy_facts facts = {0};
    struct pg *pg = reporter_pg(&r, 0, err);
    int result = pg ? policy_of_job(pg, job->lease, &arena, &policy, err) : -1;
    if (result == 0)
        result = read_folder(&r, policy.folder, &facts, err);
    if (result == 0) {
        reporter_say(&r, "info", "%s: a %s model of %lld parameters, %lld bytes", policy.name, facts.family,
                     (long long)facts.parameters, (long long)facts.bytes);
        result = policy_folder_finish(&r, policy.folder, &facts, err);
    }
    arena_free(&arena);
    reporter_close(&r);
    return result;
}
