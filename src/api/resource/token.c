#include "store/token.h"

#include <string.h>

#include "api/admission.h"
#include "api/resource/resource.h"

struct token_body {
    struct json_seen seen;
    int role;
    struct str name, project;
    int64_t expires_at;
};

enum { ROLE, NAME, PROJECT, EXPIRES_AT };

static const char *const roles[] = {"annotator", "viewer", "operator", "admin", NULL};

static const struct json_field fields[] = {
    [ROLE] = JSON_FIELD(ENUM, struct token_body, role, "role", .flags = JSON_REQUIRED, .names = roles,
                        .about = "What the token may do; each role may do what those before it may.",
                        .example = "\"annotator\""),
    [NAME] = JSON_FIELD(STR, struct token_body, name, "name", .flags = JSON_REQUIRED, .least = 1, .most = 200,
                        .about = "What the token is for.", .example = "\"frontend of the pilot\""),
    [PROJECT] =
        JSON_FIELD(STR, struct token_body, project, "project", .flags = JSON_NULLABLE, .most = 63,
                   .about = "The only project that it opens; absent or null opens all.", .example = "\"pilot\""),
    [EXPIRES_AT] =
        JSON_FIELD(TIME, struct token_body, expires_at, "expires_at", .flags = JSON_NULLABLE,
                   .about = "When it stops working; absent or null is never.", .example = "\"2036-03-01T00:00:00Z\""),
};

const struct json_shape token_body_shape = JSON_SHAPE(struct token_body, fields, "NewToken", "A token to be made.");

static int project_of(struct request *r, const struct token_body *b, struct uuid *ret, struct err *err)
{
    if (admit_named_project(r->api, &r->who, b->project, ret, err) == 0)
        return 0;
    if (err->code == ERR_NOT_FOUND)
        return err_at(err, ERR_UNKNOWN_REFERENCE, "/project",
                      "there is no such project, or the token does not open it");
    return -1;
}

/* Puts the token itself into the document of it, as its first member. */
static void insert_token(struct buf *out, const char *token, const struct buf *document)
{
    buf_printf(out, "{\"token\":\"%s\",", token);
    if (document->length > 1)
        buf_add(out, document->data + 1, document->length - 1);
}

int on_tokens_post(struct request *r, struct err *err)
{
    const struct token_body *b = r->input;
    struct uuid project;
    bool scoped = json_has(&b->seen, PROJECT);
    if (scoped && project_of(r, b, &project, err) < 0)
        return -1;
    if (!scoped && r->who.scoped)
        return err_set(err, ERR_FORBIDDEN, "the token opens one project only, so it cannot make one that opens all");
    char text[TOKEN_TEXT_SIZE];
    struct buf document = {0}, body = {0};
    int status = token_create(r->api->pool, scoped ? &project : NULL, (enum role)b->role, b->name,
                              json_has(&b->seen, EXPIRES_AT) ? &b->expires_at : NULL, text, &document, err);
    if (status == 0) {
        insert_token(&body, text, &document);
        memset(text, 0, sizeof text);
        status = tokens_reload(r->api->tokens, r->api->pool, err);
    }
    buf_free(&document);
    return answer_json(r, status, 201, &body);
}

static int refuse_scoped(const struct request *r, struct err *err)
{
    if (r->who.scoped)
        return err_set(err, ERR_FORBIDDEN, "the token opens one project only; tokens belong to all of them");
    return 0;
}

int on_tokens_get(struct request *r, struct err *err)
{
    struct buf body = {0};
    struct page page = request_page(r);
    if (refuse_scoped(r, err) < 0 || token_list(r->api->pool, &page, &body, err) < 0)
        return answer_json(r, -1, 0, &body);
    return answer_page(r, &body, err);
}

int on_token_delete(struct request *r, struct err *err)
{
    struct uuid token;
    if (refuse_scoped(r, err) < 0 || request_uuid(r, "token", &token, err) < 0 ||
        token_revoke(r->api->pool, &token, err) < 0 || tokens_reload(r->api->tokens, r->api->pool, err) < 0)
        return -1;
    reply_empty(&r->reply, 204);
    return 0;
}
