/* egalign score: log-probabilities of responses and texts under a model. */
#include "cli/command.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json_text.h"
#include "base/mem.h"
#include "cli/arguments.h"
#include "formats/examples.h"
#include "cli/language_model.h"
#include "core/align/sft_data.h"
#include "core/lm/transformer.h"
#include "jobs/machine.h"

static const char help[] =
    "usage: egalign score DIR FILE [--adapter DIR] [--longest N] [--backend NAME] [--threads N] [--mapped]\n\n"
    "Prints, for every line of FILE (gzipped or not; {\"prompt\", \"response\"} or {\"text\"}), a line of JSON with "
    "the\n"
    "log-probability (nats) of the response or the text under the model in DIR, its number of tokens, the end token\n"
    "included, and the perplexity. The last line is on standard error: the perplexity of all. What is longer than N\n"
    "tokens (the model's context) is cut, and the line says so. NAME is fp32, bf16, bf16x3, or auto (the default):\n"
    "bf16 where the CPU has it, else fp32. --adapter puts LoRA adapters (PEFT's files) on the model. --mapped leaves\n"
    "BF16 weights in their files; so it is anyway where they would fill half the memory.\n\n"
    "Exit status: 0 done, 1 failed, 2 the command line is not usable.\n";

struct score {
    const char *folder, *file, *backend, *adapter;
    bool help, mapped;
    int64_t longest, threads;
    struct language_model lm;
    struct lm_adapters *adapters;
    struct lm_run *run;
    struct sft_batch batch;
    float *logp;
    double total;
    long predictions;
};

static int parse(int argc, char **argv, struct score *s, struct err *err)
{
    const char *operands[2] = {NULL, NULL}, *longest = NULL, *threads = NULL;
    const struct argument own[] = {
        {"--longest", &longest, NULL}, {"--backend", &s->backend, NULL}, {"--threads", &threads, NULL},
        {"--adapter", &s->adapter, NULL}, {"--mapped", NULL, &s->mapped}, {"--help", NULL, &s->help},
        {NULL, NULL, NULL}};
    argc--;
    if (arguments_take(own, &argc, argv + 1, operands, 2, err) < 0)
        return -1;
    s->folder = operands[0];
    s->file = operands[1];
    if (argc > 0)
        return err_set(err, ERR_USAGE, "%s is not an option; see egalign score --help", argv[1]);
    if (!s->help && !s->file)
        return err_set(err, ERR_USAGE, "a folder and a file are needed; see egalign score --help");
    if (option_whole("--longest", longest, 2, 1 << 17, &s->longest, err) < 0)
        return -1;
    return option_whole("--threads", threads, 1, 256, &s->threads, err);
}

/* The log-probability of an example, which becomes the only one of the batch. */
static int score_example(struct score *s, const struct sft_data *d, const struct sft_example *e, double *ret,
                         struct err *err)
{
    sft_batch_clear(&s->batch);
    sft_batch_add(&s->batch, d, e);
    struct lm_batch view = sft_batch_view(&s->batch);
    if (lm_forward(s->run, &view, NULL, err) < 0)
        return -1;
    lm_head(s->run, &(struct lm_head_request){.count = s->batch.predictions,
                                              .rows = s->batch.rows,
                                              .targets = s->batch.targets,
                                              .temperature = 1,
                                              .logp = s->logp});
    for (int i = 0; i < s->batch.predictions; i++)
        *ret += s->logp[i];
    s->predictions += s->batch.predictions;
    return 0;
}

static void print(const struct example *e, double logp, long tokens, bool cut)
{
    struct buf out = {0};
    json_open(&out, '{');
    json_key(&out, "line");
    json_put_int(&out, e->line);
    json_key(&out, "tokens");
    json_put_int(&out, tokens);
    json_key(&out, "logp");
    json_put_real(&out, logp);
    json_key(&out, "perplexity");
    json_put_real(&out, tokens ? exp(-logp / (double)tokens) : NAN);
    if (cut) {
        json_key(&out, "cut");
        json_put_bool(&out, true);
    }
    json_close(&out, '}');
    printf("%s\n", out.failed ? "{}" : out.data);
    buf_free(&out);
}

static int take(void *context, const struct example *e, struct err *err)
{
    struct score *s = context;
    struct sft_data data = {.longest = (int)s->longest};
    long before = s->predictions;
    double logp = 0;
    int result = sft_data_add(&data, &s->lm.dialogue, e->prompt, e->text, err);
    for (size_t i = 0; i < data.count && result == 0; i++)
        result = score_example(s, &data, &data.examples[i], &logp, err);
    if (result == 0)
        print(e, logp, s->predictions - before, data.cut + data.passed_over > 0);
    s->total += logp;
    sft_data_free(&data);
    return result;
}

static int run(struct score *s, struct err *err)
{
    if (language_model_start(&s->lm, (int)s->threads, err) < 0 || language_model_use(&s->lm, s->backend, err) < 0)
        return -1;
    language_model_map(&s->lm, s->folder, s->mapped);
    if (language_model_load(&s->lm, s->folder, err) < 0 ||
        language_model_adapters(&s->lm, s->adapter, &s->adapters, err) < 0)
        return -1;
    int context = s->lm.model->shape.context;
    if (s->longest == 0 || s->longest > context)
        s->longest = context;
    struct lm_options options = {.gemm = s->lm.gemm,
                                 .max_tokens = (int)s->longest,
                                 .max_sequence = (int)s->longest,
                                 .adapters = s->adapters,
                                 .mapped = s->lm.leave_in_files};
    if (machine_fits(lm_run_bytes(&s->lm.model->shape, &options), err) < 0)
        return -1;
    s->run = lm_run_new(s->lm.model, &options, err);
    s->logp = mem_array((size_t)s->longest, sizeof *s->logp);
    if (!s->run || !s->logp)
        return s->run ? err_memory(err) : -1;
    if (sft_batch_make((int)s->longest, &s->batch, err) < 0 || examples_read(s->file, take, s, err) < 0)
        return -1;
    fflush(stdout);
    fprintf(stderr, "perplexity %.3f on %ld tokens\n", s->predictions ? exp(-s->total / (double)s->predictions) : NAN,
            s->predictions);
    return 0;
}

int command_score(int argc, char **argv)
{
    struct score s = {0};
    struct err err = {0};
    int result = parse(argc, argv, &s, &err);
    if (result == 0 && s.help) {
        fputs(help, stdout);
        return 0;
    }
    if (result == 0)
        result = run(&s, &err);
    lm_run_free(s.run);
    lora_free(s.adapters);
    sft_batch_free(&s.batch);
    mem_free(s.logp);
    language_model_close(&s.lm);
    return result < 0 ? command_failed("score", &err) : 0;
}
