#include "formats/sft_options.h"

#include <stdio.h>
#include <string.h>

enum { NAME_MOST = 63, PATH_MOST = 1023, TEMPLATE_MOST = 4096, WIDTH_UNIT = 32 };

const char *const sft_settings_stores[] = {"fp32", "bf16", NULL};
static const char *const project_data[] = {[SFT_PREFERRED] = "preferred", NULL};

static const struct json_field file_fields[] = {
    JSON_FIELD(STR, struct sft_file, path, "file", .flags = JSON_REQUIRED, .least = 1, .most = PATH_MOST,
               .about = "Absolute path in model_folder or one of policy_folders: a JSON object with prompt and "
                        "response, or with text, a line; gzipped or not.",
               .example = "\"/var/lib/egalign/models/answers.jsonl.gz\""),
};
static const struct json_shape file_shape =
    JSON_SHAPE(struct sft_file, file_fields, "ExampleFile", "A file of examples on the workers' machines.");

static const struct json_field data_forms[] = {
    [SFT_OF_PROJECT - 1] = JSON_FIELD(ENUM, struct sft_settings, project_data, "project", .names = project_data,
                                      .about = "The responses that somebody preferred, each once, with their prompts."),
    [SFT_OF_FILE - 1] = JSON_FIELD_OBJECT(struct sft_settings, file, "file", &file_shape,
                                          .about = "A file. Only the role admin may name one."),
};

static const struct json_field new_fields[] = {
    [SFT_NEW_LAYERS] = JSON_FIELD(INT, struct sft_new_model, layers, "layers", .flags = JSON_REQUIRED, .least = 1,
                                  .most = 1000, .about = "Blocks.", .example = "6"),
    [SFT_NEW_WIDTH] = JSON_FIELD(INT, struct sft_new_model, width, "width", .flags = JSON_REQUIRED, .least = WIDTH_UNIT,
                                 .most = 65536, .about = "Width, a multiple of 32.", .example = "256"),
    [SFT_NEW_VOCABULARY] = JSON_FIELD(INT, struct sft_new_model, vocabulary, "vocabulary", .least = 257,
                                      .most = 1 << 20, .about = "Tokens of its tokenizer; 8192 when absent."),
    [SFT_NEW_CONTEXT] = JSON_FIELD(INT, struct sft_new_model, context, "context", .least = 2, .most = 1 << 17,
                                   .about = "Longest sequence; 512 when absent."),
};
static const struct json_shape new_shape =
    JSON_SHAPE(struct sft_new_model, new_fields, "NewModel",
               "A GPT-2 of random weights, with a tokenizer trained on the examples.");

static const struct json_field fields[] = {
    [SFT_NAME] = JSON_FIELD(STR, struct sft_settings, name, "name", .flags = JSON_REQUIRED, .least = 1,
                            .most = NAME_MOST, .about = "Of the policy that is made.", .example = "\"answers-1\""),
    [SFT_POLICY] = JSON_FIELD(STR, struct sft_settings, policy, "policy", .least = 1, .most = NAME_MOST,
                              .about = "The policy to start from, by name or id; or `new`.", .example = "\"gpt2\""),
    [SFT_NEW] = JSON_FIELD_OBJECT(struct sft_settings, new_model, "new", &new_shape,
                                  .about = "A new model to start with; or `policy`."),
    [SFT_DATA] = JSON_FIELD(ONE_OF, struct sft_settings, data_form, "data", .flags = JSON_REQUIRED, .forms = data_forms,
                            .form_count = 2, .about = "What is learnt.", .example = "\"preferred\""),
    [SFT_STEPS] = JSON_FIELD(INT, struct sft_settings, steps, "steps", .least = 1, .most = INT32_MAX,
                             .about = "Steps of the optimiser; or `epochs`.", .example = "1000"),
    [SFT_EPOCHS] = JSON_FIELD(REAL, struct sft_settings, epochs, "epochs", .low = 1e-6, .high = 10000,
                              .about = "Times that each example is seen; 2 when neither is given."),
    [SFT_BATCH_TOKENS] = JSON_FIELD(INT, struct sft_settings, batch_tokens, "batch_tokens", .least = 2,
                                    .most = 1 << 22, .about = "Tokens of a step at most; 4096 when absent."),
    [SFT_LONGEST] = JSON_FIELD(INT, struct sft_settings, longest, "longest", .least = 2, .most = 1 << 17,
                               .about = "Tokens of an example at most; 1024, or the model's context, when absent."),
    [SFT_RATE] = JSON_FIELD(REAL, struct sft_settings, rate, "learning_rate", .low = 1e-9, .high = 0.9,
                            .about = "The highest; 0.001 for a new model, 0.0002 for adapters, else 0.00002."),
    [SFT_WARM_UP] = JSON_FIELD(REAL, struct sft_settings, warm_up, "warm_up", .low = 0, .high = 1,
                               .about = "Share of the steps in which the rate rises; 0.05 when absent."),
    [SFT_WEIGHT_DECAY] = JSON_FIELD(REAL, struct sft_settings, weight_decay, "weight_decay", .low = 0, .high = 10,
                                    .about = "Of AdamW; 0.1 for a new model, else 0."),
    [SFT_HELD_OUT] = JSON_FIELD(REAL, struct sft_settings, held_out, "held_out", .low = 0, .high = 0.5,
                                .about = "Share of the prompts that only test; 0.02 when absent."),
    [SFT_TEMPLATE] = JSON_FIELD(STR, struct sft_settings, template, "template", .least = 1, .most = TEMPLATE_MOST,
                                .about = "What stands around a prompt, with {prompt} in its place; that of the policy, "
                                         "or the prompt and an empty line, when absent."),
    [SFT_FROZEN] = JSON_FIELD(INT, struct sft_settings, frozen, "frozen_blocks", .least = 0, .most = 1000,
                              .about = "Bottom blocks that are not trained; 0 when absent. Adapters are then in the "
                                       "blocks above them."),
    [SFT_RECOMPUTE] = JSON_FIELD(BOOL, struct sft_settings, recompute, "recompute",
                                 .about = "Less memory, a third more time."),
    [SFT_STORE] = JSON_FIELD(ENUM, struct sft_settings, store, "store", .names = sft_settings_stores,
                             .about = "How the weights are stored; fp32 when absent, bf16 where they stayed in "
                                      "their files."),
    [SFT_SEED] = JSON_FIELD(INT, struct sft_settings, seed, "seed", .least = 0, .most = INT64_MAX,
                            .about = "Of the random weights, of the order, and of what is held out; 1 when absent."),
    [SFT_EVALUATE_EVERY] = JSON_FIELD(INT, struct sft_settings, evaluate_every, "evaluate_every", .least = 1,
                                      .most = INT32_MAX,
                                      .about = "Steps between held-out perplexities; a tenth of all when absent."),
    [SFT_CHECKPOINT_EVERY] = JSON_FIELD(INT, struct sft_settings, checkpoint_every, "checkpoint_every", .least = 1,
                                        .most = INT32_MAX,
                                        .about = "Steps between checkpoints; every five minutes when absent."),
    [SFT_LORA + LORA_RANK] = LORA_RANK_FIELD(struct sft_settings, lora,
                                             "Train low-rank adapters of this rank on `policy` instead of its weights, "
                                             "and merge them in the end: a fraction of the memory. 0: none."),
    [SFT_LORA + LORA_ALPHA] = LORA_ALPHA_FIELD(struct sft_settings, lora,
                                               "Adapters are scaled by this over their rank; twice the rank when "
                                               "absent."),
    [SFT_LORA + LORA_TARGETS] = LORA_TARGETS_FIELD(struct sft_settings, lora),
    [SFT_LORA + LORA_MAPPED] = LORA_MAPPED_FIELD(struct sft_settings, lora),
};

const struct json_shape sft_settings_shape =
    JSON_SHAPE(struct sft_settings, fields, "SftOptions",
               "Supervised training of a policy; what is not given keeps its default.");

static int wrong(struct err *err, const char *pointer, const char *member, const char *what)
{
    char at[sizeof err->pointer];
    snprintf(at, sizeof at, "%s%s", pointer, member);
    return err_at(err, ERR_INVALID_VALUE, at, "%s", what);
}

int sft_settings_check(const struct sft_settings *s, const char *pointer, struct err *err)
{
    bool policy = json_given(&s->seen, SFT_POLICY), new_model = json_given(&s->seen, SFT_NEW);
    if (!policy && !new_model)
        return err_at(err, ERR_MISSING_MEMBER, pointer, "either policy or new says where training starts");
    if (policy && new_model)
        return wrong(err, pointer, "/new", "policy and new contradict each other");
    if (json_given(&s->seen, SFT_STEPS) && json_given(&s->seen, SFT_EPOCHS))
        return wrong(err, pointer, "/epochs", "steps and epochs contradict each other");
    if (new_model && s->new_model.width % WIDTH_UNIT)
        return wrong(err, pointer, "/new/width", "the width must be a multiple of 32");
    if (new_model && s->frozen > 0)
        return wrong(err, pointer, "/frozen_blocks", "the blocks of a new model have learnt nothing to be kept");
    if (new_model && s->lora.rank > 0)
        return wrong(err, pointer, "/lora_rank", "a new model has learnt nothing that adapters could change");
    if (s->template.ptr && !memmem(s->template.ptr, s->template.len, "{prompt}", 8))
        return wrong(err, pointer, "/template", "the template must hold {prompt}");
    if (s->data_form == SFT_OF_FILE && s->file.path.ptr[0] != '/')
        return wrong(err, pointer, "/data/file", "the path must be absolute");
    return lora_settings_check(&s->seen, SFT_LORA, &s->lora, true, pointer, err);
}

int sft_settings_read(char *text, size_t length, struct sft_settings *ret, struct arena *arena, struct err *err)
{
    static const struct json_limits limits = {.depth = 4, .text_bytes = TEMPLATE_MOST};
    if (json_read(text, length, &sft_settings_shape, &limits, ret, arena, err) < 0)
        return -1;
    return sft_settings_check(ret, "", err);
}
