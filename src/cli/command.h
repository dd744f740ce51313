/* command: what every subcommand of the program looks like.
 *
 * A file of this folder holds one subcommand. It parses its own options, does its work through the modules below, logs
 * or prints its failure once, and returns the exit status: 0 done, 1 a negative answer or a failure of the work, 2 a
 * command line that is not usable. */
#ifndef EGALIGN_CLI_COMMAND_H
#define EGALIGN_CLI_COMMAND_H

#include "base/err.h"

struct command {
    const char *name;
    const char *summary; /* one line for the list of commands */
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name */
};

int command_demo(int argc, char **argv);
int command_docs(int argc, char **argv);
int command_openapi(int argc, char **argv);
int command_serve(int argc, char **argv);
int command_export(int argc, char **argv);
int command_import(int argc, char **argv);
int command_migrate(int argc, char **argv);
int command_run_job(int argc, char **argv);
int command_token(int argc, char **argv);
int command_info(int argc, char **argv);
int command_sample(int argc, char **argv);
int command_score(int argc, char **argv);
int command_train(int argc, char **argv);
int command_work(int argc, char **argv);
int command_fit(int argc, char **argv);
int command_lab(int argc, char **argv);

/* Prints "egalign NAME: message" on standard error and gives the exit status that fits the code: 2 for ERR_USAGE and
 * ERR_CONFIG, 1 for anything else. */
int command_failed(const char *name, const struct err *e);

#endif
