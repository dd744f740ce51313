/* egalign import: preference data from a file into a project, directly in the database, in constant memory. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/json_text.h"
#include "cli/arguments.h"
#include "cli/progress.h"
#include "formats/format.h"
#include "formats/lines.h"
#include "store/ingest.h"
#include "store/ingest_batch.h"
#include "store/judgement.h"
#include "store/project.h"
#include "store/store.h"

static const char usage[] =
    "usage: egalign import --project NAME [--create] [--format FORMAT] [--annotator-field FIELD | --anonymous]\n"
    "                      [--on-error skip] [--json] [OPTION...] FILE\n"
    "Stores the comparisons of FILE (`-` is standard input; gzipped or not). Formats: jsonl (own, the default), trl,\n"
    "trl-implicit, hh-rlhf, arena. All lines are stored or, when one is not acceptable, none; with `--on-error skip`\n"
    "the good ones are. Lines with ids may be imported again: what is there already counts as duplicate.\n\n"
    "  --create           make the project when there is none of that name\n"
    "  --annotator-field  dotted path of the member that names the annotator, such as meta.judge\n"
    "  --anonymous        lines name no annotator: all are one person's, so no groups can be found\n"
    "  --json             print the summary as JSON\n";

enum { ERRORS_SHOWN = 20, BATCH_DEADLINE_MS = 60000 };

struct import {
    const struct config *config;
    const char *file, *project_name, *format_name, *annotator_field, *on_error;
    bool create, anonymous, json;

    enum format format;
    struct format_options options;
    struct uuid project;
    struct pool *pool;
    struct ingest *ingest;
    struct ingest_batch *batch;
    struct ingest_report report;
    struct arena arena; /* of one line */
    struct lines *lines;
    struct progress progress;
};

/* ---- beginning ---- */

static int check(struct import *im, struct err *err)
{
    if (!im->project_name || !im->file)
        return err_set(err, ERR_USAGE, "--project and a FILE are needed; see `egalign import --help`");
    if (im->on_error && strcmp(im->on_error, "skip") != 0)
        return err_set(err, ERR_USAGE, "--on-error takes only 'skip'");
    if (im->anonymous && im->annotator_field)
        return err_set(err, ERR_USAGE, "--anonymous and --annotator-field contradict each other");
    if (im->format_name && format_by_name(str_of(im->format_name), &im->format, err) < 0) {
        err->code = ERR_USAGE;
        return -1;
    }
    im->options = (struct format_options){
        .limits = {.depth = (int)im->config->max_json_depth, .text_bytes = (size_t)im->config->max_text_bytes},
        .annotator_field = im->annotator_field,
        .anonymous = im->anonymous,
    };
    return 0;
}

static int open_file(struct import *im, struct err *err)
{
    im->lines = lines_open(im->file, (size_t)im->config->max_batch_line_bytes, err);
    return im->lines ? 0 : err_wrap(err, "%s", im->file);
}

static int find_project(struct import *im, struct err *err)
{
    struct project_settings settings = {.refit_after_comparisons = -1, .refit_after_seconds = -1};
    struct buf document = {0};
    bool created;
    struct str name = str_of(im->project_name);
    if (project_find(im->pool, name, &im->project, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return -1;
    if (!im->create)
        return err_set(err, ERR_NOT_FOUND, "there is no project '%s'; --create makes it", im->project_name);
    int result = project_create(im->pool, name, &settings, &created, &document, err);
    buf_free(&document);
    return result < 0 ? -1 : project_find(im->pool, name, &im->project, err);
}

static int open_store(struct import *im, struct err *err)
{
    char conninfo[STORE_CONNINFO];
    if (store_conninfo(im->config, conninfo, sizeof conninfo, err) < 0 ||
        store_pool(im->config, conninfo, "egalign import", &im->pool, err) < 0 || find_project(im, err) < 0)
        return -1;
    struct ingest_options options = {
        .conninfo = conninfo,
        .writers = 1,
        .group_rows = (int)im->config->ingest_group_rows,
        .queue_rows = (int)im->config->ingest_queue_rows,
        .deadline_ms = BATCH_DEADLINE_MS,
    };
    if (ingest_start(&options, &im->ingest, err) < 0)
        return -1;
    return ingest_batch_open(im->ingest, im->on_error != NULL, ERRORS_SHOWN, &im->batch, err);
}

/* ---- lines ---- */

/* One line into the batch: refused ones are listed there. */
static int take_line(struct import *im, const struct ndjson_line *line, struct err *err)
{
    struct record record;
    struct judgement judgement;
    struct err why = {0};
    int result;
    if (format_read_line(im->format, line->text, line->length, &im->options, &record, &im->arena, &why) < 0 ||
        judgement_of_record(&record, &im->project, NULL, &im->arena, &judgement, &why) < 0) {
        why.line = line->number;
        ingest_batch_reject(im->batch, &why);
        result = 0;
    } else {
        result = ingest_batch_add(im->batch, &judgement, line->number, err);
    }
    arena_free(&im->arena);
    return result;
}

static void show_progress(struct import *im, long line)
{
    int64_t size = lines_size(im->lines), offset = lines_offset(im->lines);
    if (size > 0)
        progress_show(&im->progress, "reading %3d %%, %ld lines", (int)(100 * offset / size), line);
    else
        progress_show(&im->progress, "reading, %ld lines", line);
}

/* A file that cannot be read on, or a line that cannot be cut, ends the import. */
static int read_all(struct import *im, struct err *err)
{
    struct ndjson_line line;
    int got;
    while ((got = lines_next(im->lines, &line, err)) > 0) {
        if (take_line(im, &line, err) < 0)
            return -1;
        show_progress(im, line.number);
    }
    if (got < 0)
        return err->line > 0 ? err_wrap(err, "%s, line %ld", im->file, err->line) : err_wrap(err, "%s", im->file);
    return ingest_batch_finish(im->batch, &im->report, err);
}

/* ---- the end ---- */

static void print_json(const struct import *im)
{
    struct buf out = {0};
    json_open(&out, '{');
    json_member_int(&out, "accepted", im->report.accepted);
    json_member_int(&out, "duplicate", im->report.duplicate);
    json_member_int(&out, "rejected", im->report.rejected);
    json_key(&out, "errors");
    json_open(&out, '[');
    for (int i = 0; i < im->report.error_count; i++)
        json_put_line_error(&out, &im->report.errors[i].err);
    json_close(&out, ']');
    json_close(&out, '}');
    printf("%s\n", out.failed ? "{}" : out.data);
    buf_free(&out);
}

static void print_text(const struct import *im, bool stored)
{
    for (int i = 0; i < im->report.error_count; i++) {
        const struct err *e = &im->report.errors[i].err;
        fprintf(stderr, "%s:%ld: %s%s%s\n", im->file, e->line, e->pointer, *e->pointer ? ": " : "", e->message);
    }
    if (im->report.rejected > im->report.error_count)
        fprintf(stderr, "and %lld more\n", (long long)im->report.rejected - im->report.error_count);
    if (stored)
        printf("%lld comparisons stored, %lld were there already, %lld lines refused.\n",
               (long long)im->report.accepted, (long long)im->report.duplicate, (long long)im->report.rejected);
    else
        printf("Nothing stored: %lld lines are not acceptable. Correct them, or use --on-error skip.\n",
               (long long)im->report.rejected);
}

/* 0 unless an all-or-nothing import was refused. */
static int report(const struct import *im)
{
    bool stored = im->on_error || im->report.rejected == 0;
    if (im->json)
        print_json(im);
    else
        print_text(im, stored);
    return stored ? 0 : 1;
}

static int run(struct import *im, struct err *err)
{
    int result = -1;
    if (check(im, err) == 0 && open_file(im, err) == 0 && open_store(im, err) == 0)
        result = read_all(im, err);
    progress_end(&im->progress);
    if (result == 0)
        result = report(im);
    ingest_batch_free(im->batch);
    ingest_free(im->ingest);
    pool_free(im->pool);
    lines_close(im->lines);
    arena_free(&im->arena);
    return result;
}

int command_import(int argc, char **argv)
{
    struct import im = {0};
    struct config config;
    struct err err;
    const struct argument own[] = {
        {.name = "--project", .value = &im.project_name},
        {.name = "--format", .value = &im.format_name},
        {.name = "--annotator-field", .value = &im.annotator_field},
        {.name = "--on-error", .value = &im.on_error},
        {.name = "--create", .given = &im.create},
        {.name = "--anonymous", .given = &im.anonymous},
        {.name = "--json", .given = &im.json},
        {.name = NULL},
    };
    if (arguments_help(argc, argv, usage, CONFIG_STORE | CONFIG_LIMITS))
        return 0;
    int left = argc - 1;
    if (arguments_take(own, &left, argv + 1, &im.file, 1, &err) < 0 || config_load(&config, left, argv + 1, &err) < 0)
        return command_failed(argv[0], &err);
    im.config = &config;
    int status = run(&im, &err);
    config_free(&config);
    return status < 0 ? command_failed(argv[0], &err) : status;
}
