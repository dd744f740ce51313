#include "store/store.h"

#include <string.h>

#include "store/cluster.h"
#include "store/migrate.h"

enum { MARGIN_MS = 500 };

int store_conninfo(const struct config *config, char *conninfo, size_t room, struct err *err)
{
    size_t length = strlen(config->database_url);
    if (length == 0)
        return cluster_find(config, conninfo, room, err);
    if (length >= room)
        return err_set(err, ERR_CONFIG, "database_url is longer than %zu bytes", room - 1);
    memcpy(conninfo, config->database_url, length + 1);
    return 0;
}

int store_pool(const struct config *config, const char *conninfo, const char *application, struct pool **ret,
               struct err *err)
{
    int deadline_ms = (int)config->database_deadline_ms;
    int statement_ms = deadline_ms > 2 * MARGIN_MS ? deadline_ms - MARGIN_MS : deadline_ms / 2;
    struct pool_options o = {
        .pg = {.conninfo = conninfo,
               .application = application,
               .statement_timeout_ms = statement_ms,
               .lock_timeout_ms = statement_ms},
        .size = (int)config->database_pool,
        .deadline_ms = deadline_ms,
    };
    return pool_new(&o, ret, err);
}

int store_migrate(const char *conninfo, long timeout_ms, int *ret_applied, struct err *err)
{
    struct pg_options o = {.conninfo = conninfo, .application = "egalign migrate"};
    struct pg *pg = NULL;
    int applied = 0;
    if (pg_open(&o, pg_deadline(timeout_ms), &pg, err) < 0)
        return -1;
    int status = migrate(pg, &applied, err);
    pg_close(pg);
    if (ret_applied)
        *ret_applied = applied;
    return status;
}
