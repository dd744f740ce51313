/* egalign: the table of subcommands and nothing else. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/command.h"

static const struct command commands[] = {
    {"demo", "write a demo population of known taste as NDJSON", command_demo},
    {"fit", "find the groups of taste in a file of comparisons", command_fit},
    {"lab", "run a synthetic experiment against its target", command_lab},
    {"info", "say what a model's directory holds", command_info},
    {"sample", "print completions of a prompt", command_sample},
    {"score", "print log-probabilities of texts", command_score},
    {"docs", "print a page of the generated documentation", command_docs},
    {"export", "write a project's comparisons to a file", command_export},
    {"import", "store the comparisons of a file", command_import},
    {"migrate", "bring the database to the schema of this program", command_migrate},
    {"run-job", "do one job; workers start it", command_run_job},
    {"train", "train a language model on a file of examples", command_train},
    {"token", "make, list and revoke bearer tokens", command_token},
    {"work", "take jobs from the queue and run them", command_work},
    {"openapi", "print the OpenAPI document of the API", command_openapi},
    {"serve", "serve the API and the pages", command_serve},
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

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout);
    if (strcmp(argv[1], "--version") == 0) {
        printf("egalign %s\n", EGALIGN_VERSION);
        return 0;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "egalign: there is no command '%s'\n\n", argv[1]);
    return usage(stderr);
}
