/* egalign train: supervised training of a language model from a file of examples. */
#include "cli/command.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "cli/arguments.h"
#include "cli/train_setup.h"
#include "core/lm/checkpoint.h"

static const char help[] =
    "usage: egalign train sft --data FILE (--init DIR | --new LxD) --out DIR [OPTION...]\n\n"
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
    "  --frozen N             bottom blocks that are not trained (0)\n"
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
#define CHECKPOINT_NS (INT64_C(300) * 1000000000)
#define PROGRESS_NS   (INT64_C(500) * 1000000)

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

/* What the loop remembers between steps. */
struct course {
    struct train *train;
    struct sft *sft;
    bool terminal;
    int64_t begin_ns, shown_ns, saved_ns, first; /* `first`: the step it began with */
    int64_t tokens;
    double loss; /* running mean */
    struct sft_step last;
};

static void show(struct course *c)
{
    int64_t now = clock_mono_ns();
    if (!c->terminal || now - c->shown_ns < PROGRESS_NS)
        return;
    double seconds = (double)(now - c->begin_ns) * 1e-9, done = (double)(c->last.step - c->first);
    double left = done > 0 ? seconds / done * (double)(sft_steps(c->sft) - c->last.step) : 0;
    fprintf(stderr, "\r\033[Kstep %" PRId64 " of %" PRId64 "  loss %.3f  %.0f tokens/s  %.0f:%02.0f left", c->last.step,
            sft_steps(c->sft), c->loss, (double)c->tokens / seconds, floor(left / 60), fmod(left, 60));
    c->shown_ns = now;
}

static void report_json(const struct course *c, double held_out, long predictions)
{
    struct buf out = {0};
    json_open(&out, '{');
    json_key(&out, "step");
    json_put_int(&out, c->last.step);
    json_key(&out, "steps");
    json_put_int(&out, sft_steps(c->sft));
    json_key(&out, "epoch");
    json_put_int(&out, c->last.epoch);
    json_key(&out, "loss");
    json_put_real(&out, c->loss);
    json_key(&out, "lr");
    json_put_real(&out, c->last.rate);
    json_key(&out, "grad_norm");
    json_put_real(&out, c->last.norm);
    json_key(&out, "held_out_loss");
    json_put_real(&out, predictions ? held_out : NAN);
    json_key(&out, "held_out_perplexity");
    json_put_real(&out, predictions ? exp(held_out) : NAN);
    json_key(&out, "tokens_per_second");
    json_put_real(&out, (double)c->tokens / ((double)(clock_mono_ns() - c->begin_ns) * 1e-9));
    json_close(&out, '}');
    printf("%s\n", out.failed ? "{}" : out.data);
    fflush(stdout);
    buf_free(&out);
}

/* Held-out perplexity, as a line on standard output. */
static int evaluate(struct course *c, struct err *err)
{
    double held_out;
    long predictions;
    if (sft_held_out(c->sft, &held_out, &predictions, err) < 0)
        return -1;
    if (c->train->json) {
        report_json(c, held_out, predictions);
        return 0;
    }
    if (c->terminal)
        fprintf(stderr, "\r\033[K");
    printf("step %" PRId64 " of %" PRId64 ": loss %.3f", c->last.step, sft_steps(c->sft), c->loss);
    if (predictions)
        printf(", held-out perplexity %.2f on %ld tokens", exp(held_out), predictions);
    printf(", %.0f tokens/s\n", (double)c->tokens / ((double)(clock_mono_ns() - c->begin_ns) * 1e-9));
    fflush(stdout);
    return 0;
}

static int checkpoint_when_due(struct course *c, struct err *err)
{
    int64_t every = c->train->checkpoint_every, now = clock_mono_ns();
    bool due = every > 0 ? c->last.step % every == 0 : now - c->saved_ns >= CHECKPOINT_NS;
    if (!due && !stop_asked)
        return 0;
    c->saved_ns = now;
    return sft_save(c->sft, c->train->out, err);
}

/* Steps until the end (0) or a signal (1). */
static int loop(struct course *c, struct err *err)
{
    int64_t steps = sft_steps(c->sft), every = c->train->evaluate_every;
    if (every == 0)
        every = steps < 10 ? 1 : steps / 10;
    while (sft_done(c->sft) < steps) {
        if (sft_advance(c->sft, &c->last, err) < 0)
            return -1;
        c->tokens += c->last.tokens;
        c->loss = c->last.step == c->first + 1 ? c->last.loss : 0.95 * c->loss + 0.05 * c->last.loss;
        show(c);
        if ((c->last.step % every == 0 || c->last.step == steps) && evaluate(c, err) < 0)
            return -1;
        if (c->last.step < steps && checkpoint_when_due(c, err) < 0)
            return -1;
        if (stop_asked && c->last.step < steps)
            return 1;
    }
    return 0;
}

static int finish(struct train *t, struct err *err)
{
    if (checkpoint_save(t->lm.model, t->out, t->init, t->store, err) < 0 || sft_forget(t->out, err) < 0)
        return -1;
    if (!t->json)
        printf("%s holds the model\n", t->out);
    return 0;
}

static int run(struct train *t, struct err *err)
{
    struct course c = {.train = t, .terminal = isatty(STDERR_FILENO) && !t->json};
    c.sft = sft_new(t->lm.model, &t->data, &t->options, err);
    int result = c.sft ? sft_resume(c.sft, t->out, err) : -1;
    if (result >= 0) {
        if (!t->json)
            printf("%s %zu examples of %zu tokens, %" PRId64 " steps%s\n",
                   result ? "Going on:" : "Training:", t->data.count, t->data.tokens.count, sft_steps(c.sft),
                   result ? " in all" : "");
        c.begin_ns = c.saved_ns = clock_mono_ns();
        c.first = c.last.step = sft_done(c.sft);
        result = loop(&c, err);
    }
    if (c.terminal)
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
