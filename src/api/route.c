#include "api/route.h"

#include <stdio.h>
#include <string.h>

/* The next segment of a template after *at, or false at its end. */
static bool next_segment(const char **at, struct str *ret)
{
    if (**at != '/' || (*at)[1] == '\0')
        return false;
    const char *start = *at + 1;
    *at = strchrnul(start, '/');
    *ret = (struct str){start, (size_t)(*at - start)};
    return true;
}

static bool is_parameter(struct str segment)
{
    return segment.len > 2 && segment.ptr[0] == '{';
}

static bool is_end(char c)
{
    return c == '/' || c == '\0';
}

/* Whether the template fits; a last "{...}" with dots, as in "{file...}", takes all that is left. */
static bool fits(const char *template, const struct target *t, struct str parameters[ROUTE_PARAMETERS])
{
    size_t found = 0;
    for (size_t i = 0; i < t->segment_count; i++) {
        struct str segment = t->segments[i];
        if (*template++ != '/' || *template == '\0')
            return false;
        if (*template == '{') {
            parameters[found++] = segment;
            template = strchr(template, '}') + 1;
            if (memcmp(template - 4, "...", 3) == 0)
                return true;
        } else if (*template == *segment.ptr && strncmp(template, segment.ptr, segment.len) == 0 &&
                   is_end(template[segment.len])) {
            template += segment.len;
        } else {
            return false;
        }
    }
    return *template == '\0' || strcmp(template, "/") == 0;
}

struct route_match route_find(const char *method, const struct target *target)
{
    struct route_match m = {0};
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < route_count && !m.route; i++) {
        if (!fits(routes[i].path, target, m.parameters))
            continue;
        m.path_known = true;
        if (strcmp(method, routes[i].method) == 0)
            m.route = &routes[i];
    }
    return m;
}

const char *route_allow(const struct target *target, struct arena *arena)
{
    struct str ignored[ROUTE_PARAMETERS];
    const char *allow = "";
    for (size_t i = 0; i < route_count && allow; i++) {
        if (!fits(routes[i].path, target, ignored))
            continue;
        const char *method = strcmp(routes[i].method, "GET") == 0 ? "GET, HEAD" : routes[i].method;
        allow = arena_printf(arena, "%s%s%s", allow, *allow ? ", " : "", method);
    }
    return allow ? allow : "";
}

int route_parameter(const struct route *route, const char *name)
{
    const char *at = route->path;
    struct str segment;
    for (int found = 0; next_segment(&at, &segment);) {
        if (!is_parameter(segment))
            continue;
        if (segment.len == strlen(name) + 2 && memcmp(segment.ptr + 1, name, segment.len - 2) == 0)
            return found;
        found++;
    }
    return -1;
}

static int check_choice(const struct query_parameter *p, struct str value, struct err *err)
{
    char list[200] = "";
    size_t n = 0;
    for (int i = 0; p->choices[i]; i++) {
        if (str_is(value, p->choices[i]))
            return 0;
        if (n < sizeof list)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", p->choices[i]);
    }
    return err_set(err, ERR_INVALID_REQUEST, "query member %s takes one of: %s", p->name, list);
}

static int check_member(const struct query_parameter *p, struct str value, struct err *err)
{
    int64_t number;
    switch (p->kind) {
    case QUERY_INT:
        if (str_to_int64(value, &number) && number >= p->least && number <= p->most)
            return 0;
        return err_set(err, ERR_INVALID_REQUEST, "query member %s takes a whole number from %ld to %ld", p->name,
                       p->least, p->most);
    case QUERY_BOOL:
        if (str_is(value, "true") || str_is(value, "false"))
            return 0;
        return err_set(err, ERR_INVALID_REQUEST, "query member %s takes true or false", p->name);
    case QUERY_CHOICE:
        return check_choice(p, value, err);
    case QUERY_TEXT:
        if ((long)value.len >= p->least && (long)value.len <= p->most)
            return 0;
        return err_set(err, ERR_INVALID_REQUEST, "query member %s takes %ld to %ld bytes", p->name, p->least, p->most);
    }
    return 0;
}

int route_check_query(const struct route *route, const struct target *target, struct err *err)
{
    for (size_t i = 0; i < target->query_count; i++) {
        const struct query_parameter *p = route->query;
        while (p && p->name && !str_is(target->query[i].name, p->name))
            p++;
        if (!p || !p->name)
            return err_set(err, ERR_INVALID_REQUEST, "there is no query member %.60s", target->query[i].name.ptr);
        if (check_member(p, target->query[i].value, err) < 0)
            return -1;
    }
    return 0;
}
