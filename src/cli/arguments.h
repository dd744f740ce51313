/* arguments: a subcommand's own options and operands, beside the knobs that every command takes.
 *
 * Takes `--name value`, `--name=value` and bare `--name` for switches from the command line wherever they stand, and
 * leaves what else begins with `--` for config_load. `-` alone is an operand; `--` ends the options. It refuses nothing
 * but a missing value, a value for a switch, and too many operands: meaning is the command's business.
 *
 * Values are pointers into argv. One thread. */
#ifndef EGALIGN_CLI_ARGUMENTS_H
#define EGALIGN_CLI_ARGUMENTS_H

#include <stdbool.h>

#include "base/err.h"

struct argument {
    const char *name;   /* "--project"; the list ends with NULL */
    const char **value; /* where its value goes; NULL for a switch */
    bool *given;        /* a switch: set when it is there */
};

/* Takes the own options and up to `most` operands out of argv[0 .. *argc-1]; what is left, in order, is for
 * config_load, and *argc its count. Returns the number of operands, or -1 with ERR_USAGE. */
int arguments_take(const struct argument *own, int *argc, char **argv, const char **operands, int most,
                   struct err *err);

/* When --help is among the arguments: prints `usage` and the knobs of `parts` (enum config_part), and is true. */
bool arguments_help(int argc, char **argv, const char *usage, unsigned parts);

#endif
