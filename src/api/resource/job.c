#include "store/job.h"

#include <stdio.h>
#include <string.h>

#include "api/resource/resource.h"
#include "formats/complete_options.h"
#include "formats/evaluate_options.h"
#include "formats/fit_options.h"
#include "formats/ppo_job_options.h"
#include "formats/register_options.h"
#include "formats/reward_options.h"
#include "formats/sft_options.h"

/* ---- asking for one ---- */

/* The one list of kinds: KIND(name, shape of its options, who asks for it). The names are those of enum job_kind. */
#define KINDS(KIND)                                                                                                    \
    KIND(fit, fit_settings_shape, ask_for_fit)                                                                         \
    KIND(register, register_options_shape, ask_for_register)                                                           \
    KIND(complete, complete_options_shape, ask_for_complete)                                                           \
    KIND(sft, sft_settings_shape, ask_for_sft)                                                                         \
    KIND(ppo, ppo_job_settings_shape, ask_for_ppo)                                                                     \
    KIND(rebase, rebase_settings_shape, ask_for_rebase)                                                                \
    KIND(reward, reward_settings_shape, ask_for_reward)                                                                \
    KIND(evaluate, evaluate_options_shape, ask_for_evaluate)

#define NAME(name, shape, ask) #name,
static const char *const kinds[] = {KINDS(NAME) NULL};
#undef NAME

#define ENTRY(name, shape, ask) {&(shape), ask},
static const struct {
    const struct json_shape *options;
    ask_for_job *ask;
} entries[] = {KINDS(ENTRY)};
#undef ENTRY

#define FORM(word, options_shape, ask) {.name = #word, .kind = JSON_KIND_OBJECT, .shape = &(options_shape)},
static const struct json_field forms[] = {KINDS(FORM)};
#undef FORM

struct job_body {
    struct json_seen seen;
    int kind;
    struct str options; /* read again by the shape of the kind */
};

const char *const job_states[] = {"queued", "running", "done", "failed", "cancelled", NULL};

static const struct json_field fields[] = {
    JSON_FIELD(ENUM, struct job_body, kind, "kind", .flags = JSON_REQUIRED, .names = kinds,
               .about = "What is to be done.", .example = "\"fit\""),
    JSON_FIELD(RAW, struct job_body, options, "options", .flags = JSON_RAW_OBJECT, .forms = forms,
               .form_count = sizeof forms / sizeof forms[0], .about = "Options of this kind of job.",
               .example = "{\"k_max\":6}"),
};

const struct json_shape job_body_shape = JSON_SHAPE(struct job_body, fields, "NewJob", "Work to be done.");

/* The options as the struct of their shape, in the request's arena. NULL with err, which points below /options. */
static void *read_options(struct request *r, const struct job_body *b, struct err *err)
{
    const struct json_shape *shape = entries[b->kind].options;
    struct str text = b->options.ptr ? b->options : (struct str)STR_LITERAL("{}");
    struct json_limits limits = {(int)r->api->config->max_json_depth, (size_t)r->api->config->max_text_bytes};
    char pointer[sizeof err->pointer];
    char *copy = arena_strndup(&r->arena, text.ptr, text.len); /* reading changes it */
    void *options = arena_zeroed(&r->arena, 1, shape->size);
    if (!copy || !options) {
        err_memory(err);
        return NULL;
    }
    if (json_read(copy, text.len, shape, &limits, options, &r->arena, err) == 0)
        return options;
    snprintf(pointer, sizeof pointer, "/options%.*s", (int)(sizeof pointer - 9), err->pointer);
    memcpy(err->pointer, pointer, sizeof pointer);
    return NULL;
}

int on_jobs_post(struct request *r, struct err *err)
{
    const struct job_body *b = r->input;
    struct buf body = {0};
    struct uuid job;
    bool created = false;
    char text[UUID_TEXT_SIZE];
    void *options = read_options(r, b, err);
    if (!options || entries[b->kind].ask(r, options, "/options", &job, &created, err) < 0)
        return -1;
    int status = job_get(r->api->pool, &r->project, &job, &body, err);
    if (status == 0)
        reply_field(&r->reply, "Location",
                    arena_printf(&r->arena, "/v1/projects/%s/jobs/%s", request_parameter(r, "project").ptr,
                                 uuid_format(&job, text)));
    return answer_json(r, status, created ? 202 : 200, &body);
}

/* ---- jobs there are ---- */

int on_jobs_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct page page = request_page(r);
    if (job_list(r->api->pool, &r->project, target_query(&r->target, "state").ptr, &page, &body, err) < 0)
        return answer_json(r, -1, 0, &body);
    return answer_page(r, &body, err);
}

int on_job_get(struct request *r, struct err *err)
{
    return answer_one(r, "job", 200, job_get, err);
}

int on_job_cancel(struct request *r, struct err *err)
{
    return answer_one(r, "job", 200, job_cancel, err);
}

int on_job_retry(struct request *r, struct err *err)
{
    return answer_one(r, "job", 202, job_retry, err);
}

int on_job_log(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct uuid job;
    struct page page = request_page(r);
    int64_t after = 0;
    if (request_uuid(r, "job", &job, err) < 0)
        return -1;
    if (page.cursor.ptr && (!str_to_int64(page.cursor, &after) || after < 0))
        return err_set(err, ERR_INVALID_REQUEST, "the cursor of a log is the number of a line");
    bool follow = request_asks(r, "follow");
    if (job_log(r->api->pool, &r->project, &job, after, follow ? 1 : page.limit, &body, NULL, NULL, err) < 0)
        return answer_json(r, -1, 0, &body);
    if (!follow)
        return answer_page(r, &body, err);
    buf_free(&body);
    return answer_stream(r, FOLLOW_LOG, &job, (struct job_cursor){.line = after}, err);
}

/* ---- as it goes ---- */

/* Where a page begins: behind the cursor, else behind all of the step `after`, else (-1) at the start. `scale` makes a
 * position of a step. */
static int position(struct request *r, int64_t (*scale)(int64_t step), int64_t *ret, struct err *err)
{
    struct page page = request_page(r);
    struct str after = target_query(&r->target, "after");
    *ret = -1;
    if (page.cursor.ptr && (!str_to_int64(page.cursor, ret) || *ret < 0 || *ret > JOB_SAMPLE_POSITION(INT32_MAX)))
        return err_set(err, ERR_INVALID_REQUEST, "the cursor is none that was given out here");
    if (!page.cursor.ptr && after.ptr && str_to_int64(after, ret))
        *ret = scale(*ret);
    return 0;
}

static int64_t step_itself(int64_t step)
{
    return step;
}

static int64_t behind_samples(int64_t step)
{
    return JOB_SAMPLE_POSITION(step);
}

int on_job_metrics(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct uuid job;
    int64_t after;
    if (request_uuid(r, "job", &job, err) < 0 || position(r, step_itself, &after, err) < 0)
        return -1;
    if (after > INT32_MAX)
        return err_set(err, ERR_INVALID_REQUEST, "the cursor is none that was given out here");
    if (job_metrics(r->api->pool, &r->project, &job, after, request_page(r).limit, &body, err) < 0)
        return answer_json(r, -1, 0, &body);
    return answer_page(r, &body, err);
}

int on_job_samples(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct uuid job;
    int64_t behind;
    if (request_uuid(r, "job", &job, err) < 0 || position(r, behind_samples, &behind, err) < 0)
        return -1;
    if (job_samples(r->api->pool, &r->project, &job, behind, request_page(r).limit, &body, err) < 0)
        return answer_json(r, -1, 0, &body);
    return answer_page(r, &body, err);
}

/* Whether something is or may be to come behind a cursor. */
static void look_ahead(void *context, const struct job_event *e)
{
    bool *more = context;
    *more |= e->kind != JOB_EVENT_STATE || !e->ended;
}

int on_job_events(struct request *r, struct err *err)
{
    struct uuid job;
    struct job_cursor cursor = {.step = -1};
    const char *last = request_header(r, "Last-Event-ID");
    bool more = false;
    if (request_uuid(r, "job", &job, err) < 0)
        return -1;
    if (last && !follow_cursor(str_of(last), &cursor))
        return err_set(err, ERR_INVALID_REQUEST, "Last-Event-ID is none that was given out here");
    if (job_events(r->api->pool, &r->project, &job, cursor, 1, look_ahead, &more, err) < 0)
        return -1;
    if (last && !more) { /* tells a browser to come back no more */
        reply_empty(&r->reply, 204);
        return 0;
    }
    return answer_stream(r, FOLLOW_EVENTS, &job, cursor, err);
}
