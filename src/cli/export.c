/* egalign export: a project's comparisons as a file, in constant memory. */
#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "cli/arguments.h"
#include "cli/progress.h"
#include "formats/format.h"
#include "store/comparison.h"
#include "store/project.h"
#include "store/store.h"

static const char usage[] =
    "usage: egalign export --project NAME [--format FORMAT] [--out FILE] [OPTION...]\n"
    "Writes the comparisons that count (not those undone) in order of arrival, to standard output or to FILE, which\n"
    "appears only when it is whole. Formats: jsonl (own, the default; importing it gives the same comparisons), trl,\n"
    "trl-implicit, hh-rlhf, arena. What a format cannot express (ties, skips, equal texts of two\n"
    "policies) is left out, and counted by outcome on standard error.\n";

enum { SORT_MS = 600000, ROW_MS = 60000 };

struct export {
    const char *project_name, *format_name, *out_name;
    enum format format;
    FILE *out;
    struct buf line;
    struct progress progress;
    int64_t written, left_out[5]; /* left out: by outcome */
};

static int write_record(const struct record *record, int64_t seq, void *context, struct err *err)
{
    struct export *ex = context;
    (void)seq;
    buf_clear(&ex->line);
    if (!format_write_line(ex->format, record, &ex->line)) {
        ex->left_out[record->outcome]++;
        return 0;
    }
    if (ex->line.failed)
        return err_memory(err);
    if (fwrite(ex->line.data, 1, ex->line.length, ex->out) != ex->line.length)
        return err_errno(err, "%s", ex->out_name ? ex->out_name : "standard output");
    ex->written++;
    if (ex->out_name || !isatty(STDOUT_FILENO))
        progress_show(&ex->progress, "%lld comparisons written", (long long)ex->written);
    return 0;
}

static int stream(const struct config *config, struct export *ex, struct err *err)
{
    char conninfo[STORE_CONNINFO];
    struct pool *pool = NULL;
    struct uuid project;
    struct comparison_filter filter = {.with_skips = true};
    if (store_conninfo(config, conninfo, sizeof conninfo, err) < 0)
        return -1;
    struct pool_options options = {
        .pg = {.conninfo = conninfo, .application = "egalign export"}, .size = 1, .deadline_ms = SORT_MS};
    int result = -1;
    if (pool_new(&options, &pool, err) < 0)
        return -1;
    if (project_find(pool, str_of(ex->project_name), &project, err) == 0)
        result = comparison_stream(pool, &project, &filter, ROW_MS, write_record, ex, err);
    else if (err->code == ERR_NOT_FOUND)
        err_set(err, ERR_NOT_FOUND, "there is no project '%s'", ex->project_name);
    progress_end(&ex->progress);
    pool_free(pool);
    return result;
}

static int finish_file(struct export *ex, struct err *err)
{
    const char *name = ex->out_name ? ex->out_name : "standard output";
    if (fflush(ex->out) != 0 || ferror(ex->out))
        return err_errno(err, "%s", name);
    if (ex->out_name && fsync(fileno(ex->out)) < 0)
        return err_errno(err, "%s", name);
    return 0;
}

/* Into a file beside the one that is asked for, which then takes its place. */
static int to_file(const struct config *config, struct export *ex, struct err *err)
{
    struct buf partial = {0};
    buf_printf(&partial, "%s.partial", ex->out_name);
    if (partial.failed)
        return err_memory(err);
    int result = -1;
    ex->out = fopen(partial.data, "wb");
    if (!ex->out) {
        err_errno(err, "%s", partial.data);
        goto out;
    }
    if (stream(config, ex, err) == 0 && finish_file(ex, err) == 0)
        result = 0;
    fclose(ex->out);
    if (result == 0 && rename(partial.data, ex->out_name) < 0)
        result = err_errno(err, "%s", ex->out_name);
    if (result < 0)
        unlink(partial.data);
out:
    buf_free(&partial);
    return result;
}

static int run(const struct config *config, struct export *ex, struct err *err)
{
    if (!ex->project_name)
        return err_set(err, ERR_USAGE, "--project is needed; see `egalign export --help`");
    if (ex->format_name && format_by_name(str_of(ex->format_name), &ex->format, err) < 0) {
        err->code = ERR_USAGE;
        return -1;
    }
    if (ex->out_name && strcmp(ex->out_name, "-") != 0)
        return to_file(config, ex, err);
    ex->out_name = NULL;
    ex->out = stdout;
    return stream(config, ex, err) < 0 ? -1 : finish_file(ex, err);
}

static void tell_left_out(const struct export *ex)
{
    int64_t all = 0;
    for (int i = 0; record_outcomes[i]; i++)
        all += ex->left_out[i];
    if (all == 0)
        return;
    fprintf(stderr, "%lld comparisons cannot be written as %s and were left out:", (long long)all,
            format_name(ex->format));
    for (int i = 0; record_outcomes[i]; i++)
        if (ex->left_out[i])
            fprintf(stderr, " %s %lld", record_outcomes[i], (long long)ex->left_out[i]);
    fprintf(stderr, "; %lld were written.\n", (long long)ex->written);
}

int command_export(int argc, char **argv)
{
    struct export ex = {0};
    struct config config;
    struct err err;
    const struct argument own[] = {
        {.name = "--project", .value = &ex.project_name},
        {.name = "--format", .value = &ex.format_name},
        {.name = "--out", .value = &ex.out_name},
        {.name = NULL},
    };
    if (arguments_help(argc, argv, usage, CONFIG_STORE))
        return 0;
    int left = argc - 1;
    if (arguments_take(own, &left, argv + 1, NULL, 0, &err) < 0 || config_load(&config, left, argv + 1, &err) < 0)
        return command_failed(argv[0], &err);
    int status = run(&config, &ex, &err);
    if (status == 0)
        tell_left_out(&ex);
    buf_free(&ex.line);
    config_free(&config);
    return status < 0 ? command_failed(argv[0], &err) : 0;
}
