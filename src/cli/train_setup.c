#include "cli/train_setup.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/arguments.h"
#include "core/lm/bpe_train.h"
#include "jobs/machine.h"
#include "jobs/sft_course.h"

/* The options as they were written. */
struct words {
    const char *data, *init, *new_shape, *out, *steps, *epochs, *vocabulary, *context, *batch, *longest, *rate,
        *warm_up, *decay, *held_out, *template, *frozen, *store, *seed, *evaluate, *checkpoint, *threads,
        *lora, *alpha;
};

static int parse_shape(const char *text, struct train *t, struct err *err)
{
    int used = 0;
    struct sft_start *s = &t->start;
    if (sscanf(text, "%4dx%6d%n", &s->layers, &s->width, &used) != 2 || text[used] || s->layers < 1 ||
        s->layers > 1000 || s->width < SFT_START_WIDTH || s->width % SFT_START_WIDTH)
        return err_set(err, ERR_USAGE, "--new is LAYERSxWIDTH, such as 6x256; the width is a multiple of %d",
                       SFT_START_WIDTH);
    return 0;
}

/* A copy of `text` in which \n is a new line. */
static char *unescape(const char *text)
{
    char *copy = mem_strdup(text), *to = copy;
    for (const char *p = text; copy && *p; p++) {
        bool line = p[0] == '\\' && p[1] == 'n';
        *to++ = line ? '\n' : *p;
        p += line;
    }
    if (copy)
        *to = '\0';
    return copy;
}

static int parse_numbers(const struct words *w, struct train *t, struct err *err)
{
    struct sft_options *o = &t->options;
    struct sft_start *s = &t->start;
    int64_t seed = 1, frozen = 0, batch = 4096;
    if (option_whole("--steps", w->steps, 1, INT32_MAX, &o->steps, err) < 0 ||
        option_real("--epochs", w->epochs, 1e-6, 10000, &o->epochs, err) < 0 ||
        option_whole("--vocabulary", w->vocabulary, BPE_TRAIN_LEAST, 1 << 20, &s->vocabulary, err) < 0 ||
        option_whole("--context", w->context, 2, 1 << 17, &s->context, err) < 0 ||
        option_whole("--batch-tokens", w->batch, 2, 1 << 22, &batch, err) < 0 ||
        option_whole("--longest", w->longest, 2, 1 << 17, &s->longest, err) < 0 ||
        option_real("--rate", w->rate, 1e-9, 0.9, &o->rate, err) < 0 ||
        option_real("--warm-up", w->warm_up, 0, 1, &o->warm_up, err) < 0 ||
        option_real("--weight-decay", w->decay, 0, 10, &o->weight_decay, err) < 0 ||
        option_real("--held-out", w->held_out, 0, 0.5, &s->held_out, err) < 0 ||
        option_whole("--frozen", w->frozen, 0, 1000, &frozen, err) < 0 ||
        option_whole("--seed", w->seed, 0, INT64_MAX, &seed, err) < 0 ||
        option_whole("--evaluate-every", w->evaluate, 1, INT32_MAX, &t->evaluate_every, err) < 0 ||
        option_whole("--checkpoint-every", w->checkpoint, 1, INT32_MAX, &t->checkpoint_every, err) < 0 ||
        option_whole("--lora", w->lora, 1, LORA_MAX_RANK, &t->lora, err) < 0 ||
        option_real("--lora-alpha", w->alpha, 1e-6, 1e6, &t->lora_alpha, err) < 0 ||
        option_whole("--threads", w->threads, 1, 256, &t->threads, err) < 0)
        return -1;
    o->batch_tokens = (int)batch;
    o->frozen = (int)frozen;
    o->seed = s->seed = (uint64_t)seed;
    return 0;
}

static int check_words(const struct words *w, const struct train *t, const char *kind, struct err *err)
{
    if (!kind || strcmp(kind, "sft") != 0)
        return err_set(err, ERR_USAGE, "what to train is missing: egalign train sft; see egalign train --help");
    if (!w->data || !w->out || !w->init == !w->new_shape)
        return err_set(err, ERR_USAGE,
                       "--data, --out and one of --init and --new are needed; see egalign train --help");
    if (w->steps && w->epochs)
        return err_set(err, ERR_USAGE, "--steps and --epochs contradict each other");
    if (w->init && (w->vocabulary || w->context))
        return err_set(err, ERR_USAGE, "--vocabulary and --context are for --new");
    if (!w->lora && (w->alpha || t->matrices || t->merge))
        return err_set(err, ERR_USAGE, "--lora-alpha, --lora-matrices and --merge are for --lora");
    if (w->lora && w->new_shape)
        return err_set(err, ERR_USAGE, "--lora adapts the model of --init");
    if (w->lora && !t->merge && (w->template || w->store))
        return err_set(err, ERR_USAGE, "adapters have neither --template nor --store of their own, but with --merge");
    if (w->store && strcmp(w->store, "fp32") != 0 && strcmp(w->store, "bf16") != 0)
        return err_set(err, ERR_USAGE, "--store is fp32 or bf16");
    return 0;
}

int train_parse(int argc, char **argv, struct train *t, struct err *err)
{
    struct words w = {0};
    const char *kind = NULL;
    bool recompute = false;
    *t = (struct train){0};
    const struct argument own[] = {{"--data", &w.data, NULL},
                                   {"--init", &w.init, NULL},
                                   {"--new", &w.new_shape, NULL},
                                   {"--out", &w.out, NULL},
                                   {"--steps", &w.steps, NULL},
                                   {"--epochs", &w.epochs, NULL},
                                   {"--vocabulary", &w.vocabulary, NULL},
                                   {"--context", &w.context, NULL},
                                   {"--batch-tokens", &w.batch, NULL},
                                   {"--longest", &w.longest, NULL},
                                   {"--rate", &w.rate, NULL},
                                   {"--warm-up", &w.warm_up, NULL},
                                   {"--weight-decay", &w.decay, NULL},
                                   {"--held-out", &w.held_out, NULL},
                                   {"--template", &w.template, NULL},
                                   {"--frozen", &w.frozen, NULL},
                                   {"--recompute", NULL, &recompute},
                                   {"--store", &w.store, NULL},
                                   {"--seed", &w.seed, NULL},
                                   {"--evaluate-every", &w.evaluate, NULL},
                                   {"--checkpoint-every", &w.checkpoint, NULL},
                                   {"--lora", &w.lora, NULL},
                                   {"--lora-alpha", &w.alpha, NULL},
                                   {"--lora-matrices", &t->matrices, NULL},
                                   {"--merge", NULL, &t->merge},
                                   {"--backend", &t->backend, NULL},
                                   {"--threads", &w.threads, NULL},
                                   {"--json", NULL, &t->json},
                                   {NULL, NULL, NULL}};
    argc--;
    if (arguments_take(own, &argc, argv + 1, &kind, 1, err) < 0)
        return -1;
    if (argc > 0)
        return err_set(err, ERR_USAGE, "%s is not an option; see egalign train --help", argv[1]);
    if (check_words(&w, t, kind, err) < 0)
        return -1;
    sft_start_default(&t->start);
    sft_options_default(!w.init, &t->options);
    t->options.recompute = recompute;
    if (w.lora)
        t->options.rate = SFT_LORA_RATE;
    t->start.init = w.init;
    t->start.read = sft_course_file;
    t->start.source = (void *)w.data; /* read only */
    t->out = w.out;
    t->store = w.store && strcmp(w.store, "bf16") == 0 ? DTYPE_BF16 : DTYPE_F32;
    if ((w.new_shape && parse_shape(w.new_shape, t, err) < 0) || parse_numbers(&w, t, err) < 0)
        return -1;
    t->start.template = t->template = w.template ? unescape(w.template) : NULL;
    return w.template && !t->template ? err_memory(err) : 0;
}

static int check_folder(const char *out, struct err *err)
{
    static const char *const results[] = {"model.safetensors", "adapter_model.safetensors"};
    char path[PATH_MAX];
    for (int i = 0; i < 2; i++) {
        if ((size_t)snprintf(path, sizeof path, "%s/%s", out, results[i]) >= sizeof path)
            return err_set(err, ERR_USAGE, "the name of --out is too long");
        if (access(path, F_OK) == 0)
            return err_set(err, ERR_CONFLICT, "%s holds a model already; give another --out", out);
    }
    return 0;
}

/* The adapters, when they are what is trained. */
static int make_adapters(struct train *t, struct err *err)
{
    const struct lm_shape *shape = &t->lm.model->shape;
    struct lora_wanted wanted = {.rank = (int)t->lora, .alpha = t->lora_alpha};
    struct lora_options how = lora_chosen(&wanted, shape->family, t->options.frozen, 0);
    if (t->lora == 0)
        return 0;
    how.targets = t->matrices ? t->matrices : how.targets;
    t->options.adapters = lora_plan(shape, &how, err);
    return t->options.adapters ? lora_start(t->options.adapters, t->options.seed, err) : -1;
}

/* A folder of adapters has PEFT's two files and nothing else. */
static int make_folder(const struct train *t, struct err *err)
{
    if (check_folder(t->out, err) < 0)
        return -1;
    if (t->lora == 0 || t->merge)
        return sft_start_folder(&t->start, &t->lm, t->out, err);
    return mkdir(t->out, 0777) < 0 && errno != EEXIST ? err_errno(err, "cannot make %s", t->out) : 0;
}

int train_prepare(struct train *t, struct err *err)
{
    if (language_model_start(&t->lm, (int)t->threads, err) < 0 || language_model_use(&t->lm, t->backend, err) < 0)
        return -1;
    t->options.gemm = t->lm.gemm;
    if (t->lora > 0)
        language_model_map(&t->lm, t->start.init, false);
    t->options.mapped = t->lm.leave_in_files;
    if (sft_start_make(&t->start, &t->lm, &t->data, err) < 0 || make_adapters(t, err) < 0)
        return -1;
    if (t->data.cut + t->data.passed_over > 0)
        fprintf(stderr, "egalign train: of %ld examples %ld are longer than %d tokens and were cut, %ld passed over\n",
                t->data.lines, t->data.cut, t->data.longest, t->data.passed_over);
    if (machine_fits(sft_bytes(&t->lm.model->shape, &t->data, &t->options), err) < 0)
        return -1;
    return make_folder(t, err);
}

void train_close(struct train *t)
{
    lora_free(t->options.adapters);
    language_model_close(&t->lm);
    sft_data_free(&t->data);
    mem_free(t->template);
}
