/* egalign openapi: prints the OpenAPI document that the daemon serves. */
#include "cli/command.h"

#include <stdio.h>

#include "api/openapi.h"
#include "cli/arguments.h"

static const char usage[] =
    "usage: egalign openapi [OPTION...]\n"
    "Prints the OpenAPI 3.1 document of the API, as `egalign serve` with the same options serves it at\n"
    "/openapi.json.\n";

int command_openapi(int argc, char **argv)
{
    struct config config;
    struct err err;
    if (arguments_help(argc, argv, usage, CONFIG_LIMITS))
        return 0;
    if (config_load(&config, argc - 1, argv + 1, &err) < 0)
        return command_failed(argv[0], &err);
    struct buf text = {0};
    openapi_render(&text, &config);
    config_free(&config);
    bool written =
        !text.failed && fwrite(text.data, 1, text.length, stdout) == text.length && fputc('\n', stdout) != EOF;
    buf_free(&text);
    if (written && fflush(stdout) == 0)
        return 0;
    err_errno(&err, "standard output");
    return command_failed(argv[0], &err);
}
