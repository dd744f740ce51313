/* egalign fit: finds the groups of taste in a file of comparisons, offline, with the engine that the service uses. */
#include "cli/command.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/fit_load.h"
#include "cli/fit_print.h"
#include "cli/language_model.h"
#include "core/blas.h"
#include "core/lm/checkpoint_digest.h"

static const char help[] =
    "usage: egalign fit [OPTION...] FILE\n\n"
    "Finds the groups of taste in FILE (\"-\": standard input), gzipped or not: one JSON object a line, either\n"
    "  {\"annotator\", \"prompt\", \"chosen\", \"rejected\"}   (a tie: \"a\" and \"b\" instead of the last two)\n"
    "or the own lines of `egalign export`. Other members are ignored. Nothing leaves this machine.\n\n"
    "  --json                 print everything as one JSON object instead of a table\n"
    "  --seed N               seed of every random choice (1); the same seed gives the same result\n"
    "  --k N                  fit N groups instead of choosing their number\n"
    "  --k-max N              most groups considered, 1 to 12 (5)\n"
    "  --restarts N           starts of EM; the best run counts (4)\n"
    "  --iterations N         most EM iterations of a run (100)\n"
    "  --ridge X              L2 penalty; chosen on held-out items when not given\n"
    "  --assignment NAME      soft (default), or hard: EM with hard assignment and round-robin start\n"
    "  --ties NAME            davidson (default), or half: half a win for each\n"
    "  --min-group-size X     a group of fewer annotators is dropped (2)\n"
    "  --min-comparisons N    annotators with fewer comparisons are unassigned (10)\n"
    "  --assign-threshold X   least posterior of an assigned annotator, 0.5 to 1 (0.8)\n"
    "  --permutations N       permutations in the test for more than one group; 0: no test (19)\n"
    "  --significance X       p-value that more than one group needs (0.05)\n"
    "  --folds N              item-disjoint folds for the penalty and the accuracies (5)\n"
    "  --fold-unit NAME       what folds must not share: item (default), or pair: new judgements of known items\n"
    "  --strength-weights     weigh a comparison by its strength\n"
    "  --encoder NAME         hashed (default): counts of words and style; lm: hidden states of a language model\n"
    "  --model DIR            the model of --encoder lm, a Hugging Face directory (GPT-2 or LLaMA)\n"
    "  --buckets N            hashed dimensions of the text features (256)\n"
    "  --annotator-field F    dotted path of the member that names the annotator (annotator)\n"
    "  --anonymous            lines without an annotator are all by one; no groups can be found then\n"
    "  --threads N            threads (the cores of this machine, 8 at most); the result does not depend on it\n\n"
    "Exit status: 0 done, 1 the file or the fit failed, 2 the command line is not usable.\n";

struct arguments {
    struct fit_options options;
    struct fit_load load;
    const char *encoder, *model; /* NULL: not given */
    struct language_model lm;
    const char *path;
    bool json, help;
};

enum kind { WHOLE, REAL, NAMED, TEXT, SWITCH };

struct option {
    const char *name;
    enum kind kind;
    void *target;              /* int, double, int (an enum), const char * or bool */
    int (*of)(const char *);   /* NAMED */
};

static int set_option(const struct option *o, const char *value, struct err *err)
{
    int64_t whole;
    int named;
    switch (o->kind) {
    case WHOLE:
        if (!str_to_int64(str_of(value), &whole) || whole < INT32_MIN || whole > INT32_MAX)
            return err_set(err, ERR_USAGE, "--%s needs a whole number, not '%s'", o->name, value);
        *(int *)o->target = (int)whole;
        return 0;
    case REAL:
        if (!str_to_double(str_of(value), o->target))
            return err_set(err, ERR_USAGE, "--%s needs a number, not '%s'", o->name, value);
        return 0;
    case NAMED:
        named = o->of(value);
        if (named < 0)
            return err_set(err, ERR_USAGE, "--%s does not know '%s'", o->name, value);
        *(int *)o->target = named;
        return 0;
    case TEXT:
        *(const char **)o->target = value;
        return 0;
    case SWITCH:
        *(bool *)o->target = true;
        return 0;
    }
    return 0;
}

/* One word of the command line that begins with "--"; *i moves on when it takes the next word as its value. */
static int take_option(const struct option *table, int n, int argc, char **argv, int *i, struct err *err)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    for (int j = 0; j < n; j++) {
        if (strlen(table[j].name) != length || memcmp(table[j].name, name, length) != 0)
            continue;
        if (table[j].kind == SWITCH)
            return equals ? err_set(err, ERR_USAGE, "--%s takes no value", table[j].name)
                          : set_option(&table[j], "", err);
        if (equals)
            return set_option(&table[j], equals + 1, err);
        if (*i + 1 == argc)
            return err_set(err, ERR_USAGE, "--%s needs a value", table[j].name);
        return set_option(&table[j], argv[++*i], err);
    }
    return err_set(err, ERR_USAGE, "there is no option '%s'; see egalign fit --help", argv[*i]);
}

static int parse(int argc, char **argv, struct arguments *a, struct err *err)
{
    struct fit_options *o = &a->options;
    int seed = 1;
    const struct option table[] = {
        {"json", SWITCH, &a->json, NULL},
        {"help", SWITCH, &a->help, NULL},
        {"seed", WHOLE, &seed, NULL},
        {"k", WHOLE, &o->k, NULL},
        {"k-max", WHOLE, &o->k_max, NULL},
        {"restarts", WHOLE, &o->restarts, NULL},
        {"iterations", WHOLE, &o->iterations, NULL},
        {"ridge", REAL, &o->ridge, NULL},
        {"assignment", NAMED, &o->assignment, assignment_of},
        {"ties", NAMED, &o->ties, tie_model_of},
        {"min-group-size", REAL, &o->min_group_size, NULL},
        {"min-comparisons", WHOLE, &o->min_comparisons, NULL},
        {"assign-threshold", REAL, &o->assign_threshold, NULL},
        {"permutations", WHOLE, &o->permutations, NULL},
        {"significance", REAL, &o->significance, NULL},
        {"folds", WHOLE, &o->folds, NULL},
        {"fold-unit", NAMED, &o->fold_unit, fold_unit_of},
        {"strength-weights", SWITCH, &o->strength_weights, NULL},
        {"encoder", TEXT, &a->encoder, NULL},
        {"model", TEXT, &a->model, NULL},
        {"buckets", WHOLE, &a->load.buckets, NULL},
        {"annotator-field", TEXT, &a->load.annotator_field, NULL},
        {"anonymous", SWITCH, &a->load.anonymous, NULL},
        {"threads", WHOLE, &o->threads, NULL},
    };
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0 && argv[i][2]) {
            if (take_option(table, sizeof table / sizeof table[0], argc, argv, &i, err) < 0)
                return -1;
        } else if (a->path) {
            return err_set(err, ERR_USAGE, "one FILE at a time; '%s' is a second one", argv[i]);
        } else {
            a->path = argv[i];
        }
    }
    o->seed = (uint64_t)seed;
    return 0;
}

/* What the parsing of single words cannot see. */
static int check(struct arguments *a, struct err *err)
{
    if (!a->path)
        return err_set(err, ERR_USAGE, "FILE is missing; see egalign fit --help");
    if (a->encoder && strcmp(a->encoder, "hashed") != 0 && strcmp(a->encoder, "lm") != 0)
        return err_set(err, ERR_USAGE, "--encoder is hashed or lm, not '%s'", a->encoder);
    if ((a->encoder && strcmp(a->encoder, "lm") == 0) != (a->model != NULL))
        return err_set(err, ERR_USAGE, "--encoder lm and --model DIR need each other");
    if (a->load.buckets != 0 && (a->load.buckets < 16 || a->load.buckets > 65536))
        return err_set(err, ERR_USAGE, "--buckets must be between 16 and 65536");
    if (fit_options_check(&a->options, err) == 0)
        return 0;
    char message[sizeof err->message], name[sizeof err->pointer];
    snprintf(message, sizeof message, "%s", err->message);
    snprintf(name, sizeof name, "%s", err->pointer + 1);
    for (char *c = name; *c; c++)
        *c = *c == '_' ? '-' : *c;
    return err_set(err, ERR_USAGE, "--%s %s", name, message);
}

static bool show_progress(void *context, const struct fit_progress *p)
{
    int *shown = context, now = (int)(100 * p->fraction);
    if (now != *shown)
        fprintf(stderr, "\rfitting %3d %%, %s\033[K", now, p->phase);
    *shown = now;
    return true;
}

static int print(const struct arguments *a, const struct fit *f, struct err *err)
{
    struct buf out = {0};
    if (a->json)
        fit_print_json(&out, f, a->model, a->load.name);
    else
        fit_print_table(&out, f);
    bool whole = !out.failed && fwrite(out.data, 1, out.length, stdout) == out.length && fflush(stdout) == 0;
    buf_free(&out);
    return whole ? 0 : err_errno(err, "cannot write the result");
}

/* Opens the language model that encodes, where one does. */
static int open_encoder(struct arguments *a, struct err *err)
{
    uint8_t checkpoint[SHA256_SIZE];
    if (!a->model)
        return 0;
    if (language_model_start(&a->lm, a->options.threads, err) < 0 ||
        language_model_load(&a->lm, a->model, err) < 0 || checkpoint_digest(a->model, checkpoint, NULL, err) < 0)
        return -1;
    struct encode_options options = {.gemm = a->lm.gemm};
    encode_identity(checkpoint, &a->lm.model->shape, a->load.digest);
    a->load.dimension = encode_dimension(&a->lm.model->shape);
    return encode_open(a->lm.model, &a->lm.dialogue, &options, &a->load.encode, err);
}

static int run(struct arguments *a, struct err *err)
{
    struct fit *f = NULL;
    int shown = -1;
    bool terminal = isatty(STDERR_FILENO);
    a->load.show = terminal;
    if (open_encoder(a, err) < 0)
        return -1;
    if (fit_load(&a->load, a->path, err) < 0) {
        const char *path = strcmp(a->path, "-") == 0 ? "standard input" : a->path;
        if (err->line > 0)
            return err_wrap(err, "%s, line %ld%s%s", path, err->line, err->pointer[0] ? ", " : "", err->pointer);
        return err_wrap(err, "%s", path);
    }
    if (a->load.skips + a->load.identical > 0)
        fprintf(stderr, "egalign fit: left out %ld skipped comparisons and %ld of two equal texts\n", a->load.skips,
                a->load.identical);
    if (terminal) {
        a->options.progress = show_progress;
        a->options.context = &shown;
    }
    int failed = blas_start(err) < 0 || fit_run(a->load.ds, &a->options, &f, err) < 0;
    if (terminal)
        fprintf(stderr, "\r\033[K");
    if (!failed)
        failed = print(a, f, err) < 0;
    fit_free(f);
    return failed ? -1 : 0;
}

int command_fit(int argc, char **argv)
{
    struct arguments a = {0};
    struct err err;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    fit_options_default(&a.options);
    a.options.threads = cores < 1 ? 1 : cores > 8 ? 8 : (int)cores;
    if (parse(argc, argv, &a, &err) < 0)
        return command_failed("fit", &err);
    if (a.help) {
        fputs(help, stdout);
        return 0;
    }
    int failed = check(&a, &err) < 0 || run(&a, &err) < 0;
    fit_load_free(&a.load);
    encode_close(a.load.encode);
    language_model_close(&a.lm);
    return failed ? command_failed("fit", &err) : 0;
}
