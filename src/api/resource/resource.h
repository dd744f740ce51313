/* resource: the handlers of the operations, a file per resource, and the shapes of the bodies that they take.
 *
 * A handler reads what its request asks (path, query, r->input) and leaves an answer in r->reply, or fails with err;
 * see route.h for where it runs. The table of routes (routes.c) says which operation is whose.
 *
 * It refuses to speak SQL: every document comes from a function of src/store. Thread rule: as request.h. */
#ifndef EGALIGN_API_RESOURCE_H
#define EGALIGN_API_RESOURCE_H

#include "api/follow.h"
#include "api/request.h"
#include "base/json.h"

/* Projects: make or find one, list, get one, change its settings. */
extern const struct json_shape project_body_shape, project_patch_shape;
int on_projects_post(struct request *r, struct err *err);
int on_projects_get(struct request *r, struct err *err);
int on_project_get(struct request *r, struct err *err);
int on_project_patch(struct request *r, struct err *err);

/* Items: make or find one with its responses, list, get one. */
extern const struct json_shape item_body_shape;
int on_items_post(struct request *r, struct err *err);
int on_items_get(struct request *r, struct err *err);
int on_item_get(struct request *r, struct err *err);

/* Annotators: list, get one with its counts. */
int on_annotators_get(struct request *r, struct err *err);
int on_annotator_get(struct request *r, struct err *err);

/* These two answer later: the comparison is committed with others. */
int on_comparison_put(struct request *r, struct err *err);
int on_comparisons_post(struct request *r, struct err *err);
int on_comparisons_get(struct request *r, struct err *err);
int on_comparison_get(struct request *r, struct err *err);
int on_comparison_undo(struct request *r, struct err *err);

/* Fits: ask for one, list, get one, make an earlier one the published one. */
int on_fits_post(struct request *r, struct err *err);
int on_fits_get(struct request *r, struct err *err);
int on_fit_get(struct request *r, struct err *err);
int on_fit_publish(struct request *r, struct err *err);

/* Groups of the published fit: list, get one, name it; who is in which. */
extern const struct json_shape group_patch_shape;
int on_groups_get(struct request *r, struct err *err);
int on_group_get(struct request *r, struct err *err);
int on_group_patch(struct request *r, struct err *err);
int on_memberships_get(struct request *r, struct err *err);

/* Choosing among given responses under the published fit. */
extern const struct json_shape select_body_shape;
int on_select_post(struct request *r, struct err *err);

/* Win rates: answered from memory (true), or, when they are not there yet, by the handler. */
bool win_rates_from_memory(struct request *r);
int on_win_rates_get(struct request *r, struct err *err);

/* The language model that `member` of the body, or of what `pointer` leads to in it, names: ERR_UNKNOWN_REFERENCE,
 * ERR_INVALID_VALUE (it is a set of reward models) there. */
int refer_to_policy(struct request *r, struct str name_or_id, const char *pointer, const char *member,
                    struct uuid *ret, struct err *err);

/* The same of the member `policy`, which training begins from, and of `rewards`, a set of reward models. */
struct policy_reference;
int refer_to_base(struct request *r, struct str name_or_id, const char *pointer, struct policy_reference *ret,
                  struct err *err);
int refer_to_rewards(struct request *r, struct str name_or_id, const char *pointer, struct policy_reference *ret,
                     struct err *err);

/* The items of the member `items`, a list of ids, or those that the member `prompts`, a list of struct complete_prompt,
 * names: ERR_UNKNOWN_REFERENCE with a pointer, below `pointer`, to the first that is not in the project. */
int refer_to_items(struct request *r, const struct json_list *items, const char *pointer, struct err *err);
int refer_to_prompts(struct request *r, const struct json_list *prompts, const char *pointer, struct err *err);

/* Asks for a job of one kind: `options` is the struct of the kind's shape, read but not checked further; errors point
 * below `pointer`. *ret_created: false when the same was there already. */
typedef int ask_for_job(struct request *r, void *options, const char *pointer, struct uuid *ret_job, bool *ret_created,
                        struct err *err);
ask_for_job ask_for_fit, ask_for_register, ask_for_complete, ask_for_sft, ask_for_ppo, ask_for_rebase, ask_for_reward,
    ask_for_evaluate;

/* Jobs: ask for one, list, get one, cancel, start again, read or follow its log. */
extern const struct json_shape job_body_shape;
extern const char *const job_states[]; /* ended by NULL */
int on_jobs_post(struct request *r, struct err *err);
int on_jobs_get(struct request *r, struct err *err);
int on_job_get(struct request *r, struct err *err);
int on_job_cancel(struct request *r, struct err *err);
int on_job_retry(struct request *r, struct err *err);
int on_job_log(struct request *r, struct err *err);

/* A job as it goes: its figures step by step, its sample completions, and everything as server-sent events. */
int on_job_metrics(struct request *r, struct err *err);
int on_job_samples(struct request *r, struct err *err);
int on_job_events(struct request *r, struct err *err);

/* What happens in a project, as server-sent events that do not end. */
int on_events_get(struct request *r, struct err *err);

/* Policies: register one (by name of its folder), list, get one, delete it, have responses sampled from it. */
int on_policies_post(struct request *r, struct err *err);
int on_policies_get(struct request *r, struct err *err);
int on_policy_get(struct request *r, struct err *err);
int on_policy_delete(struct request *r, struct err *err);
int on_completions_post(struct request *r, struct err *err);

/* Evaluations: list, get one. Asking for one is asking for a job. */
int on_evaluations_get(struct request *r, struct err *err);
int on_evaluation_get(struct request *r, struct err *err);

/* Tokens: make one, list, revoke. */
extern const struct json_shape token_body_shape;
int on_tokens_post(struct request *r, struct err *err);
int on_tokens_get(struct request *r, struct err *err);
int on_token_delete(struct request *r, struct err *err);

/* The service itself, without a token: alive, ready, counters, version, description, pages. */
int on_healthz(struct request *r, struct err *err);
int on_readyz(struct request *r, struct err *err);
int on_metrics(struct request *r, struct err *err);
int on_version(struct request *r, struct err *err);
int on_openapi(struct request *r, struct err *err);
int on_index(struct request *r, struct err *err);
int on_page(struct request *r, struct err *err);

/* Answers 200 with a page of a list, which `body` holds ({items, next_cursor}); adds Link rel=next when there is more.
 * Takes the bytes over. */
int answer_page(struct request *r, struct buf *body, struct err *err);

/* Answers `status` with what a function of the store says of the thing whose id is in the path under `name`. */
typedef int one_of_project(struct pool *pool, const struct uuid *project, const struct uuid *id, struct buf *out,
                           struct err *err);
int answer_one(struct request *r, const char *name, int status, one_of_project *ask, struct err *err);

/* Answers 200 with the page of a list that the query asks for. */
typedef int list_of_project(struct pool *pool, const struct uuid *project, const struct page *page, struct buf *out,
                            struct err *err);
int answer_list(struct request *r, list_of_project *list, struct err *err);

/* Answers 200 with a stream that goes on behind `after`: see follow.h. `job`: NULL when the stream is of none. */
int answer_stream(struct request *r, enum follow_what what, const struct uuid *job, struct job_cursor after,
                  struct err *err);

/* Answers `status` with the document in `body`, or fails with err when `result` is negative. Takes the bytes over. */
int answer_json(struct request *r, int result, int status, struct buf *body);

#endif
