/* The table of operations: the one place where a path, its method, its role and its handler meet. */
#include "api/route.h"

#include "api/resource/resource.h"
#include "formats/complete_options.h"
#include "formats/fit_options.h"
#include "formats/record.h"
#include "formats/register_options.h"
#include "store/page.h"
#include "store/policy.h"

#define PAGE_PARAMETERS                                                                                                \
    {"limit", QUERY_INT, 1, PAGE_LIMIT_MOST, NULL, "Most elements of the page; 100 when absent."},                     \
    {"cursor", QUERY_TEXT, 1, 512, NULL, "The `next_cursor` of the page before."}
#define INLINE_PARAMETER {"inline", QUERY_BOOL, 0, 0, NULL, "Whether prompt and responses come along as texts."}

static const char *const error_modes[] = {"reject", "skip", NULL};

static const struct query_parameter page_query[] = {PAGE_PARAMETERS, {0}};
static const struct query_parameter inline_query[] = {INLINE_PARAMETER, {0}};
static const struct query_parameter inline_page_query[] = {INLINE_PARAMETER, PAGE_PARAMETERS, {0}};
static const struct query_parameter jobs_query[] = {
    {"state", QUERY_CHOICE, 0, 0, job_states, "Only jobs in this state."}, PAGE_PARAMETERS, {0}};
static const struct query_parameter policies_query[] = {
    {"role", QUERY_CHOICE, 0, 0, policy_roles, "Only language models (`policy`) or sets of reward models (`reward`)."},
    PAGE_PARAMETERS,
    {0}};
static const struct query_parameter log_query[] = {
    {"follow", QUERY_BOOL, 0, 0, NULL, "Whether to go on until the job ends, as NDJSON."}, PAGE_PARAMETERS, {0}};
static const struct query_parameter series_query[] = {
    {"after", QUERY_INT, 0, INT32_MAX, NULL, "Only what comes after this step."}, PAGE_PARAMETERS, {0}};
static const struct query_parameter events_query[] = {
    {"after", QUERY_INT, 0, INT64_C(1) << 53, NULL,
     "Only what comes after the event of this number; 0: all there ever was. Without it, and without a Last-Event-ID, "
     "what happens from now on."},
    {0}};
static const struct query_parameter batch_query[] = {
    {"on_error", QUERY_CHOICE, 0, 0, error_modes,
     "What an unacceptable line of an NDJSON stream does: `reject` (default) the whole stream, `skip` that line only."},
    {0}};

#define PROJECT "/v1/projects/{project}"
#define COMPARISON_EXAMPLE                                                                                             \
    "{\"annotator\":\"p-17\",\"prompt\":\"Why is the sky blue?\",\"a\":{\"text\":\"Because of scattering.\","          \
    "\"policy\":\"tulu-2-7b\"},\"b\":{\"text\":\"It reflects the sea.\",\"policy\":\"gpt2\"},\"outcome\":\"a\","       \
    "\"strength\":2,\"reasons\":[\"correct\"]}"

#define ANSWERS(...) .answers = {__VA_ARGS__}
#define BATCH_REJECTED {422, "Problem", "Not acceptable; of a stream, `errors` lists the lines, and nothing is stored."}

const struct route routes[] = {
    {"GET", "/healthz", "getHealth", ROUTE_PUBLIC, ROUTE_HERE, .summary = "Whether the process is alive.",
     ANSWERS({200, "Status", "It is."}), .handle = on_healthz},
    {"GET", "/readyz", "getReadiness", ROUTE_PUBLIC, ROUTE_HERE, .summary = "Whether it can do its work.",
     ANSWERS({200, "Status", "It can."}, {503, "Problem", "The database does not answer, or the daemon is stopping."}),
     .handle = on_readyz},
    {"GET", "/metrics", "getMetrics", ROUTE_PUBLIC, ROUTE_HERE, .summary = "Counters, in the Prometheus text format.",
     ANSWERS({200, "text/plain", "The counters."}), .handle = on_metrics},
    {"GET", "/version", "getVersion", ROUTE_PUBLIC, ROUTE_HERE, .summary = "Version and revision of the program.",
     ANSWERS({200, "Version", "They are these."}), .handle = on_version},
    {"GET", "/openapi.json", "getOpenapi", ROUTE_PUBLIC, ROUTE_HERE | ROUTE_CONDITIONAL, .summary = "This document.",
     ANSWERS({200, "application/json", "An OpenAPI 3.1 document."}), .handle = on_openapi},
    {"GET", "/", "getIndex", ROUTE_PUBLIC, ROUTE_HERE | ROUTE_CONDITIONAL, .summary = "The page for people.",
     ANSWERS({200, "text/html", "The page."}), .handle = on_index},
    {"GET", "/web/{file...}", "getPageFile", ROUTE_PUBLIC, ROUTE_HERE | ROUTE_CONDITIONAL,
     .summary = "A file of the pages.", ANSWERS({200, "*/*", "The file."}), .handle = on_page},

    {"POST", "/v1/projects", "createProject", ROLE_ADMIN, .body = &project_body_shape,
     .summary = "Make a project, or find the same one.",
     .example = "{\"name\":\"pilot\",\"title\":\"Answers of the pilot\"}",
     ANSWERS({201, "Project", "It is made."}, {200, "Project", "It was there, with the same settings."},
             {409, "Problem", "It is there with other settings."}),
     .handle = on_projects_post},
    {"GET", "/v1/projects", "listProjects", ROLE_VIEWER, .query = page_query,
     .summary = "The projects that the token opens, by name.", ANSWERS({200, "ProjectPage", "A page."}),
     .handle = on_projects_get},
    {"GET", PROJECT, "getProject", ROLE_VIEWER, .summary = "A project.", ANSWERS({200, "Project", "The project."}),
     .handle = on_project_get},
    {"PATCH", PROJECT, "changeProject", ROLE_OPERATOR, .body = &project_patch_shape,
     .summary = "Change the settings that are given.", .example = "{\"refit_after_comparisons\":1000}",
     ANSWERS({200, "Project", "The project as it is now."}), .handle = on_project_patch},

    {"POST", PROJECT "/items", "createItem", ROLE_OPERATOR, .body = &item_body_shape,
     .summary = "Store a prompt with candidate responses.",
     .example = "{\"prompt\":\"Why is the sky blue?\",\"responses\":[{\"text\":\"Because of scattering.\"}]}",
     ANSWERS({201, "Item", "It is new."}, {200, "Item", "It was there; new responses are added."}),
     .handle = on_items_post},
    {"GET", PROJECT "/items", "listItems", ROLE_VIEWER, .query = page_query, .summary = "Items with their responses.",
     ANSWERS({200, "ItemPage", "A page."}), .handle = on_items_get},
    {"GET", PROJECT "/items/{item}", "getItem", ROLE_ANNOTATOR, .summary = "An item with its responses.",
     ANSWERS({200, "Item", "The item."}), .handle = on_item_get},

    {"GET", PROJECT "/annotators", "listAnnotators", ROLE_OPERATOR, .query = page_query,
     .summary = "Annotators with their counts.", ANSWERS({200, "AnnotatorPage", "A page."}),
     .handle = on_annotators_get},
    {"GET", PROJECT "/annotators/{annotator}", "getAnnotator", ROLE_OPERATOR, .summary = "An annotator with counts.",
     ANSWERS({200, "Annotator", "The annotator."}), .handle = on_annotator_get},

    {"PUT", PROJECT "/comparisons/{comparison}", "putComparison", ROLE_ANNOTATOR, ROUTE_LATER, .body = &record_shape,
     .summary = "Record a judgement under an id of the client.", .example = COMPARISON_EXAMPLE,
     ANSWERS({201, "Acknowledgement", "Committed."}, {200, "Acknowledgement", "The same was committed before."},
             {409, "Problem", "The id was used with another body."}),
     .handle = on_comparison_put},
    {"POST", PROJECT "/comparisons", "postComparison", ROLE_ANNOTATOR, ROUTE_LATER | ROUTE_NDJSON | ROUTE_IDEMPOTENT,
     .body = &record_shape, .query = batch_query,
     .summary = "Record a judgement, or a stream of them as NDJSON, of any length.", .example = COMPARISON_EXAMPLE,
     ANSWERS({201, "Acknowledgement/BatchReport", "Committed."},
             {200, "Acknowledgement/BatchReport", "The same was committed before; or a stream with `on_error=skip`."},
             {409, "Problem", "The id or key was used with another body."}, BATCH_REJECTED),
     .handle = on_comparisons_post},
    {"GET", PROJECT "/comparisons", "listComparisons", ROLE_OPERATOR, .query = inline_page_query,
     .summary = "Judgements in order of arrival.", ANSWERS({200, "ComparisonPage", "A page."}),
     .handle = on_comparisons_get},
    {"GET", PROJECT "/comparisons/{comparison}", "getComparison", ROLE_OPERATOR, .query = inline_query,
     .summary = "A judgement.", ANSWERS({200, "RecordedComparison", "The judgement."}), .handle = on_comparison_get},
    {"POST", PROJECT "/comparisons/{comparison}/undo", "undoComparison", ROLE_ANNOTATOR,
     .summary = "Undo a judgement: it stays stored and no longer counts.",
     ANSWERS({200, "RecordedComparison", "It is undone."}), .handle = on_comparison_undo},

    {"POST", PROJECT "/fits", "createFit", ROLE_OPERATOR, ROUTE_BODY_OPTIONAL | ROUTE_TRACED,
     .body = &fit_settings_shape, .summary = "Find the groups anew.", .example = "{\"k_max\":6,\"seed\":7}",
     ANSWERS({202, "Fit", "A job will make it."}, {200, "Fit", "The same inputs have a fit."},
             {409, "Problem", "The policy of its encoder is not there or not ready."}),
     .handle = on_fits_post},
    {"GET", PROJECT "/fits", "listFits", ROLE_VIEWER, .query = page_query, .summary = "Fits, newest first.",
     ANSWERS({200, "FitPage", "A page."}), .handle = on_fits_get},
    {"GET", PROJECT "/fits/{fit}", "getFit", ROLE_VIEWER, .summary = "A fit with its evidence and groups.",
     ANSWERS({200, "Fit", "The fit."}), .handle = on_fit_get},
    {"POST", PROJECT "/fits/{fit}/publish", "publishFit", ROLE_OPERATOR,
     .summary = "Make an earlier fit the published one again.",
     ANSWERS({200, "Fit", "It is published."}, {409, "Problem", "It has no results."}), .handle = on_fit_publish},

    {"GET", PROJECT "/groups", "listGroups", ROLE_VIEWER, .summary = "The groups of the published fit.",
     ANSWERS({200, "GroupList", "The groups; none before the first fit."}), .handle = on_groups_get},
    {"GET", PROJECT "/groups/{group}", "getGroup", ROLE_VIEWER, .summary = "A group of the published fit.",
     ANSWERS({200, "Group", "The group."}), .handle = on_group_get},
    {"PATCH", PROJECT "/groups/{group}", "nameGroup", ROLE_OPERATOR, .body = &group_patch_shape,
     .summary = "Name a group.", .example = "{\"name\":\"Short and plain\"}",
     ANSWERS({200, "Group", "The group as it is now."}), .handle = on_group_patch},
    {"GET", PROJECT "/memberships", "listMemberships", ROLE_OPERATOR, .query = page_query,
     .summary = "Which group each annotator is in.", ANSWERS({200, "MembershipPage", "A page."}),
     .handle = on_memberships_get},
    {"GET", PROJECT "/win-rates", "getWinRates", ROLE_VIEWER, ROUTE_CONDITIONAL,
     .summary = "How each group fares; made to be polled.", ANSWERS({200, "WinRates", "The document."}),
     .from_memory = win_rates_from_memory, .handle = on_win_rates_get},

    {"POST", PROJECT "/select", "selectResponse", ROLE_VIEWER, .body = &select_body_shape,
     .summary = "Choose among given responses by what the groups of the published fit think of them.",
     .example = "{\"prompt\":\"Why is the sky blue?\",\"responses\":[\"Because of scattering.\",\"It reflects the "
                "sea.\"],\"objective\":\"maxmin\",\"beta\":0.5,\"seed\":7}",
     ANSWERS({200, "Selection", "The choice."},
             {409, "Problem", "No fit is published, it scores with a language model, or its groups are too small."}),
     .handle = on_select_post},

    {"POST", PROJECT "/jobs", "createJob", ROLE_OPERATOR, ROUTE_TRACED, .body = &job_body_shape,
     .summary = "Have work done.", .example = "{\"kind\":\"fit\",\"options\":{\"k_max\":6}}",
     ANSWERS({202, "Job", "It is queued."}, {200, "Job", "The same inputs have a job."},
             {409, "Problem", "What it needs is not ready, or the name of its policy is taken."}),
     .handle = on_jobs_post},
    {"GET", PROJECT "/jobs", "listJobs", ROLE_VIEWER, .query = jobs_query, .summary = "Jobs, newest first.",
     ANSWERS({200, "JobPage", "A page."}), .handle = on_jobs_get},
    {"GET", PROJECT "/jobs/{job}", "getJob", ROLE_VIEWER, .summary = "A job: state, progress, attempts.",
     ANSWERS({200, "Job", "The job."}), .handle = on_job_get},
    {"POST", PROJECT "/jobs/{job}/cancel", "cancelJob", ROLE_OPERATOR, .summary = "Ask for a job's end.",
     ANSWERS({200, "Job", "It ends as soon as its worker looks."}, {409, "Problem", "It has ended."}),
     .handle = on_job_cancel},
    {"POST", PROJECT "/jobs/{job}/retry", "retryJob", ROLE_OPERATOR,
     .summary = "Queue a failed or cancelled job again.",
     ANSWERS({202, "Job", "It is queued."}, {409, "Problem", "It is neither failed nor cancelled."}),
     .handle = on_job_retry},
    {"GET", PROJECT "/jobs/{job}/log", "getJobLog", ROLE_VIEWER, ROUTE_FOLLOWED, .query = log_query,
     .summary = "What a job said.",
     ANSWERS({200, "LogPage", "A page; with `follow=true` a stream of lines."}), .handle = on_job_log},
    {"GET", PROJECT "/jobs/{job}/metrics", "getJobMetrics", ROLE_VIEWER, .query = series_query,
     .summary = "The figures of a training job, step by step.", ANSWERS({200, "MetricPage", "A page."}),
     .handle = on_job_metrics},
    {"GET", PROJECT "/jobs/{job}/samples", "getJobSamples", ROLE_VIEWER, .query = series_query,
     .summary = "Completions that a training job showed on its way.", ANSWERS({200, "SamplePage", "A page."}),
     .handle = on_job_samples},
    {"GET", PROJECT "/jobs/{job}/events", "followJob", ROLE_VIEWER, ROUTE_RESUMED,
     .summary = "Log, figures and state of a job as server-sent events, until it ends.",
     ANSWERS({200, "text/event-stream", "Events `log`, `metrics` and `state`, their data as in the pages and the job."},
             {204, "", "The job has ended and nothing follows the Last-Event-ID."}),
     .handle = on_job_events},

    {"GET", PROJECT "/events", "followProject", ROLE_VIEWER, ROUTE_RESUMED, .query = events_query,
     .summary = "What happens in a project as server-sent events, without an end.",
     ANSWERS({200, "text/event-stream",
              "Events `job`, `fit`, `group` and `evaluation`, numbered without gaps; a comment every 15 s."}),
     .handle = on_events_get},

    {"POST", PROJECT "/policies", "createPolicy", ROLE_ADMIN, ROUTE_TRACED, .body = &register_options_shape,
     .summary = "Register a checkpoint directory as a policy; a job reads and checks it.",
     .example = "{\"name\":\"gpt2-sft\",\"folder\":\"/var/lib/egalign/models/imported/gpt2-sft\"}",
     ANSWERS({202, "Policy", "A job will make it ready."}, {200, "Policy", "The same was asked for before."},
             {409, "Problem", "The name is taken; names are not given again."}),
     .handle = on_policies_post},
    {"GET", PROJECT "/policies", "listPolicies", ROLE_VIEWER, .query = policies_query,
     .summary = "Policies, newest first; deleted ones too.", ANSWERS({200, "PolicyPage", "A page."}),
     .handle = on_policies_get},
    {"GET", PROJECT "/policies/{policy}", "getPolicy", ROLE_VIEWER, .summary = "A policy, by name or id.",
     ANSWERS({200, "Policy", "The policy."}), .handle = on_policy_get},
    {"DELETE", PROJECT "/policies/{policy}", "deletePolicy", ROLE_ADMIN,
     .summary = "Delete a policy; its responses keep its name. Files go only if a job of the service made them.",
     ANSWERS({204, "", "It is deleted."}, {409, "Problem", "Something uses it; the detail says what."}),
     .handle = on_policy_delete},
    {"POST", PROJECT "/policies/{policy}/completions", "createCompletions", ROLE_OPERATOR, ROUTE_TRACED,
     .body = &complete_body_shape,
     .summary = "Have responses sampled from a policy and stored as candidates of items.",
     .example = "{\"prompts\":[\"Why is the sky blue?\"],\"samples\":4,\"max_tokens\":128,\"temperature\":0.8}",
     ANSWERS({202, "Job", "It is queued; the items have the responses when it is done."},
             {409, "Problem", "The policy is not ready, was deleted, or is a set of reward models."}),
     .handle = on_completions_post},
    {"GET", PROJECT "/evaluations", "listEvaluations", ROLE_VIEWER, .query = page_query,
     .summary = "Evaluations, newest first.", ANSWERS({200, "EvaluationPage", "A page."}),
     .handle = on_evaluations_get},
    {"GET", PROJECT "/evaluations/{evaluation}", "getEvaluation", ROLE_VIEWER,
     .summary = "How the groups judge one policy against another.", ANSWERS({200, "Evaluation", "The evaluation."}),
     .handle = on_evaluation_get},

    {"POST", "/v1/tokens", "createToken", ROLE_ADMIN, .body = &token_body_shape,
     .summary = "Make a token; it is shown this once.",
     .example = "{\"role\":\"annotator\",\"name\":\"frontend of the pilot\"}",
     ANSWERS({201, "CreatedToken", "It works from now on."}, {403, "Problem", "The role, or the scope, is too small."}),
     .handle = on_tokens_post},
    {"GET", "/v1/tokens", "listTokens", ROLE_ADMIN, .query = page_query,
     .summary = "All tokens, without their secrets.",
     ANSWERS({200, "TokenPage", "A page."}), .handle = on_tokens_get},
    {"DELETE", "/v1/tokens/{token}", "revokeToken", ROLE_ADMIN, .summary = "Revoke a token.",
     ANSWERS({204, "", "It no longer works."}), .handle = on_token_delete},
};

const size_t route_count = sizeof routes / sizeof routes[0];
