#include "store/project.h"

#include "api/projects.h"
#include "api/resource/resource.h"
#include "formats/fit_options.h"

struct project_body {
    struct json_seen seen;
    struct str name, title;
    int64_t after_comparisons, after_seconds;
    struct fit_settings fit_options;
};

enum { TITLE, AFTER_COMPARISONS, AFTER_SECONDS, FIT_OPTIONS, NAME };

#define SETTINGS                                                                                                       \
    [TITLE] = JSON_FIELD(STR, struct project_body, title, "title", .most = 200, .about = "What people see.",           \
                         .example = "\"Answers of the pilot\""),                                                       \
    [AFTER_COMPARISONS] = JSON_FIELD(INT, struct project_body, after_comparisons, "refit_after_comparisons",           \
                                     .least = 0, .most = 1000000000, .example = "1000",                                \
                                     .about = "Refit when this many comparisons are new; 0 is never."),                \
    [AFTER_SECONDS] = JSON_FIELD(INT, struct project_body, after_seconds, "refit_after_seconds", .least = 0,           \
                                 .most = 100000000, .example = "86400",                                                \
                                 .about = "Refit when this long has passed and something is new; 0 is never."),        \
    [FIT_OPTIONS] = JSON_FIELD_OBJECT(struct project_body, fit_options, "fit_options", &fit_settings_shape,            \
                                      .about = "Options of scheduled fits.", .example = "{\"k_max\":6}")

static const struct json_field patch_fields[] = {SETTINGS};
static const struct json_field body_fields[] = {
    SETTINGS,
    [NAME] = JSON_FIELD(STR, struct project_body, name, "name", .flags = JSON_REQUIRED, .least = 1, .most = 63,
                        .about = "The name in URLs: lower-case letters, digits and dashes; never changes.",
                        .example = "\"pilot\""),
};

const struct json_shape project_patch_shape =
    JSON_SHAPE(struct project_body, patch_fields, "ProjectSettings", "What can be changed of a project.");
const struct json_shape project_body_shape =
    JSON_SHAPE(struct project_body, body_fields, "NewProject", "A project to be made.");

/* What the body gives, as settings of the store; fit_options as text in *text, which the caller frees. */
static int settings_of(const struct project_body *b, struct buf *text, struct project_settings *ret, struct err *err)
{
    *ret = (struct project_settings){.refit_after_comparisons = -1, .refit_after_seconds = -1};
    if (json_has(&b->seen, TITLE))
        ret->title = b->title;
    if (json_has(&b->seen, AFTER_COMPARISONS))
        ret->refit_after_comparisons = b->after_comparisons;
    if (json_has(&b->seen, AFTER_SECONDS))
        ret->refit_after_seconds = b->after_seconds;
    if (!json_has(&b->seen, FIT_OPTIONS))
        return 0;
    if (fit_settings_check(&b->fit_options, "/fit_options", err) < 0)
        return -1;
    fit_settings_write(text, &b->fit_options);
    ret->fit_options = (struct str){text->data, text->length};
    return text->failed ? err_memory(err) : 0;
}

static bool name_fits(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (c != '-' || i == 0))
            return false;
    }
    return true;
}

int on_projects_post(struct request *r, struct err *err)
{
    const struct project_body *b = r->input;
    if (r->who.scoped)
        return err_set(err, ERR_FORBIDDEN, "the token opens one project only, so it cannot make another");
    if (!name_fits(b->name))
        return err_at(err, ERR_INVALID_VALUE, "/name", "lower-case letters, digits and dashes, no dash in front");
    struct project_settings settings;
    struct buf options = {0}, body = {0};
    bool created = false;
    int status = settings_of(b, &options, &settings, err);
    if (status == 0)
        status = project_create(r->api->pool, b->name, &settings, &created, &body, err);
    buf_free(&options);
    if (status == 0 && created)
        reply_field(&r->reply, "Location",
                    arena_printf(&r->arena, "/v1/projects/%.*s", (int)b->name.len, b->name.ptr));
    return answer_json(r, status, created ? 201 : 200, &body);
}

int on_projects_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct page page = request_page(r);
    if (project_list(r->api->pool, r->who.scoped ? &r->who.project : NULL, &page, &body, err) < 0)
        return answer_json(r, -1, 0, &body);
    return answer_page(r, &body, err);
}

int on_project_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    return answer_json(r, project_get(r->api->pool, &r->project, &body, err), 200, &body);
}

int on_project_patch(struct request *r, struct err *err)
{
    struct project_settings settings;
    struct buf options = {0}, body = {0};
    int status = settings_of(r->input, &options, &settings, err);
    if (status == 0)
        status = project_patch(r->api->pool, &r->project, &settings, &body, err);
    buf_free(&options);
    return answer_json(r, status, 200, &body);
}
