/* egalign train: supervised training of a language model from a file of examples; and reward heads (train_reward.h). */
#include "cli/command.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "cli/arguments.h"
#include "cli/train_reward.h"
#include "cli/train_setup.h"
#include "core/lm/checkpoint.h"
#include "jobs/sft_course.h"

static const char help[] =
    "usage: egalign train sft --data FILE (--init DIR | --new LxD) --out DIR [OPTION...]\n"
    "       egalign train reward --data FILE --init DIR --out DIR [OPTION...]   (see egalign train reward --help)\n\n"
    "Trains a language model on FILE (gzipped or not), one JSON object a line: {\"prompt\", \"response\"}, where only\n"
    "the response is learnt, or {\"text\"}. DIR gets a directory that Hugging Face's transformers can load. When it "
    "is\n"
    "stopped (SIGTERM, SIGINT, even kill -9), the same command goes on from the last checkpoint, to the same "
    "result.\n\n"
    "  --init DIR             start from this model (GPT-2 or LLaMA)\n"
    "  --new LxD              start from nothing: L layers of width D, such as 6x256, and a tokenizer trained on FILE\n"
    "  --vocabulary N         tokens of the new tokenizer (8192)\n"
    "  --context N            longest sequence of a new model (512)\n"
    "  --steps N | --epochs X how long (2 epochs)\n"
    "  --batch-tokens N       tokens of a step at most (4096)\n"
    "  --longest N            tokens of an example at most (the model's context, 1024 at most)\n"
    "  --rate X               highest learning rate (0.001 with --new, otherwise 0.00002)\n"
    "  --warm-up X            share of the steps in which the rate rises (0.05)\n"
    "  --weight-decay X       (0.1 with --new, otherwise 0)\n"
    "  --held-out X           share of the prompts that only test (0.02)\n"
    "  --template TEXT        what stands around a prompt, \\n for a new line (that of --init, or \"{prompt}\\n\\n\")\n"
    "  --lora RANK            train low-rank adapters on the model of --init instead of its weights; DIR gets PEFT's\n"
    "                         two files (rate 0.0002)\n"
    "  --lora-alpha X         their scale is X / RANK (twice the rank)\n"
    "  --lora-matrices LIST   modules that get one (GPT-2: c_attn; LLaMA: q_proj,k_proj,v_proj,o_proj)\n"
    "  --merge                add them to the weights in the end, and write a whole model\n"
    "  --frozen N             bottom blocks that are not trained, or get no adapters (0)\n"
    "  --recompute            less memory, a third more time\n"
    "  --store NAME           fp32 (default) or bf16 weights in the result\n"
    "  --seed N               of the start and the order (1)\n"
    "  --evaluate-every N     steps between held-out perplexities (a tenth of all)\n"
    "  --checkpoint-every N   steps between checkpoints (by time: five minutes)\n"
    "  --backend NAME         matrix products in fp32, bf16 or bf16x3; auto: bf16 where the CPU has it, else fp32 "
    "(auto)\n"
    "  --threads N            (the cores of this machine, 8 at most); the result does not depend on it\n"
    "  --json                 print progress and result as lines of JSON\n\n"
    "Exit status: 0 done, 1 failed, 2 the command line is not usable, 75 stopped by a signal, with a checkpoint.\n";

enum { STOPPED = 75 /* EX_TEMPFAIL of sysexits.h */ };
#define PROGRESS_NS (INT64_C(500) * 1000000)

static volatile sig_atomic_t stop_asked;

static void ask_stop(int signal)
{
    (void)signal;
    stop_asked = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = ask_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

/* How the command tells of its course. */
struct telling {
    const struct train *train;
    bool terminal;
    int64_t shown_ns;
};

static int show(const struct sft_course *c, struct err *err)
{
    (void)err;
    struct telling *t = c->context;
    int64_t now = clock_mono_ns();
    if (!t->terminal || now - t->shown_ns < PROGRESS_NS)
        return 0;
    double left = pace_left(&c->pace);
    fprintf(stderr, "\r\033[Kstep %" PRId64 " of %" PRId64 "  loss %.3f  %.0f tokens/s  %.0f:%02.0f left", c->last.step,
            c->pace.steps, c->loss, pace_speed(&c->pace), floor(left / 60), fmod(left, 60));
    t->shown_ns = now;
    return 0;
}

static void report_json(const struct sft_course *c)
{
    struct buf out = {0};
    json_open(&out, '{');
    json_key(&out, "step");
    json_put_int(&out, c->last.step);
    json_key(&out, "steps");
    json_put_int(&out, c->pace.steps);
    json_key(&out, "epoch");
    json_put_int(&out, c->last.epoch);
    json_key(&out, "loss");
    json_put_real(&out, c->loss);
    json_key(&out, "lr");
    json_put_real(&out, c->last.rate);
    json_key(&out, "grad_norm");
    json_put_real(&out, c->last.norm);
    json_key(&out, "held_out_loss");
    json_put_real(&out, c->held_out);
    json_key(&out, "held_out_perplexity");
    json_put_real(&out, exp(c->held_out));
    json_key(&out, "tokens_per_second");
    json_put_real(&out, pace_speed(&c->pace));
    json_close(&out, '}');
    printf("%s\n", out.failed ? "{}" : out.data);
    fflush(stdout);
    buf_free(&out);
}

/* Held-out perplexity, as a line on standard output. */
static int report(const struct sft_course *c, struct err *err)
{
    const struct telling *t = c->context;
    if (t->train->json) {
        report_json(c);
        return 0;
    }
    show(c, err);
    if (t->terminal)
        fprintf(stderr, "\r\033[K");
    printf("step %" PRId64 " of %" PRId64 ": loss %.3f", c->last.step, c->pace.steps, c->loss);
    if (c->predictions)
        printf(", held-out perplexity %.2f on %ld tokens", exp(c->held_out), c->predictions);
    printf(", %.0f tokens/s\n", pace_speed(&c->pace));
    fflush(stdout);
    return 0;
}

static int finish(struct train *t, struct err *err)
{
    const struct lm_adapters *adapters = t->options.adapters;
    struct checkpoint_source source = {.model = t->lm.model, .adapters = adapters};
    bool apart = adapters && !t->merge;
    if ((apart ? lora_save(adapters, t->out, err)
               : checkpoint_write(&source, t->out, t->start.init, t->store, err)) < 0 ||
        sft_forget(t->out, err) < 0)
        return -1;
    if (!t->json)
        printf("%s holds the %s\n", t->out, apart ? "adapters" : "model");
    return 0;
}

static int run(struct train *t, struct err *err)
{
    struct telling telling = {t, isatty(STDERR_FILENO) && !t->json, 0};
    struct sft_course c = {.pace = {.folder = t->out, .checkpoint_every = t->checkpoint_every, .stop = &stop_asked},
                           .evaluate_every = t->evaluate_every,
                           .stepped = show,
                           .evaluated = report,
                           .context = &telling};
    c.sft = sft_new(t->lm.model, &t->data, &t->options, err);
    int result = c.sft ? sft_course_begin(&c, err) : -1;
    if (result == 0) {
        if (!t->json)
            printf("%s %zu examples of %zu tokens, %" PRId64 " steps%s\n", c.pace.resumed ? "Going on:" : "Training:",
                   t->data.count, t->data.tokens.count, c.pace.steps, c.pace.resumed ? " in all" : "");
        result = sft_course_run(&c, err);
    }
    if (telling.terminal)
        fprintf(stderr, "\r\033[K");
    if (result == 0)
        result = finish(t, err);
    sft_free(c.sft);
    return result;
}

int command_train(int argc, char **argv)
{
    struct train t;
    struct err err = {0};
    if (argc > 1 && strcmp(argv[1], "reward") == 0) {
        catch_signals();
        return train_reward(argc - 1, argv + 1, &stop_asked);
    }
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return 0;
        }
    int result = train_parse(argc, argv, &t, &err);
    if (result == 0) {
        catch_signals();
        result = train_prepare(&t, &err) < 0 ? -1 : run(&t, &err);
    }
    train_close(&t);
    if (result < 0)
        return command_failed("train", &err);
    if (result > 0)
        fprintf(stderr, "egalign train: stopped; the same command goes on from the checkpoint in %s\n", t.out);
    return result > 0 ? STOPPED : 0;
}
