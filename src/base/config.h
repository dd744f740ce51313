/* config: the knobs of the daemon, declared once in config.def.
 *
 * Precedence: command line over environment (EGALIGN_NAME) over the file given with --config (lines `name = value`, `#`
 * comments) over the default. Unknown names and values out of range are errors. It refuses to change after start.
 *
 * Strings are owned by the struct: release with config_free. One thread. */
#ifndef EGALIGN_BASE_CONFIG_H
#define EGALIGN_BASE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Whose the knobs are: every command takes them all, so that commands can share a file, and its --help shows those of
 * its parts. */
enum config_part {
    CONFIG_STORE = 1,   /* where the database is */
    CONFIG_LOG = 2,     /* what is logged */
    CONFIG_HTTP = 4,    /* how the API is served */
    CONFIG_LIMITS = 8,  /* how large a comparison may be */
    CONFIG_INGEST = 16, /* how comparisons are committed */
    CONFIG_JOBS = 32,   /* how workers work */
    CONFIG_ALL = 63,
};

struct config {
#define CONFIG_TEXT(name, part, default_value, prose) char *name;
#define CONFIG_NUMBER(name, part, default_value, least, most, unit, prose) int64_t name;
#define CONFIG_SWITCH(name, part, default_value, prose) bool name;
#include "base/config.def"
#undef CONFIG_TEXT
#undef CONFIG_NUMBER
#undef CONFIG_SWITCH
};

/* Reads file, environment and arguments into `c`. argv holds options only (`--name value`, `--name=value`, a bare
 * `--name` or `--no-name` for switches); anything that is not an option of config.def is an ERR_USAGE that names it. */
int config_load(struct config *c, int argc, char **argv, struct err *err);
void config_free(struct config *c);

/* Prints the options of `parts` (enum config_part), for --help. */
void config_print_help(unsigned parts);

void config_print_docs(void); /* Markdown, for docs/config.md */

#endif
