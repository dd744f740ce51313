/* egalign token: makes, lists and revokes bearer tokens, directly in the database. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "cli/arguments.h"
#include "store/project.h"
#include "store/store.h"
#include "store/token.h"

static const char usage[] =
    "usage: egalign token create --role ROLE [--project NAME] [--name TEXT] [--expires DAYS] [OPTION...]\n"
    "       egalign token list [OPTION...]\n"
    "       egalign token revoke ID [OPTION...]\n"
    "Roles: annotator, viewer, operator, admin. Without --project the token opens all projects. `create` prints the\n"
    "token and nothing else; it is not stored and cannot be shown again. `list` prints one JSON object a line.\n";

enum { DAYS_MOST = 36500 };
#define DAY_US INT64_C(86400000000)

struct request {
    const char *action, *id; /* operands */
    const char *role, *project, *name, *expires;
};

/* Which project; fails with its name. */
static int find_project(struct pool *pool, const char *name, struct uuid *ret, struct err *err)
{
    int result = project_find(pool, str_of(name), ret, err);
    return result < 0 && err->code == ERR_NOT_FOUND
               ? err_set(err, ERR_NOT_FOUND, "there is no project '%s'", name)
               : result;
}

/* Fills *ret_time and *ret (which then points to it) from the number of days; NULL: never. */
static int expiry(const char *days, int64_t *ret_time, const int64_t **ret, struct err *err)
{
    int64_t count;
    *ret = NULL;
    if (!days)
        return 0;
    if (!str_to_int64(str_of(days), &count) || count < 1 || count > DAYS_MOST)
        return err_set(err, ERR_USAGE, "--expires must be a number of days from 1 to %d", DAYS_MOST);
    *ret_time = clock_wall_us() + count * DAY_US;
    *ret = ret_time;
    return 0;
}

static int create(struct pool *pool, const struct request *r, struct err *err)
{
    struct uuid project;
    struct buf document = {0};
    char text[TOKEN_TEXT_SIZE];
    int64_t time;
    const int64_t *expires;
    if (expiry(r->expires, &time, &expires, err) < 0 ||
        (r->project && find_project(pool, r->project, &project, err) < 0))
        return -1;
    int result = token_create(pool, r->project ? &project : NULL, (enum role)role_of(str_of(r->role)),
                              str_of(r->name ? r->name : "made on the command line"), expires, text, &document, err);
    buf_free(&document);
    if (result == 0)
        printf("%s\n", text);
    return result;
}

static int list(struct pool *pool, struct err *err)
{
    struct pg_result *r = NULL;
    if (pool_query(pool, QUERY_token_lines, NULL, &r, err) < 0)
        return -1;
    for (int i = 0; i < pg_rows(r); i++) {
        struct str line = pg_text(r, i, 0);
        printf("%.*s\n", (int)line.len, line.ptr);
    }
    pg_result_free(r);
    return 0;
}

static int revoke(struct pool *pool, const struct request *r, struct err *err)
{
    struct uuid id;
    uuid_parse(str_of(r->id), &id);
    return token_revoke(pool, &id, err);
}

/* What can be said before there is a database. */
static int check(const struct request *r, struct err *err)
{
    struct uuid id;
    int64_t time;
    const int64_t *expires;
    bool create = strcmp(r->action, "create") == 0, revoke = strcmp(r->action, "revoke") == 0;
    if (!create && !revoke && strcmp(r->action, "list") != 0)
        return err_set(err, ERR_USAGE, "there is no action '%s'; it must be create, list or revoke", r->action);
    if (revoke && (!r->id || !uuid_parse(str_of(r->id), &id)))
        return err_set(err, ERR_USAGE, "revoke needs the id of a token, as `egalign token list` shows it");
    if (!revoke && r->id)
        return err_set(err, ERR_USAGE, "'%s' is one word too many", r->id);
    if (create && (!r->role || role_of(str_of(r->role)) < 0))
        return err_set(err, ERR_USAGE, "--role must be annotator, viewer, operator or admin");
    return create ? expiry(r->expires, &time, &expires, err) : 0;
}

static int run(const struct config *config, const struct request *r, struct err *err)
{
    char conninfo[STORE_CONNINFO];
    struct pool *pool = NULL;
    int result = -1;
    if (check(r, err) < 0 || store_conninfo(config, conninfo, sizeof conninfo, err) < 0 ||
        store_pool(config, conninfo, "egalign token", &pool, err) < 0)
        return -1;
    if (strcmp(r->action, "create") == 0)
        result = create(pool, r, err);
    else if (strcmp(r->action, "list") == 0)
        result = list(pool, err);
    else
        result = revoke(pool, r, err);
    pool_free(pool);
    return result;
}

int command_token(int argc, char **argv)
{
    struct request r = {0};
    struct config config;
    struct err err;
    const char *operands[2] = {NULL, NULL};
    const struct argument own[] = {
        {.name = "--role", .value = &r.role},
        {.name = "--project", .value = &r.project},
        {.name = "--name", .value = &r.name},
        {.name = "--expires", .value = &r.expires},
        {.name = NULL},
    };
    if (arguments_help(argc, argv, usage, CONFIG_STORE))
        return 0;
    int left = argc - 1;
    int count = arguments_take(own, &left, argv + 1, operands, 2, &err);
    if (count == 0) {
        fprintf(stderr, "%s", usage);
        return 2;
    }
    if (count < 0 || config_load(&config, left, argv + 1, &err) < 0)
        return command_failed(argv[0], &err);
    r.action = operands[0];
    r.id = operands[1];
    int status = run(&config, &r, &err);
    config_free(&config);
    return status < 0 ? command_failed(argv[0], &err) : 0;
}
