/* egalign: the table of subcommands and nothing else. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/command.h"

static const struct command commands[] = {
    {"serve", "serve the API and the pages", command_serve},
    {"work", "take jobs from the queue and run them", command_work},
    {"run-job", "do one job; workers start it", command_run_job},
    {"migrate", "bring the database to the schema of this program", command_migrate},
    {"token", "make, list and revoke bearer tokens", command_token},
    {"import", "store the comparisons of a file", command_import},
    {"export", "write a project's comparisons to a file", command_export},
    {"fit", "find the groups of taste in a file of comparisons", command_fit},
    {"train", "train a language model on a file of examples", command_train},
    {"sample", "print completions of a prompt", command_sample},
    {"score", "print log-probabilities of texts", command_score},
    {"info", "say what a model's directory holds", command_info},
    {"demo", "write a demo population of known taste as NDJSON", command_demo},
    {"lab", "run a synthetic experiment against its target", command_lab},
    {"openapi", "print the OpenAPI document of the API", command_openapi},
    {"docs", "print a page of the generated documentation", command_docs},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

int command_failed(const char *name, const struct err *e)
{
    fprintf(stderr, "egalign %s: %s\n", name, e->message);
    return e->code == ERR_USAGE || e->code == ERR_CONFIG ? 2 : 1;
}

static int usage(FILE *out)
{
    fprintf(out, "usage: egalign COMMAND [OPTION...]\n\nCollects pairwise preferences, finds the groups of taste among "
                 "people, and serves how each group fares.\n\nCommands:\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\n`egalign COMMAND --help` tells more. Version " EGALIGN_VERSION ".\n");
    return out == stdout ? 0 : 2;
}

static const struct command *find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    fprintf(stderr, "egalign: there is no command '%s'; `egalign --help` lists them\n", name);
    return NULL;
}

/* `egalign help COMMAND` is `egalign COMMAND --help`. */
static int help(char *name)
{
    static char option[] = "--help";
    char *argv[] = {name, option, NULL};
    const struct command *command = find(name);
    return command ? command->run(2, argv) : 2;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "help") == 0 && argc == 3)
        return help(argv[2]);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout);
    if (strcmp(argv[1], "--version") == 0) {
        printf("egalign %s\n", EGALIGN_VERSION);
        return 0;
    }
    const struct command *command = find(argv[1]);
    return command ? command->run(argc - 1, argv + 1) : 2;
}
