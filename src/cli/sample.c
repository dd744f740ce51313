/* egalign sample: completions of a prompt by a model's directory. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/json_text.h"
#include "base/mem.h"
#include "cli/arguments.h"
#include "cli/language_model.h"
#include "core/lm/generate.h"
#include "jobs/machine.h"

static const char help[] =
    "usage: egalign sample DIR --prompt TEXT [OPTION...]\n\n"
    "Prints completions of TEXT by the model in DIR (a Hugging Face directory, GPT-2 or LLaMA). A sample depends on "
    "the\n"
    "seed, its number and the prompt only.\n\n"
    "  --adapter DIR      LoRA adapters (PEFT's files) on the model\n"
    "  --mapped           leave BF16 weights in their files; so it is anyway where they would fill half the memory\n"
    "  --raw              TEXT as it is, without the model's template around it\n"
    "  --samples N        how many (1)\n"
    "  --max-new N        tokens of a completion at most (128)\n"
    "  --temperature X    0 takes the most likely token (1)\n"
    "  --top-k N          of the N most likely tokens only; 0: all (0)\n"
    "  --top-p X          of the most likely tokens that reach this probability; 1: all (1)\n"
    "  --seed N           (1)\n"
    "  --backend NAME     matrix products in fp32, bf16 or bf16x3; auto: bf16 where the CPU has it, else fp32 (auto)\n"
    "  --threads N        (the cores of this machine, 8 at most)\n"
    "  --json             one JSON object a sample: text, tokens, log-probability, whether it ended\n\n"
    "Exit status: 0 done, 1 failed, 2 the command line is not usable.\n";

struct sample {
    const char *folder, *prompt, *backend, *adapter;
    bool raw, json, help, mapped;
    int64_t samples, max_new, top_k, seed, threads;
    double temperature, top_p;
    struct language_model lm;
    struct lm_adapters *adapters;
    struct token_list ids; /* of the prompt */
    struct generate_prompt *prompts;
    struct generated out;
};

static int parse(int argc, char **argv, struct sample *s, struct err *err)
{
    const char *samples = NULL, *max_new = NULL, *temperature = NULL, *top_k = NULL, *top_p = NULL, *seed = NULL,
               *threads = NULL;
    const struct argument own[] = {{"--prompt", &s->prompt, NULL},
                                   {"--raw", NULL, &s->raw},
                                   {"--samples", &samples, NULL},
                                   {"--max-new", &max_new, NULL},
                                   {"--temperature", &temperature, NULL},
                                   {"--top-k", &top_k, NULL},
                                   {"--top-p", &top_p, NULL},
                                   {"--seed", &seed, NULL},
                                   {"--adapter", &s->adapter, NULL},
                                   {"--mapped", NULL, &s->mapped},
                                   {"--backend", &s->backend, NULL},
                                   {"--threads", &threads, NULL},
                                   {"--json", NULL, &s->json},
                                   {"--help", NULL, &s->help},
                                   {NULL, NULL, NULL}};
    argc--;
    if (arguments_take(own, &argc, argv + 1, &s->folder, 1, err) < 0)
        return -1;
    if (argc > 0)
        return err_set(err, ERR_USAGE, "%s is not an option; see egalign sample --help", argv[1]);
    if (!s->help && (!s->folder || !s->prompt))
        return err_set(err, ERR_USAGE, "a folder and --prompt are needed; see egalign sample --help");
    return option_whole("--samples", samples, 1, 10000, &s->samples, err) < 0 ||
                   option_whole("--max-new", max_new, 1, 1 << 17, &s->max_new, err) < 0 ||
                   option_real("--temperature", temperature, 0, 100, &s->temperature, err) < 0 ||
                   option_whole("--top-k", top_k, 0, 1 << 21, &s->top_k, err) < 0 ||
                   option_real("--top-p", top_p, 1e-6, 1, &s->top_p, err) < 0 ||
                   option_whole("--seed", seed, 0, INT64_MAX, &s->seed, err) < 0 ||
                   option_whole("--threads", threads, 1, 256, &s->threads, err) < 0
               ? -1
               : 0;
}

static int read_prompt(struct sample *s, struct err *err)
{
    struct dialogue raw = {.end = -1};
    int result = 0;
    if (s->raw) {
        result = dialogue_make(s->lm.tokenizer, "{prompt}", s->lm.dialogue.end, &raw, err);
        if (result == 0)
            result = dialogue_prompt(&raw, str_of(s->prompt), &s->ids, err);
        dialogue_free(&raw);
    } else {
        result = dialogue_prompt(&s->lm.dialogue, str_of(s->prompt), &s->ids, err);
    }
    if (result == 0 && s->ids.count >= (size_t)s->lm.model->shape.context)
        result = err_set(err, ERR_INVALID_VALUE, "the prompt has %zu tokens, and the model's context is %d",
                         s->ids.count, s->lm.model->shape.context);
    return result == 0 && s->ids.count == 0 ? err_set(err, ERR_INVALID_VALUE, "the prompt is empty") : result;
}

static int make_room(struct sample *s, struct err *err)
{
    size_t n = (size_t)s->samples, all = n * (size_t)s->max_new;
    s->prompts = mem_zeroed(n, sizeof *s->prompts);
    s->out = (struct generated){.tokens = mem_array(all, sizeof *s->out.tokens),
                                .logp = mem_array(all, sizeof *s->out.logp),
                                .count = mem_array(n, sizeof *s->out.count),
                                .ended = mem_array(n, sizeof *s->out.ended)};
    if (!s->prompts || !s->out.tokens || !s->out.logp || !s->out.count || !s->out.ended)
        return err_memory(err);
    for (size_t i = 0; i < n; i++)
        s->prompts[i] =
            (struct generate_prompt){.sample = (uint32_t)i, .tokens = s->ids.ids, .length = (int)s->ids.count};
    return 0;
}

static void print_json(const struct sample *s, int i, struct str text, struct buf *out)
{
    double logp = 0;
    struct buf readable = {0};
    buf_readable(&readable, text.ptr, text.len);
    for (int t = 0; t < s->out.count[i]; t++)
        logp += s->out.logp[(size_t)i * (size_t)s->max_new + (size_t)t];
    json_open(out, '{');
    json_member_int(out, "sample", i);
    json_member_str(out, "text", (struct str){readable.data ? readable.data : "", readable.length});
    json_member_int(out, "tokens", s->out.count[i]);
    json_member_real(out, "logp", logp);
    json_member_bool(out, "ended", s->out.ended[i]);
    json_close(out, '}');
    buf_free(&readable);
}

static int print(const struct sample *s, struct err *err)
{
    for (int i = 0; i < s->samples; i++) {
        struct buf text = {0}, line = {0};
        const int32_t *ids = s->out.tokens + (size_t)i * (size_t)s->max_new;
        if (tokenizer_decode(s->lm.tokenizer, ids, (size_t)s->out.count[i], TOKENIZER_CONTINUED, &text, err) < 0) {
            buf_free(&text);
            return -1;
        }
        if (s->json)
            print_json(s, i, (struct str){text.data ? text.data : "", text.length}, &line);
        if (!s->json && s->samples > 1)
            printf("--- %d\n", i + 1);
        const struct buf *shown = s->json ? &line : &text;
        fwrite(shown->data ? shown->data : "", 1, shown->length, stdout);
        putchar('\n');
        buf_free(&text);
        buf_free(&line);
    }
    return 0;
}

static int run(struct sample *s, struct err *err)
{
    if (language_model_start(&s->lm, (int)s->threads, err) < 0 || language_model_use(&s->lm, s->backend, err) < 0)
        return -1;
    language_model_map(&s->lm, s->folder, s->mapped);
    if (language_model_load(&s->lm, s->folder, err) < 0 ||
        language_model_adapters(&s->lm, s->adapter, &s->adapters, err) < 0 || read_prompt(s, err) < 0 ||
        make_room(s, err) < 0)
        return -1;
    struct generate_options options = {.gemm = s->lm.gemm,
                                       .sampling = {.seed = (uint64_t)s->seed,
                                                    .temperature = (float)s->temperature,
                                                    .top_k = (int)s->top_k,
                                                    .top_p = (float)s->top_p},
                                       .max_new = (int)s->max_new,
                                       .eos = s->lm.dialogue.end,
                                       .adapters = s->adapters,
                                       .mapped = s->lm.leave_in_files,
                                       .slots = s->samples < 64 ? (int)s->samples : 64};
    if (machine_samples(s->lm.model, &options, (int)s->ids.count, err) < 0)
        return -1;
    if (generate(s->lm.model, &options, (int)s->samples, s->prompts, &s->out, err) < 0)
        return -1;
    return print(s, err);
}

int command_sample(int argc, char **argv)
{
    struct sample s = {.samples = 1, .max_new = 128, .temperature = 1, .top_p = 1, .seed = 1};
    struct err err = {0};
    int result = parse(argc, argv, &s, &err);
    if (result == 0 && s.help) {
        fputs(help, stdout);
        return 0;
    }
    if (result == 0)
        result = run(&s, &err);
    lora_free(s.adapters);
    language_model_close(&s.lm);
    token_list_free(&s.ids);
    mem_free(s.prompts);
    mem_free(s.out.tokens);
    mem_free(s.out.logp);
    mem_free(s.out.count);
    mem_free(s.out.ended);
    return result < 0 ? command_failed("sample", &err) : 0;
}
