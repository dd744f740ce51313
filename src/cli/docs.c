/* egalign docs WHAT: prints the documentation that is generated from the declarations in the code. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/metrics.h"

static const struct {
    const char *name;
    void (*print)(void);
} pages[] = {
    {"config", config_print_docs},
    {"errors", err_print_docs},
    {"metrics", metrics_print_docs},
};

int command_docs(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(argv[1], pages[i].name) == 0) {
            pages[i].print();
            return 0;
        }
    }
    bool asked = argc == 2 && strcmp(argv[1], "--help") == 0;
    FILE *out = asked ? stdout : stderr;
    fprintf(out, "usage: egalign docs PAGE\nPrints a page of the documentation as Markdown. Pages:");
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        fprintf(out, " %s", pages[i].name);
    fprintf(out, "\n");
    return asked ? 0 : 2;
}
