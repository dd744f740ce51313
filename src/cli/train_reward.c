#include "cli/train_reward.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/fit_load.h"
#include "cli/language_model.h"
#include "core/align/reward_em.h"
#include "core/align/snapshot.h"
#include "core/lm/checkpoint.h"
#include "jobs/machine.h"
#include "core/reward/fit.h"
#include "jobs/reward_course.h"

static const char help[] =
    "usage: egalign train reward --data FILE --init DIR --out DIR [OPTION...]\n\n"
    "Fits the groups of taste in FILE (as egalign fit does, with hashed features), then fine-tunes the model in\n"
    "--init with a reward head for each group, every comparison counting for the groups as its annotator's posterior\n"
    "says. --out gets the model without the heads: an encoder for `egalign fit --encoder lm --model DIR` whose states\n"
    "tell what people prefer. Prints how well each head predicts comparisons on items that were held out. When it is\n"
    "stopped (SIGTERM, SIGINT, even kill -9), the same command goes on from the last checkpoint, to the same "
    "result.\n\n"
    "With --full each group gets a model of its own with one reward head, fine-tuned inside EM over the annotators\n"
    "(the paper's Algorithm 2), and all annotators together a single one: --out gets group-0, group-1, ... and\n"
    "single, and the held-out accuracy of both for each group is printed.\n\n"
    "  --full                 a model for each group instead of a head\n"
    "  --iterations N         most iterations of EM with --full (4); it ends sooner when the groups have settled\n"
    "  --assignment NAME      soft (default), or hard: each annotator wholly in the likeliest group\n"
    "  --start NAME           fit (default): from its posteriors; round-robin: annotator h in group h mod K\n"
    "  --k N                  fit N groups instead of choosing their number\n"
    "  --epochs X             how long (1)\n"
    "  --rate X               highest learning rate (0.00005)\n"
    "  --batch-tokens N       tokens of a step at most (4096)\n"
    "  --longest N            tokens of a sequence at most (the model's context, 1024 at most)\n"
    "  --frozen N             bottom blocks that are not trained (0)\n"
    "  --recompute            less memory, a third more time\n"
    "  --held-out X           share of the items that only test (0.1)\n"
    "  --centring X           pull of rewards towards 0 (0.01)\n"
    "  --seed N               of the heads, the order and what is held out (1)\n"
    "  --annotator-field F    dotted path of the member that names the annotator (annotator)\n"
    "  --checkpoint-every N   steps between checkpoints (by time: five minutes)\n"
    "  --threads N            (the cores of this machine, 8 at most); the result does not depend on it\n"
    "  --json                 print the result as one JSON object\n\n"
    "Exit status: 0 done, 1 failed, 2 the command line is not usable, 75 stopped by a signal, with a checkpoint.\n";

enum { STOPPED = 75 /* EX_TEMPFAIL of sysexits.h */, LONGEST = 1024, STREAM_HELD_OUT = 3 };
#define PROGRESS_NS (INT64_C(500) * 1000000)

/* The options as they were written. */
struct words {
    const char *k, *epochs, *rate, *batch, *longest, *frozen, *held_out, *centring, *seed, *checkpoint, *threads,
        *iterations, *assignment, *start;
};

static int parse_numbers(const struct words *w, struct reward *r, struct err *err)
{
    struct reward_options *o = &r->options;
    int64_t seed = 1, frozen = 0, batch = o->batch_tokens;
    if (option_whole("--k", w->k, 1, REWARD_HEADS_MAX, &r->k, err) < 0 ||
        option_real("--epochs", w->epochs, 1e-6, 1000, &o->epochs, err) < 0 ||
        option_real("--rate", w->rate, 1e-9, 0.9, &o->rate, err) < 0 ||
        option_whole("--batch-tokens", w->batch, 8, 1 << 22, &batch, err) < 0 ||
        option_whole("--longest", w->longest, 4, 1 << 17, &r->longest, err) < 0 ||
        option_whole("--frozen", w->frozen, 0, 1000, &frozen, err) < 0 ||
        option_real("--held-out", w->held_out, 0, 0.9, &r->held_out, err) < 0 ||
        option_real("--centring", w->centring, 0, 100, &o->centring, err) < 0 ||
        option_whole("--seed", w->seed, 0, INT64_MAX, &seed, err) < 0 ||
        option_whole("--checkpoint-every", w->checkpoint, 1, INT32_MAX, &r->checkpoint_every, err) < 0 ||
        option_whole("--threads", w->threads, 1, 256, &r->threads, err) < 0)
        return -1;
    if (option_whole("--iterations", w->iterations, 1, 1000, &r->iterations, err) < 0)
        return -1;
    o->batch_tokens = (int)batch;
    o->frozen = (int)frozen;
    o->seed = (uint64_t)seed;
    return 0;
}

static int parse_names(const struct words *w, struct reward *r, struct err *err)
{
    int assignment = w->assignment ? assignment_of(w->assignment) : ASSIGNMENT_SOFT;
    if (!r->full && (w->iterations || w->assignment || w->start))
        return err_set(err, ERR_USAGE, "--iterations, --assignment and --start are for --full");
    if (assignment < 0)
        return err_set(err, ERR_USAGE, "--assignment is soft or hard");
    if (w->start && strcmp(w->start, "fit") != 0 && strcmp(w->start, "round-robin") != 0)
        return err_set(err, ERR_USAGE, "--start is fit or round-robin");
    r->assignment = (enum assignment)assignment;
    r->round_robin = w->start && strcmp(w->start, "round-robin") == 0;
    return 0;
}

static int parse(int argc, char **argv, struct reward *r, struct err *err)
{
    struct words w = {0};
    *r = (struct reward){.held_out = 0.1, .iterations = 4};
    r->options = reward_options_default((struct gemm){NULL, NULL});
    const struct argument own[] = {{"--data", &r->file, NULL},
                                   {"--init", &r->init, NULL},
                                   {"--out", &r->out, NULL},
                                   {"--k", &w.k, NULL},
                                   {"--epochs", &w.epochs, NULL},
                                   {"--rate", &w.rate, NULL},
                                   {"--batch-tokens", &w.batch, NULL},
                                   {"--longest", &w.longest, NULL},
                                   {"--frozen", &w.frozen, NULL},
                                   {"--recompute", NULL, &r->options.recompute},
                                   {"--held-out", &w.held_out, NULL},
                                   {"--centring", &w.centring, NULL},
                                   {"--seed", &w.seed, NULL},
                                   {"--annotator-field", &r->load.annotator_field, NULL},
                                   {"--checkpoint-every", &w.checkpoint, NULL},
                                   {"--threads", &w.threads, NULL},
                                   {"--full", NULL, &r->full},
                                   {"--iterations", &w.iterations, NULL},
                                   {"--assignment", &w.assignment, NULL},
                                   {"--start", &w.start, NULL},
                                   {"--json", NULL, &r->json},
                                   {"--help", NULL, &r->help},
                                   {NULL, NULL, NULL}};
    argc--;
    if (arguments_take(own, &argc, argv + 1, NULL, 0, err) < 0)
        return -1;
    if (argc > 0)
        return err_set(err, ERR_USAGE, "%s is not an option; see egalign train reward --help", argv[1]);
    if (!r->help && (!r->file || !r->init || !r->out))
        return err_set(err, ERR_USAGE, "--data, --init and --out are needed; see egalign train reward --help");
    return parse_names(&w, r, err) < 0 ? -1 : parse_numbers(&w, r, err);
}

/* The groups, by hashed features: the same file and options give the same ones again. */
static int find_groups(struct reward *r, struct err *err)
{
    struct fit_options o;
    fit_options_default(&o);
    o.k = (int)r->k;
    o.threads = threads_count(r->lm.threads);
    r->load.keep = true;
    if (fit_load(&r->load, r->file, err) < 0)
        return err->line > 0 ? err_wrap(err, "%s, line %ld", r->file, err->line) : err_wrap(err, "%s", r->file);
    if (fit_run(r->load.ds, &o, &r->fit, err) < 0)
        return -1;
    if (!r->json)
        printf("%s\n", r->fit->reason);
    return 0;
}

bool train_reward_held_out(const struct reward *r, int item)
{
    struct rng rng;
    rng_init(&rng, r->options.seed, (uint64_t)STREAM_HELD_OUT << 32 | (uint32_t)item);
    return rng_uniform(&rng) < r->held_out;
}

static int take_judgements(struct reward *r, struct err *err)
{
    const struct fit_load *l = &r->load;
    struct reward_judgement *j = mem_array((size_t)l->comparisons + 1, sizeof *j);
    if (!j)
        return err_memory(err);
    for (int i = 0; i < l->comparisons; i++) {
        const struct comparison *c = &l->comparison[i];
        j[i] = (struct reward_judgement){
            .first = c->a,
            .second = c->b,
            .preference = c->outcome == CHOICE_A ? 1 : c->outcome == CHOICE_B ? 0 : 0.5,
            .weight = r->fit->annotator[c->annotator].posterior,
            .held_out = train_reward_held_out(r, l->text[c->a].item),
        };
    }
    int result = reward_data_judge(&r->data, l->comparisons, j, err);
    mem_free(j);
    return result;
}

static int make_data(struct reward *r, struct err *err)
{
    int context = r->lm.model->shape.context, longest = r->longest ? (int)r->longest : LONGEST;
    r->data.longest = longest < context ? longest : context;
    r->data.heads = r->fit->k;
    if (r->options.batch_tokens < 2 * r->data.longest)
        r->options.batch_tokens = 2 * r->data.longest;
    for (int i = 0; i < r->load.texts; i++)
        if (reward_data_add(&r->data, &r->lm.dialogue, r->load.text[i].prompt, r->load.text[i].response, err) < 0)
            return -1;
    return r->full ? 0 : take_judgements(r, err);
}

static int prepare(struct reward *r, struct err *err)
{
    char path[PATH_MAX];
    r->terminal = isatty(STDERR_FILENO) && !r->json;
    if (snapshot_path(path, r->out, r->full ? "single/model.safetensors" : "model.safetensors", err) < 0)
        return -1;
    if (access(path, F_OK) == 0)
        return err_set(err, ERR_CONFLICT, "%s holds a model already; give another --out", r->out);
    if (language_model_start(&r->lm, (int)r->threads, err) < 0 || find_groups(r, err) < 0 ||
        language_model_load(&r->lm, r->init, err) < 0 || make_data(r, err) < 0)
        return -1;
    r->options.gemm = r->lm.gemm;
    if (r->full) {
        if (machine_fits(reward_em_bytes(&r->lm.model->shape, &r->data, &r->options, r->fit->k), err) < 0)
            return -1;
    } else {
        r->model = reward_model_new(r->lm.model, r->data.heads, r->options.seed, err);
        if (!r->model || machine_fits(reward_trainer_bytes(&r->model->shape, &r->data, &r->options), err) < 0)
            return -1;
    }
    return mkdir(r->out, 0777) == 0 || errno == EEXIST ? 0 : err_errno(err, "cannot make %s", r->out);
}

static int show(const struct reward_course *c, struct err *err)
{
    (void)err;
    struct reward *r = c->context;
    int64_t now = clock_mono_ns();
    if (!r->terminal || now - r->shown_ns < PROGRESS_NS)
        return 0;
    double left = pace_left(&c->pace);
    fprintf(stderr, "\r\033[Kstep %" PRId64 " of %" PRId64 "  loss %.3f  accuracy %.3f  %.0f tokens/s  "
            "%.0f:%02.0f left", c->last.step, c->pace.steps, c->loss, c->accuracy,
            pace_speed(&c->pace), floor(left / 60), fmod(left, 60));
    r->shown_ns = now;
    return 0;
}

static void print_table(const struct reward *r, const struct reward_course *c, const struct reward_accuracy *a)
{
    printf("%" PRId64 " steps, loss %.4f, %.0f tokens/s\n\n group  annotators   held-out accuracy    log-loss"
           "  judgements\n", c->last.step, c->loss, pace_speed(&c->pace));
    for (int u = 0; u < r->data.heads; u++)
        printf(" %5d  %10d   %5.1f %% (%4.1f-%4.1f)   %8.4f  %10.1f\n", u, r->fit->group[u].size,
               100 * a[u].right.value, 100 * a[u].right.low, 100 * a[u].right.high, a[u].loss, a[u].right.n);
    printf("\n%s holds the encoder\n", r->out);
}

static void print_json(const struct reward *r, const struct reward_course *c, const struct reward_accuracy *a)
{
    struct buf out = {0};
    json_open(&out, '{');
    json_member_real(&out, "steps", (double)c->last.step);
    json_member_real(&out, "loss", c->loss);
    json_member_real(&out, "tokens_per_second", pace_speed(&c->pace));
    json_key(&out, "groups");
    json_open(&out, '[');
    for (int u = 0; u < r->data.heads; u++) {
        json_open(&out, '{');
        json_member_real(&out, "size", r->fit->group[u].size);
        reward_accuracy_write(&out, &a[u]);
        json_close(&out, '}');
    }
    json_close(&out, ']');
    json_close(&out, '}');
    printf("%s\n", out.failed ? "{}" : out.data);
    buf_free(&out);
}

/* The model without its heads, with the tokenizer and the template of the one it was made from. */
static int finish(struct reward *r, struct reward_course *c, struct err *err)
{
    struct reward_accuracy accuracy[REWARD_HEADS_MAX];
    if (reward_trainer_held_out(c->trainer, accuracy, err) < 0)
        return -1;
    struct lm_model *encoder = lm_model_copy(r->model, 0, err);
    int result = encoder ? 0 : -1;
    if (result == 0 && dialogue_save(&r->lm.dialogue, r->out, err) == 0)
        result = checkpoint_save(encoder, r->out, r->init, DTYPE_F32, err);
    lm_model_free(encoder);
    if (result < 0 || snapshot_forget(r->out, err) < 0)
        return -1;
    (r->json ? print_json : print_table)(r, c, accuracy);
    return 0;
}

static int run(struct reward *r, const volatile sig_atomic_t *stop, struct err *err)
{
    struct reward_course c = {.pace = {.folder = r->out, .checkpoint_every = r->checkpoint_every, .stop = stop},
                              .stepped = show,
                              .context = r};
    c.trainer = reward_trainer_new(r->model, &r->data, &r->options, err);
    int result = c.trainer ? reward_course_begin(&c, err) : -1;
    if (result == 0 && !r->json)
        printf("%s %d pairs of %d responses, %" PRId64 " steps%s\n", c.pace.resumed ? "Going on:" : "Training:",
               r->data.pair_count, r->data.count, c.pace.steps, c.pace.resumed ? " in all" : "");
    if (result == 0)
        result = reward_course_run(&c, err);
    if (r->terminal)
        fprintf(stderr, "\r\033[K");
    if (result == 0)
        result = finish(r, &c, err);
    reward_trainer_free(c.trainer);
    return result;
}

int train_reward(int argc, char **argv, const volatile sig_atomic_t *stop)
{
    struct reward r;
    struct err err = {0};
    int result = parse(argc, argv, &r, &err);
    if (result == 0 && r.help) {
        fputs(help, stdout);
        return 0;
    }
    if (result == 0)
        result = prepare(&r, &err) < 0 ? -1 : (r.full ? train_reward_full : run)(&r, stop, &err);
    reward_data_free(&r.data);
    lm_model_free(r.model);
    fit_free(r.fit);
    fit_load_free(&r.load);
    language_model_close(&r.lm);
    if (result < 0)
        return command_failed("train", &err);
    if (result > 0)
        fprintf(stderr, "egalign train: stopped; the same command goes on from the checkpoint in %s\n", r.out);
    return result > 0 ? STOPPED : 0;
}
