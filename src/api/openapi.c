#include "api/openapi.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "api/route.h"
#include "api/schema.h"
#include "base/json_text.h"
#include "base/version.h"
#include "store/token.h"

static void open_member(struct buf *out, const char *key, char bracket)
{
    json_key(out, key);
    json_open(out, bracket);
}

/* "application/json": {"schema": {"$ref": ...}}; several schemas are separated by '/'. */
static void put_media(struct buf *out, const char *media, const char *schema)
{
    open_member(out, media, '{');
    open_member(out, "schema", '{');
    if (schema) {
        bool several = strchr(schema, '/');
        if (several)
            open_member(out, "anyOf", '[');
        for (const char *at = schema; *at; at += strspn(at, "/")) {
            size_t length = strcspn(at, "/");
            if (several)
                json_open(out, '{');
            char reference[96];
            snprintf(reference, sizeof reference, "#/components/schemas/%.*s", (int)length, at);
            json_member_text(out, "$ref", reference);
            if (several)
                json_close(out, '}');
            at += length;
        }
        if (several)
            json_close(out, ']');
    }
    json_close(out, '}');
    json_close(out, '}');
}

/* NDJSON is of any schema, for a schema cannot describe lines; `about` says of what, `example` (may be NULL) shows one.
 */
static void put_ndjson(struct buf *out, const char *about, const char *example)
{
    open_member(out, "application/x-ndjson", '{');
    open_member(out, "schema", '{');
    json_member_text(out, "type", "string");
    json_member_text(out, "description", about);
    json_close(out, '}');
    if (example)
        json_member_text(out, "example", example);
    json_close(out, '}');
}

/* `schema` is the name of one, or of several, or a media type, or "" for no body. */
static void put_answer(struct buf *out, const char *status, const char *schema, const char *about, bool followed)
{
    open_member(out, status, '{');
    json_member_text(out, "description", about);
    if (*schema) {
        bool media = islower((unsigned char)*schema) || strcmp(schema, "*/*") == 0;
        bool problem = strcmp(schema, "Problem") == 0;
        open_member(out, "content", '{');
        if (media)
            put_media(out, schema, NULL);
        else
            put_media(out, problem ? "application/problem+json" : "application/json", schema);
        if (followed)
            put_ndjson(out, "With `follow=true`: an element of the page a line, and now and then a blank one.", NULL);
        json_close(out, '}');
    }
    json_close(out, '}');
}

static bool has_answer(const struct route *r, int status)
{
    for (int i = 0; i < ROUTE_ANSWERS; i++)
        if (r->answers[i].status == status)
            return true;
    return false;
}

static void put_error(struct buf *out, const struct route *r, bool applies, int status, const char *about)
{
    char text[8];
    snprintf(text, sizeof text, "%d", status);
    if (applies && !has_answer(r, status))
        put_answer(out, text, "Problem", about, false);
}

static void put_answers(struct buf *out, const struct route *r)
{
    char text[8];
    open_member(out, "responses", '{');
    for (int i = 0; i < ROUTE_ANSWERS && r->answers[i].status; i++) {
        snprintf(text, sizeof text, "%d", r->answers[i].status);
        put_answer(out, text, r->answers[i].schema, r->answers[i].about, i == 0 && r->flags & ROUTE_FOLLOWED);
    }
    bool bearer = r->role != ROUTE_PUBLIC;
    if (r->flags & ROUTE_CONDITIONAL)
        put_answer(out, "304", "", "Unchanged: the ETag is the one that the client has.", false);
    put_error(out, r, true, 400, "The query, a header or the syntax of the body is not acceptable.");
    put_error(out, r, bearer, 401, "A valid token is needed.");
    put_error(out, r, r->role > ROLE_ANNOTATOR, 403, "The token's role is too low.");
    put_error(out, r, strchr(r->path, '{'), 404, "There is no such thing, or the token does not open it.");
    put_error(out, r, r->body, 413, "The body is too large.");
    put_error(out, r, r->body, 415, "The media type is not supported.");
    put_error(out, r, r->body, 422, "A member is missing, unknown or not acceptable.");
    put_error(out, r, bearer, 429, "The token has made too many requests.");
    put_error(out, r, bearer, 503, "The database does not answer, or too much is queued; see Retry-After.");
    put_answer(out, "default", "Problem", "Anything else that went wrong.", false);
    json_close(out, '}');
}

/* `schema` is JSON text. */
static void put_parameter(struct buf *out, const char *in, struct str name, const char *schema, const char *about)
{
    json_open(out, '{');
    json_member_text(out, "in", in);
    json_member_str(out, "name", name);
    json_member_bool(out, "required", strcmp(in, "path") == 0);
    if (about)
        json_member_text(out, "description", about);
    json_key(out, "schema");
    json_put_raw(out, str_of(schema));
    json_close(out, '}');
}

static void put_path_parameters(struct buf *out, const struct route *r)
{
    for (const char *at = r->path; (at = strchr(at, '{'));) {
        struct str name = {at + 1, strcspn(at + 1, ".}")};
        bool text = str_is(name, "project") || str_is(name, "file");
        put_parameter(out, "path", name, text ? "{\"type\":\"string\"}" : "{\"type\":\"string\",\"format\":\"uuid\"}",
                      NULL);
        at++;
    }
}

static void put_query_parameter(struct buf *out, const struct query_parameter *p)
{
    char schema[256];
    switch (p->kind) {
    case QUERY_INT:
        snprintf(schema, sizeof schema, "{\"type\":\"integer\",\"minimum\":%ld,\"maximum\":%ld}", p->least, p->most);
        break;
    case QUERY_BOOL:
        snprintf(schema, sizeof schema, "{\"type\":\"boolean\"}");
        break;
    case QUERY_TEXT:
        snprintf(schema, sizeof schema, "{\"type\":\"string\",\"minLength\":%ld,\"maxLength\":%ld}", p->least, p->most);
        break;
    case QUERY_CHOICE: {
        int n = snprintf(schema, sizeof schema, "{\"enum\":[");
        for (int i = 0; p->choices[i]; i++)
            n += snprintf(schema + n, sizeof schema - (size_t)n, "%s\"%s\"", i ? "," : "", p->choices[i]);
        snprintf(schema + n, sizeof schema - (size_t)n, "]}");
    }
    }
    put_parameter(out, "query", str_of(p->name), schema, p->about);
}

static void put_parameters(struct buf *out, const struct route *r)
{
    open_member(out, "parameters", '[');
    put_path_parameters(out, r);
    for (const struct query_parameter *p = r->query; p && p->name; p++)
        put_query_parameter(out, p);
    if (r->flags & ROUTE_IDEMPOTENT)
        put_parameter(out, "header", str_of("Idempotency-Key"),
                      "{\"type\":\"string\",\"minLength\":1,\"maxLength\":255}",
                      "The same key gives the same comparison, however often it is sent.");
    if (r->flags & ROUTE_CONDITIONAL)
        put_parameter(out, "header", str_of("If-None-Match"), "{\"type\":\"string\"}", "The ETag that the client has.");
    if (r->flags & ROUTE_RESUMED)
        put_parameter(out, "header", str_of("Last-Event-ID"), "{\"type\":\"string\"}",
                      "The id of the last event that the client has.");
    if (r->flags & ROUTE_TRACED)
        put_parameter(out, "header", str_of("traceparent"), "{\"type\":\"string\"}",
                      "W3C trace context; goes along with the job.");
    json_close(out, ']');
}

static void put_body(struct buf *out, const struct route *r, const struct json_limits *limits)
{
    struct buf schema = {0};
    json_schema(&schema, r->body, limits);
    open_member(out, "requestBody", '{');
    json_member_bool(out, "required", !(r->flags & ROUTE_BODY_OPTIONAL));
    open_member(out, "content", '{');
    open_member(out, "application/json", '{');
    json_key(out, "schema");
    json_put_raw(out, (struct str){schema.data, schema.length});
    json_key(out, "example");
    json_put_raw(out, str_of(r->example));
    json_close(out, '}');
    if (r->flags & ROUTE_NDJSON)
        put_ndjson(out, "One document of the JSON form a line.", r->example);
    json_close(out, '}');
    json_close(out, '}');
    out->failed |= schema.failed;
    buf_free(&schema);
}

static void put_operation(struct buf *out, const struct route *r, const struct json_limits *limits)
{
    char method[8] = "";
    for (size_t i = 0; r->method[i] && i + 1 < sizeof method; i++)
        method[i] = (char)tolower((unsigned char)r->method[i]);
    open_member(out, method, '{');
    json_member_text(out, "operationId", r->id);
    json_member_text(out, "summary", r->summary);
    open_member(out, "security", '[');
    if (r->role != ROUTE_PUBLIC) {
        json_open(out, '{');
        open_member(out, "bearer", '[');
        json_close(out, ']');
        json_close(out, '}');
    }
    json_close(out, ']');
    if (r->role != ROUTE_PUBLIC)
        json_member_text(out, "x-least-role", role_name((enum role)r->role));
    put_parameters(out, r);
    if (r->body)
        put_body(out, r, limits);
    put_answers(out, r);
    json_close(out, '}');
}

/* "{file...}" is written "{file}". */
static void open_path(struct buf *out, const char *path)
{
    char plain[128];
    snprintf(plain, sizeof plain, "%s", path);
    char *dots = strstr(plain, "...}");
    if (dots)
        strcpy(dots, "}");
    open_member(out, plain, '{');
}

static bool seen_before(size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(routes[i].path, routes[at].path) == 0)
            return true;
    return false;
}

static void put_paths(struct buf *out, const struct json_limits *limits)
{
    open_member(out, "paths", '{');
    for (size_t i = 0; i < route_count; i++) {
        if (seen_before(i))
            continue;
        open_path(out, routes[i].path);
        for (size_t k = i; k < route_count; k++)
            if (strcmp(routes[k].path, routes[i].path) == 0)
                put_operation(out, &routes[k], limits);
        json_close(out, '}');
    }
    json_close(out, '}');
}

static void put_components(struct buf *out)
{
    open_member(out, "components", '{');
    open_member(out, "securitySchemes", '{');
    open_member(out, "bearer", '{');
    json_member_text(out, "type", "http");
    json_member_text(out, "scheme", "bearer");
    json_close(out, '}');
    json_close(out, '}');
    open_member(out, "schemas", '{');
    for (size_t i = 0; i < schema_count; i++) {
        json_key(out, schemas[i].name);
        schema_render(out, &schemas[i]);
    }
    json_close(out, '}');
    json_close(out, '}');
}

void openapi_render(struct buf *out, const struct config *config)
{
    struct json_limits limits = {(int)config->max_json_depth, (size_t)config->max_text_bytes};
    json_open(out, '{');
    json_member_text(out, "openapi", "3.1.0");
    open_member(out, "info", '{');
    json_member_text(out, "title", "egalign");
    json_member_text(out, "version", version_number);
    json_member_text(out, "description",
        "Collects pairwise preferences, finds the groups of taste among people, and serves how each "
        "group fares. Errors are application/problem+json with a stable code.");
    open_member(out, "license", '{');
    json_member_text(out, "name", "Apache-2.0");
    json_member_text(out, "identifier", "Apache-2.0");
    json_close(out, '}');
    json_close(out, '}');
    put_paths(out, &limits);
    put_components(out);
    json_close(out, '}');
}
