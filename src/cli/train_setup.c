#include "cli/train_setup.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/arguments.h"
#include "cli/examples.h"
#include "core/lm/bpe_train.h"
#include "core/lm/checkpoint.h"

enum { LONGEST = 1024, HEAD_WIDTH_SMALL = 32, HEAD_WIDTH = 64, SMALL = 512 /* width */ };

/* The options as they were written. */
struct words {
    const char *data, *init, *new_shape, *out, *steps, *epochs, *vocabulary, *context, *batch, *longest, *rate,
        *warm_up, *decay, *held_out, *template, *frozen, *store, *seed, *evaluate, *checkpoint, *threads;
};

static int parse_shape(const char *text, struct train *t, struct err *err)
{
    int used = 0;
    if (sscanf(text, "%4dx%6d%n", &t->layers, &t->width, &used) != 2 || text[used] || t->layers < 1 ||
        t->layers > 1000 || t->width < HEAD_WIDTH_SMALL || t->width % HEAD_WIDTH_SMALL)
        return err_set(err, ERR_USAGE, "--new is LAYERSxWIDTH, such as 6x256; the width is a multiple of %d",
                       HEAD_WIDTH_SMALL);
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
    int64_t seed = 1, frozen = 0, batch = 4096;
    if (option_whole("--steps", w->steps, 1, INT32_MAX, &o->steps, err) < 0 ||
        option_real("--epochs", w->epochs, 1e-6, 10000, &o->epochs, err) < 0 ||
        option_whole("--vocabulary", w->vocabulary, BPE_TRAIN_LEAST, 1 << 20, &t->vocabulary, err) < 0 ||
        option_whole("--context", w->context, 2, 1 << 17, &t->context, err) < 0 ||
        option_whole("--batch-tokens", w->batch, 2, 1 << 22, &batch, err) < 0 ||
        option_whole("--longest", w->longest, 2, 1 << 17, &t->longest, err) < 0 ||
        option_real("--rate", w->rate, 1e-9, 0.9, &o->rate, err) < 0 ||
        option_real("--warm-up", w->warm_up, 0, 1, &o->warm_up, err) < 0 ||
        option_real("--weight-decay", w->decay, 0, 10, &o->weight_decay, err) < 0 ||
        option_real("--held-out", w->held_out, 0, 0.5, &t->held_out, err) < 0 ||
        option_whole("--frozen", w->frozen, 0, 1000, &frozen, err) < 0 ||
        option_whole("--seed", w->seed, 0, INT64_MAX, &seed, err) < 0 ||
        option_whole("--evaluate-every", w->evaluate, 1, INT32_MAX, &t->evaluate_every, err) < 0 ||
        option_whole("--checkpoint-every", w->checkpoint, 1, INT32_MAX, &t->checkpoint_every, err) < 0 ||
        option_whole("--threads", w->threads, 1, 256, &t->threads, err) < 0)
        return -1;
    o->batch_tokens = (int)batch;
    o->frozen = (int)frozen;
    o->seed = (uint64_t)seed;
    return 0;
}

static int check_words(const struct words *w, const char *kind, struct err *err)
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
    if (w->store && strcmp(w->store, "fp32") != 0 && strcmp(w->store, "bf16") != 0)
        return err_set(err, ERR_USAGE, "--store is fp32 or bf16");
    return 0;
}

int train_parse(int argc, char **argv, struct train *t, struct err *err)
{
    struct words w = {0};
    const char *kind = NULL;
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
                                   {"--recompute", NULL, &t->options.recompute},
                                   {"--store", &w.store, NULL},
                                   {"--seed", &w.seed, NULL},
                                   {"--evaluate-every", &w.evaluate, NULL},
                                   {"--checkpoint-every", &w.checkpoint, NULL},
                                   {"--backend", &t->backend, NULL},
                                   {"--threads", &w.threads, NULL},
                                   {"--json", NULL, &t->json},
                                   {NULL, NULL, NULL}};
    argc--;
    if (arguments_take(own, &argc, argv + 1, &kind, 1, err) < 0)
        return -1;
    if (argc > 0)
        return err_set(err, ERR_USAGE, "%s is not an option; see egalign train --help", argv[1]);
    if (check_words(&w, kind, err) < 0)
        return -1;
    t->file = w.data;
    t->init = w.init;
    t->out = w.out;
    t->store = w.store && strcmp(w.store, "bf16") == 0 ? DTYPE_BF16 : DTYPE_F32;
    t->vocabulary = 8192;
    t->context = 512;
    t->held_out = 0.02;
    t->options.epochs = 2;
    t->options.warm_up = 0.05;
    t->options.rate = w.init ? 2e-5 : 1e-3;
    t->options.weight_decay = w.init ? 0 : 0.1;
    if ((w.new_shape && parse_shape(w.new_shape, t, err) < 0) || parse_numbers(&w, t, err) < 0)
        return -1;
    t->template = w.template ? unescape(w.template) : NULL;
    return w.template && !t->template ? err_memory(err) : 0;
}

static int learn_example(void *trainer, const struct example *e, struct err *err)
{
    if (e->prompt.ptr && bpe_trainer_add(trainer, e->prompt, err) < 0)
        return -1;
    return bpe_trainer_add(trainer, e->text, err);
}

/* A tokenizer from the file, and a model of random weights for it. */
static int start_new(struct train *t, struct err *err)
{
    struct bpe_trainer *trainer = bpe_trainer_new(err);
    if (trainer && examples_read(t->file, learn_example, trainer, err) == 0)
        t->lm.tokenizer = bpe_trainer_finish(trainer, (int)t->vocabulary, err);
    bpe_trainer_free(trainer);
    if (!t->lm.tokenizer)
        return -1;
    int head = t->width >= SMALL && t->width % HEAD_WIDTH == 0 ? HEAD_WIDTH : HEAD_WIDTH_SMALL;
    int32_t end = tokenizer_end(t->lm.tokenizer);
    struct lm_shape shape = {.family = LM_GPT2,
                             .vocabulary = (int)tokenizer_count(t->lm.tokenizer),
                             .context = (int)t->context,
                             .layers = t->layers,
                             .width = t->width,
                             .heads = t->width / head,
                             .kv_heads = t->width / head,
                             .head_width = head,
                             .hidden = 4 * t->width,
                             .norm_eps = 1e-5,
                             .tied = true,
                             .bos = end,
                             .eos = end};
    t->lm.model = lm_model_new(&shape, err);
    if (!t->lm.model)
        return -1;
    lm_model_randomize(t->lm.model, t->options.seed);
    return t->template ? 0 : dialogue_make(t->lm.tokenizer, DIALOGUE_TEMPLATE, end, &t->lm.dialogue, err);
}

static int take_example(void *context, const struct example *e, struct err *err)
{
    struct train *t = context;
    return sft_data_add(&t->data, &t->lm.dialogue, e->prompt, e->text, err);
}

static int read_examples(struct train *t, struct err *err)
{
    int context = t->lm.model->shape.context, longest = t->longest ? (int)t->longest : LONGEST;
    t->data.longest = longest < context ? longest : context;
    t->data.seed = t->options.seed;
    t->data.held_out = t->held_out;
    if (examples_read(t->file, take_example, t, err) < 0)
        return -1;
    if (t->data.cut + t->data.passed_over > 0)
        fprintf(stderr, "egalign train: of %ld examples %ld are longer than %d tokens and were cut, %ld passed over\n",
                t->data.lines, t->data.cut, t->data.longest, t->data.passed_over);
    return 0;
}

/* Makes `out` and what of the result is known beforehand. */
static int prepare_folder(struct train *t, struct err *err)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/model.safetensors", t->out) >= sizeof path)
        return err_set(err, ERR_USAGE, "the name of --out is too long");
    if (access(path, F_OK) == 0)
        return err_set(err, ERR_CONFLICT, "%s holds a model already; give another --out", t->out);
    if (mkdir(t->out, 0777) < 0 && errno != EEXIST)
        return err_errno(err, "cannot make %s", t->out);
    if (!t->init && tokenizer_save(t->lm.tokenizer, t->out, err) < 0)
        return -1;
    return dialogue_save(&t->lm.dialogue, t->out, err);
}

int train_prepare(struct train *t, struct err *err)
{
    if (language_model_start(&t->lm, (int)t->threads, err) < 0 || language_model_use(&t->lm, t->backend, err) < 0)
        return -1;
    if ((t->init ? language_model_load(&t->lm, t->init, err) : start_new(t, err)) < 0)
        return -1;
    t->options.gemm = t->lm.gemm;
    if (t->template) {
        dialogue_free(&t->lm.dialogue);
        if (dialogue_make(t->lm.tokenizer, t->template, t->lm.model->shape.eos, &t->lm.dialogue, err) < 0)
            return -1;
    }
    if (read_examples(t, err) < 0)
        return -1;
    if (language_model_fits(sft_bytes(&t->lm.model->shape, &t->data, &t->options), err) < 0)
        return -1;
    return prepare_folder(t, err);
}

void train_close(struct train *t)
{
    language_model_close(&t->lm);
    sft_data_free(&t->data);
    mem_free(t->template);
}
