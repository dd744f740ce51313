/* egalign info: what a model's directory holds, and the memory that it needs. */
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json_text.h"
#include "cli/arguments.h"
#include "cli/language_model.h"
#include "core/align/sft.h"
#include "core/lm/checkpoint.h"
#include "core/lm/generate.h"

static const char help[] =
    "usage: egalign info DIR [--json]\n\n"
    "Says what the model in DIR is (a Hugging Face directory): family, numbers, parameters, tokenizer, and the memory\n"
    "that sampling from it and training it take; and the matrix backends of this machine. The weights are not read.\n\n"
    "Exit status: 0 done, 1 the directory is not usable, 2 the command line is not usable.\n";

/* One line of the answer. */
struct fact {
    const char *name, *label;
    double number; /* NAN-free; unused where there is a text */
    const char *text;
};

enum { TRAIN_TOKENS = 8 * 128, SAMPLES = 16, BACKENDS_SIZE = 120, FACTS = 20 };

static struct lm_layout layout_or_empty(const struct lm_shape *shape, int *ret_failed, struct err *err)
{
    struct lm_layout layout = {0};
    *ret_failed = lm_layout_make(shape, &layout, err);
    return layout;
}

/* Parameters: what the tensors hold, without the gaps between them. */
static double parameters(const struct lm_layout *layout)
{
    double n = 0;
    for (int i = 0; i < layout->tensor_count; i++)
        n += (double)lm_tensor_count(&layout->tensors[i]);
    return n;
}

static double training_bytes(const struct lm_shape *shape, const struct gemm *gemm)
{
    struct sft_data data = {.longest = shape->context < 128 ? shape->context : 128};
    struct sft_options options = {.gemm = *gemm, .batch_tokens = TRAIN_TOKENS};
    return (double)sft_bytes(shape, &data, &options);
}

static double sampling_bytes(const struct lm_shape *shape, const struct lm_layout *layout, const struct gemm *gemm)
{
    int prompt = shape->context / 2;
    struct generate_options options = {
        .gemm = *gemm, .max_new = shape->context - prompt, .slots = SAMPLES, .sampling = {.top_p = 1}, .eos = -1};
    return (double)layout->count * sizeof(float) + (double)generate_bytes(shape, &options, prompt);
}

static void print_text(const struct fact *facts, int count)
{
    for (int i = 0; i < count; i++)
        if (facts[i].text)
            printf("%-34s %s\n", facts[i].label, facts[i].text);
        else if (strstr(facts[i].name, "bytes"))
            printf("%-34s %.3f GB\n", facts[i].label, facts[i].number / 1e9);
        else
            printf("%-34s %.0f\n", facts[i].label, facts[i].number);
}

static void print_json(const struct fact *facts, int count)
{
    struct buf out = {0};
    json_open(&out, '{');
    for (int i = 0; i < count; i++) {
        json_key(&out, facts[i].name);
        if (facts[i].text)
            json_put_text(&out, facts[i].text);
        else
            json_put_int(&out, (int64_t)facts[i].number);
    }
    json_close(&out, '}');
    printf("%s\n", out.failed ? "{}" : out.data);
    buf_free(&out);
}

/* The backends that pass their self-test here. */
static void list_backends(char text[BACKENDS_SIZE])
{
    text[0] = '\0';
    for (int i = 0; gemm_backend_at(i); i++) {
        const char *name = gemm_backend_at(i)->name;
        size_t used = strlen(text);
        if (gemm_backend(name, NULL))
            snprintf(text + used, BACKENDS_SIZE - used, "%s%s", used ? ", " : "", name);
    }
}

static int run(const char *folder, bool json, struct err *err)
{
    struct lm_shape s;
    struct gemm gemm = {.backend = gemm_backend(NULL, err)};
    struct err no_tokenizer = {0};
    char backends[BACKENDS_SIZE];
    int failed;
    if (!gemm.backend || checkpoint_shape(folder, &s, err) < 0)
        return -1;
    struct lm_layout layout = layout_or_empty(&s, &failed, err);
    if (failed)
        return -1;
    struct tokenizer *t = tokenizer_load(folder, &no_tokenizer);
    list_backends(backends);
    const struct fact facts[FACTS] = {
        {"family", "family", 0, lm_family_name(s.family)},
        {"parameters", "parameters", parameters(&layout), NULL},
        {"layers", "layers", s.layers, NULL},
        {"width", "width", s.width, NULL},
        {"heads", "heads", s.heads, NULL},
        {"kv_heads", "heads of keys and values", s.kv_heads, NULL},
        {"head_width", "width of a head", s.head_width, NULL},
        {"hidden", "width of the feed-forward part", s.hidden, NULL},
        {"vocabulary", "vocabulary", s.vocabulary, NULL},
        {"context", "context", s.context, NULL},
        {"tied", "output head", 0, s.tied ? "the token embedding" : "of its own"},
        {"scalars", "scalar heads", s.scalars, NULL},
        {"tokenizer", "tokenizer", 0, t ? "usable" : no_tokenizer.message},
        {"tokens", "tokens of the tokenizer", t ? (double)tokenizer_count(t) : 0, NULL},
        {"weights_bytes", "memory: weights", (double)layout.count * sizeof(float), NULL},
        {"sampling_bytes", "memory: 16 samples at once", sampling_bytes(&s, &layout, &gemm), NULL},
        {"training_bytes", "memory: training at 8 x 128 tokens", training_bytes(&s, &gemm), NULL},
        {"backends", "matrix backends", 0, backends},
        {"bf16", "bf16 instructions", 0, gemm_bf16_engine()},
        {"end", "end token", t && s.eos < 0 ? tokenizer_end(t) : s.eos, NULL},
    };
    (json ? print_json : print_text)(facts, FACTS);
    tokenizer_free(t);
    lm_layout_free(&layout);
    return 0;
}

int command_info(int argc, char **argv)
{
    const char *folder = NULL;
    bool json = false, asked = false;
    struct err err = {0};
    const struct argument own[] = {{"--json", NULL, &json}, {"--help", NULL, &asked}, {NULL, NULL, NULL}};
    argc--;
    int result = arguments_take(own, &argc, argv + 1, &folder, 1, &err);
    if (result >= 0 && asked) {
        fputs(help, stdout);
        return 0;
    }
    if (result >= 0 && (argc > 0 || !folder))
        result = err_set(&err, ERR_USAGE, "a folder is needed, and nothing else but --json");
    if (result >= 0)
        result = run(folder, json, &err);
    return result < 0 ? command_failed("info", &err) : 0;
}
