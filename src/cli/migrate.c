/* egalign migrate: brings the database to the schema of this program. */
#include "cli/command.h"

#include <stdio.h>

#include "base/config.h"
#include "cli/arguments.h"
#include "store/migrate.h"
#include "store/store.h"

static const char usage[] =
    "usage: egalign migrate [OPTION...]\n"
    "Applies the migrations that the database lacks. It is done at the start of `egalign serve` too; any number may\n"
    "run at once.\n";

enum { MIGRATE_TIMEOUT_MS = 3600 * 1000 };

static int run(const struct config *config, struct err *err)
{
    char conninfo[STORE_CONNINFO];
    int applied, known;
    if (store_conninfo(config, conninfo, sizeof conninfo, err) < 0 ||
        store_migrate(conninfo, MIGRATE_TIMEOUT_MS, &applied, err) < 0)
        return -1;
    migrate_list(&known);
    if (applied == 0)
        printf("The schema is up to date, at migration %d.\n", known);
    else
        printf("Applied %d migration%s; the schema is at migration %d.\n", applied, applied == 1 ? "" : "s", known);
    return 0;
}

int command_migrate(int argc, char **argv)
{
    struct config config;
    struct err err;
    if (arguments_help(argc, argv, usage, CONFIG_STORE))
        return 0;
    if (config_load(&config, argc - 1, argv + 1, &err) < 0)
        return command_failed(argv[0], &err);
    int status = run(&config, &err);
    config_free(&config);
    return status < 0 ? command_failed(argv[0], &err) : 0;
}
