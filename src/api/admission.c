#include "api/admission.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/stream.h"
#include "api/cors.h"
#include "api/projects.h"
#include "store/project.h"

/* The client's id when it is short and plain, else one of ours. */
static void take_request_id(struct request *r)
{
    const char *given = request_header(r, "X-Request-Id");
    size_t length = given ? strlen(given) : 0;
    size_t plain = given ? strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") : 0;
    if (length > 0 && length < REQUEST_ID_SIZE && plain == length) {
        memcpy(r->id, given, length + 1);
        return;
    }
    struct uuid id;
    struct err ignored; /* without random numbers the id stays empty, and the request is served all the same */
    if (uuid_new(&id, &ignored) == 0)
        uuid_format(&id, r->id);
}

/* W3C Trace Context, version 00: 00-<32 hex>-<16 hex>-<2 hex>, ids not all zero. Anything else is ignored. */
static void take_traceparent(struct request *r)
{
    const char *given = request_header(r, "traceparent");
    if (!given || strlen(given) != 55 || strncmp(given, "00-", 3) != 0 || given[35] != '-' || given[52] != '-')
        return;
    if (strspn(given + 3, "0123456789abcdef") != 32 || strspn(given + 36, "0123456789abcdef") != 16 ||
        strspn(given + 53, "0123456789abcdef") != 2)
        return;
    if (strspn(given + 3, "0") < 32 && strspn(given + 36, "0") < 16)
        r->traceparent = given;
}

static int answer_options(struct request *r)
{
    const char *allow = route_allow(&r->target, &r->arena);
    reply_empty(&r->reply, 204);
    reply_field(&r->reply, "Allow", allow);
    if (request_header(r, "Access-Control-Request-Method"))
        cors_preflight(&r->reply, allow);
    return 1;
}

static int check_role(struct request *r, struct err *err)
{
    if (r->route->role == ROUTE_PUBLIC)
        return 0;
    if (tokens_check(r->api->tokens, request_header(r, "Authorization"), &r->who, err) < 0)
        return -1;
    if ((int)r->who.role < r->route->role)
        return err_set(err, ERR_FORBIDDEN, "this needs the role %s; the token's is %s",
                       role_name((enum role)r->route->role), role_name(r->who.role));
    return 0;
}

/* ^[a-z0-9][a-z0-9-]{0,62}$, as the schema of the database has it. */
static bool project_name_fits(struct str name)
{
    size_t plain = strspn(name.ptr, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return name.len > 0 && name.len <= 63 && plain == name.len && name.ptr[0] != '-';
}

int admit_project(const struct principal *who, const struct uuid *project, struct err *err)
{
    if (who->scoped && memcmp(who->project.bytes, project->bytes, sizeof project->bytes) != 0)
        return err_set(err, ERR_NOT_FOUND, "there is no such project, or the token does not open it");
    return 0;
}

int admit_named_project(struct api *api, const struct principal *who, struct str name, struct uuid *ret,
                        struct err *err)
{
    if (!project_name_fits(name))
        return err_set(err, ERR_NOT_FOUND, "there is no such project, or the token does not open it");
    if (!projects_find(api->projects, name, ret)) {
        if (project_find(api->pool, name, ret, err) < 0)
            return -1;
        projects_remember(api->projects, name, ret);
    }
    return admit_project(who, ret, err);
}

/* Projects that this process has heard of are known without the database; the others are looked up later. */
static int check_project(struct request *r, struct err *err)
{
    if (r->route->role == ROUTE_PUBLIC || route_parameter(r->route, "project") < 0)
        return 0;
    r->has_project = projects_find(r->api->projects, request_parameter(r, "project"), &r->project);
    return r->has_project ? admit_project(&r->who, &r->project, err) : 0;
}

static bool media_is(const char *given, const char *type)
{
    size_t length = strlen(type);
    return given && strncasecmp(given, type, length) == 0 && strchr("; \t", given[length]);
}

static int check_media(struct request *r, struct err *err)
{
    const char *given = request_header(r, "Content-Type");
    if (r->route->flags & ROUTE_NDJSON && media_is(given, "application/x-ndjson"))
        return stream_open(r, err);
    if (media_is(given, "application/json"))
        return 0;
    return err_set(err, ERR_UNSUPPORTED_MEDIA, "send Content-Type: application/json%s, not %.80s",
                   r->route->flags & ROUTE_NDJSON ? " or application/x-ndjson" : "", given ? given : "none");
}

static int check_body(struct request *r, struct err *err)
{
    bool has_body = framing_has_body(&r->framing);
    if (!r->route->body) {
        if (has_body)
            return err_set(err, ERR_INVALID_REQUEST, "this operation takes no body");
        return 0;
    }
    if (!has_body && r->route->flags & ROUTE_BODY_OPTIONAL)
        return 0;
    if (check_media(r, err) < 0)
        return -1;
    int64_t most = r->stream ? r->api->config->max_batch_bytes : r->api->config->max_body_bytes;
    if (r->framing.has_length && r->framing.length > most) {
        r->reply.close = true;
        return err_set(err, ERR_TOO_LARGE, "the body has %lld bytes; at most %lld are taken",
                       (long long)r->framing.length, (long long)most);
    }
    return 0;
}

int admit(struct request *r, const char *version, struct err *err)
{
    take_request_id(r);
    take_traceparent(r);
    if (framing_check(r->connection, version, &r->framing, err) < 0) {
        r->reply.close = true;
        return -1;
    }
    if (r->target_err.code) {
        *err = r->target_err;
        return -1;
    }
    r->match = route_find(r->method, &r->target);
    r->route = r->match.route;
    if (!r->match.path_known)
        return err_set(err, ERR_NOT_FOUND, "there is nothing at this path");
    if (strcmp(r->method, "OPTIONS") == 0)
        return answer_options(r);
    if (!r->route)
        return err_set(err, ERR_METHOD_NOT_ALLOWED, "the path is known, but not with this method; see Allow");
    if (check_role(r, err) < 0 || check_project(r, err) < 0 || route_check_query(r->route, &r->target, err) < 0)
        return -1;
    return check_body(r, err);
}
