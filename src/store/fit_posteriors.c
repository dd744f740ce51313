#include "store/fit_posteriors.h"

#include <stdlib.h>
#include <string.h>

#include "store/pg.h"

/* Numbers in the text of an array, "{0.25,0.75}". */
static int count_numbers(struct str text)
{
    int n = text.len > 2;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == ',';
    return n;
}

static void read_numbers(struct str text, int n, double *ret)
{
    const char *at = text.ptr + 1;
    for (int i = 0; i < n; i++) {
        char *end;
        ret[i] = strtod(at, &end);
        at = end + 1;
    }
}

int fit_posteriors_read(struct pg *pg, const struct uuid *project, const struct uuid *fit, struct arena *arena,
                        struct fit_posteriors *ret, struct err *err)
{
    struct pg_params p = {0};
    struct pg_result *r = NULL;
    pg_param_uuid(&p, project);
    pg_param_uuid(&p, fit);
    int result = pg_query(pg, QUERY_fit_posteriors, &p, &r, err);
    pg_params_free(&p);
    if (result < 0)
        return -1;
    *ret = (struct fit_posteriors){.count = pg_rows(r)};
    if (ret->count > 0) {
        ret->fit = pg_uuid(r, 0, 2);
        ret->groups = count_numbers(pg_text(r, 0, 1));
        ret->annotator = arena_zeroed(arena, (size_t)ret->count, sizeof *ret->annotator);
        ret->posterior = arena_zeroed(arena, (size_t)ret->count * (size_t)ret->groups, sizeof *ret->posterior);
    }
    if (ret->count == 0 || ret->groups == 0)
        result = err_set(err, ERR_NOT_READY, "there is no fit with groups: fit first");
    else if (!ret->annotator || !ret->posterior)
        result = err_memory(err);
    for (int i = 0; result == 0 && i < ret->count; i++) {
        ret->annotator[i] = pg_uuid(r, i, 0);
        read_numbers(pg_text(r, i, 1), ret->groups, ret->posterior + (size_t)i * (size_t)ret->groups);
    }
    pg_result_free(r);
    return result;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

int fit_posteriors_place(const struct fit_posteriors *p, const struct uuid *annotator)
{
    const struct uuid *found = bsearch(annotator, p->annotator, (size_t)p->count, sizeof *p->annotator, by_bytes);
    return found ? (int)(found - p->annotator) : -1;
}
