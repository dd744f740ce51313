/* egalign lab: runs a synthetic experiment and says whether its figures are where they must be. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json_text.h"
#include "base/str.h"
#include "cli/lab_sweep.h"
#include "core/blas.h"
#include "core/lab/lab.h"

struct arguments {
    const char *id;
    int64_t seed, repeats, seeds;
    bool json;
};

static int usage(FILE *out)
{
    const char *title;
    fprintf(out, "usage: egalign lab ID [--seed N] [--repeats N] [--json]\n"
                 "       egalign lab sweep [--seed N] [--seeds N] [--json]\n\nRuns a synthetic experiment of known "
                 "truth and prints each figure with its target. Experiments:\n");
    for (int i = 0; lab_list(i, &title); i++)
        fprintf(out, "  %-4s %s\n", lab_list(i, NULL), title);
    fprintf(out, "\nsweep compares the single reward with max-min at majority:minority 1:1, 2:1, 6:1 and 10:1:\n"
                 "true win rates of both groups, means and 95 %% intervals over the seeds (--seeds, 5 when absent).\n"
                 "--repeats changes the number of seeds behind a figure (the targets hold for the default).\n"
                 "Exit status: 0 all figures within target, 1 not, 2 the command line is not usable.\n");
    return out == stdout ? 0 : 2;
}

static int parse(int argc, char **argv, struct arguments *a, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        int64_t *number = strcmp(argv[i], "--seed") == 0      ? &a->seed
                          : strcmp(argv[i], "--repeats") == 0 ? &a->repeats
                          : strcmp(argv[i], "--seeds") == 0   ? &a->seeds
                                                              : NULL;
        if (number) {
            if (++i == argc || !str_to_int64(str_of(argv[i]), number) || *number < 0 || *number > 1000000)
                return err_set(err, ERR_USAGE, "%s needs a whole number from 0 to 1000000", argv[i - 1]);
        } else if (strcmp(argv[i], "--json") == 0) {
            a->json = true;
        } else if (argv[i][0] == '-' || a->id) {
            return err_set(err, ERR_USAGE, "'%s' is not understood; see egalign lab --help", argv[i]);
        } else {
            a->id = argv[i];
        }
    }
    if (!a->id)
        return err_set(err, ERR_USAGE, "the experiment is missing; see egalign lab --help");
    bool sweep = strcmp(a->id, "sweep") == 0;
    if (sweep ? a->repeats > 0 : a->seeds > 0)
        return err_set(err, ERR_USAGE, "--seeds is for the sweep, --repeats for the experiments");
    return 0;
}

static bool is_within(const struct lab_figure *f)
{
    return f->value >= f->low && f->value <= f->high;
}

static void print_table(const struct lab_result *r)
{
    printf("%s: %s\n", r->id, r->title);
    for (int i = 0; i < r->figures; i++) {
        const struct lab_figure *f = &r->figure[i];
        printf("  %-52s %10.6g", f->name, f->value);
        if (f->judged)
            printf("   target %.4g .. %.4g   %s", f->low, f->high, is_within(f) ? "within" : "OUTSIDE");
        printf("\n");
    }
    printf("%s\n", r->within ? "within target" : "outside target");
}

static void print_json(const struct lab_result *r)
{
    struct buf out = {0};
    json_open(&out, '{');
    json_member_text(&out, "id", r->id);
    json_member_text(&out, "title", r->title);
    json_member_bool(&out, "within", r->within);
    json_key(&out, "figures");
    json_open(&out, '[');
    for (int i = 0; i < r->figures; i++) {
        const struct lab_figure *f = &r->figure[i];
        json_open(&out, '{');
        json_member_text(&out, "name", f->name);
        json_member_real(&out, "value", f->value);
        json_member_real(&out, "low", f->low);
        json_member_real(&out, "high", f->high);
        json_member_bool(&out, "judged", f->judged);
        json_member_bool(&out, "within", is_within(f));
        json_close(&out, '}');
    }
    json_close(&out, ']');
    json_close(&out, '}');
    if (!out.failed)
        puts(out.data);
    buf_free(&out);
}

/* A line on a terminal that says where the experiment is. */
static void show(void *context, double fraction, const char *text)
{
    (void)context;
    fprintf(stderr, "\r\033[K%3.0f %%  %s", 100 * fraction, text);
}

/* Runs what is asked, with a line of progress on a terminal. */
static int run(const struct arguments *a, struct lab_result *result, struct ratio_row *rows, struct err *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int threads = cores >= 2 ? 2 : 1;
    struct lab_watch shown = {.tell = show}, *watch = isatty(STDERR_FILENO) ? &shown : NULL;
    int failed = blas_start(err);
    if (failed == 0 && rows)
        failed = ratios_run((uint64_t)a->seed, (int)a->seeds, threads, watch, rows, err);
    else if (failed == 0)
        failed = lab_run(a->id, (uint64_t)a->seed, (int)a->repeats, threads, watch, result, err);
    if (watch)
        fprintf(stderr, "\r\033[K");
    return failed;
}

int command_lab(int argc, char **argv)
{
    struct arguments a = {.seed = 1};
    struct lab_result result;
    struct ratio_row rows[RATIOS];
    struct err err;
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout);
    if (parse(argc, argv, &a, &err) < 0)
        return command_failed("lab", &err);
    bool sweep = strcmp(a.id, "sweep") == 0;
    a.seeds = a.seeds > 0 ? a.seeds : 5;
    if (run(&a, &result, sweep ? rows : NULL, &err) < 0) {
        command_failed("lab", &err);
        return err.code == ERR_NOT_FOUND ? 2 : 1;
    }
    if (sweep) {
        lab_sweep_print(rows, a.json);
        return 0;
    }
    if (a.json)
        print_json(&result);
    else
        print_table(&result);
    return result.within ? 0 : 1;
}
