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

/* Whether the template fits; a last "{...}" with dots, as in "{file...}", takes all that is left. */
static bool fits(const char *template, const struct target *t, struct str parameters[ROUTE_PARAMETERS])
{
    struct str segment;
    size_t used = 0, found = 0;
    while (next_segment(&template, &segment)) {
        if (used == t->segment_count)
            return false;
        if (is_parameter(segment))
            parameters[found++] = t->segments[used];
        else if (!str_equal(segment, t->segments[used]))
            return false;
        used++;
        if (segment.len > 5 && memcmp(segment.ptr + segment.len - 4, "...}", 4) == 0)
            return true;
    }
    return used == t->segment_count;
}

static void allow(struct route_match *m, const char *method)
{
    size_t n = strlen(m->allow);
    snprintf(m->allow + n, sizeof m->allow - n, "%s%s%s", n ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

struct route_match route_find(const char *method, const struct target *target)
{
    struct route_match m = {0};
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < route_count; i++) {
        struct str parameters[ROUTE_PARAMETERS] = {{0}};
        if (!fits(routes[i].path, target, parameters))
            continue;
        m.path_known = true;
        allow(&m, routes[i].method);
        if (strcmp(method, routes[i].method) == 0) {
            m.route = &routes[i];
            memcpy(m.parameters, parameters, sizeof parameters);
        }
    }
    return m;
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

static bool is_choice(const struct query_parameter *p, struct str value)
{
    for (int i = 0; p->choices[i]; i++)
        if (str_is(value, p->choices[i]))
            return true;
    return false;
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
        if (is_choice(p, value))
            return 0;
        return err_set(err, ERR_INVALID_REQUEST, "query member %s has none of its values", p->name);
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
