#include "formats/complete_options.h"

enum { PROMPTS_MOST = 256, SAMPLES_MOST = 16, TOKENS_MOST = 4096, VOCABULARY_MOST = 1 << 21, NAME_MOST = 63 };

static const struct json_field item_fields[] = {
    JSON_FIELD(UUID, struct complete_item, id, "item", .flags = JSON_REQUIRED, .about = "Id of an item."),
};
static const struct json_shape item_shape =
    JSON_SHAPE(struct complete_item, item_fields, "ItemReference", "An item of the project.");

static const struct json_field prompt_forms[] = {
    [COMPLETE_TEXT - 1] = JSON_FIELD(STR, struct complete_prompt, text, "text", .flags = JSON_LONG_TEXT, .least = 1,
                                     .about = "Plain text; it becomes an item, unless there is one already."),
    [COMPLETE_ITEM - 1] = JSON_FIELD_OBJECT(struct complete_prompt, item, "item", &item_shape,
                                            .about = "An item. A single chat message is taken as its content, several "
                                                     "as \"User: ...\", \"Assistant: ...\" with empty lines between."),
};
const struct json_field complete_prompt_item =
    JSON_ITEM(ONE_OF, .offset = offsetof(struct complete_prompt, form), .forms = prompt_forms, .form_count = 2);

static const struct json_field fields[] = {
    [COMPLETE_PROMPTS] = JSON_FIELD(LIST, struct complete_options, prompts, "prompts",
                                    .flags = JSON_REQUIRED | JSON_DISTINCT, .least = 1, .most = PROMPTS_MOST,
                                    .item = &complete_prompt_item, .item_size = sizeof(struct complete_prompt),
                                    .about = "What is to be answered.",
                                    .example = "[\"Why is the sky blue?\"]"),
    [COMPLETE_SAMPLES] = JSON_FIELD(INT, struct complete_options, samples, "samples", .least = 1, .most = SAMPLES_MOST,
                                    .about = "Responses to each prompt; 1 when absent.", .example = "4"),
    [COMPLETE_MAX_TOKENS] = JSON_FIELD(INT, struct complete_options, max_tokens, "max_tokens", .least = 1,
                                       .most = TOKENS_MOST,
                                       .about = "Tokens of a response at most; 256 when absent. The model's context "
                                                "may end it before.",
                                       .example = "128"),
    [COMPLETE_TEMPERATURE] = JSON_FIELD(REAL, struct complete_options, temperature, "temperature", .low = 0,
                                        .high = 100, .about = "0 takes the most likely token; 1 when absent.",
                                        .example = "0.8"),
    [COMPLETE_TOP_K] = JSON_FIELD(INT, struct complete_options, top_k, "top_k", .least = 0, .most = VOCABULARY_MOST,
                                  .about = "Only of the so many most likely tokens; 0, or absent, of all."),
    [COMPLETE_TOP_P] = JSON_FIELD(REAL, struct complete_options, top_p, "top_p", .low = 1e-6, .high = 1,
                                  .about = "Only of the most likely tokens that reach this probability; 1 if absent."),
    [COMPLETE_SEED] = JSON_FIELD(INT, struct complete_options, seed, "seed", .least = 0, .most = INT64_MAX,
                                 .about = "A sample depends on the seed, its prompt and its number only; a new one is "
                                          "drawn, and kept in the job, when absent.",
                                 .example = "7"),
    [COMPLETE_POLICY] = JSON_FIELD(STR, struct complete_options, policy, "policy", .flags = JSON_REQUIRED, .least = 1,
                                   .most = NAME_MOST, .about = "The policy that is sampled, by name or id.",
                                   .example = "\"gpt2-sft\""),
};

const struct json_shape complete_options_shape = JSON_SHAPE(
    struct complete_options, fields, "CompleteOptions",
    "Responses to be sampled from a policy and stored as candidates of their items, tagged with its name.");

const struct json_shape complete_body_shape = {
    .name = "NewCompletions",
    .about = "Responses to be sampled from the policy and stored as candidates of their items, tagged with its name.",
    .size = sizeof(struct complete_options),
    .fields = fields,
    .count = COMPLETE_POLICY, /* the last, and in the path here */
};

void complete_options_fill(struct complete_options *o)
{
    if (!json_given(&o->seen, COMPLETE_SAMPLES))
        o->samples = COMPLETE_DEFAULT_SAMPLES;
    if (!json_given(&o->seen, COMPLETE_MAX_TOKENS))
        o->max_tokens = COMPLETE_DEFAULT_TOKENS;
    if (!json_given(&o->seen, COMPLETE_TEMPERATURE))
        o->temperature = 1;
    if (!json_given(&o->seen, COMPLETE_TOP_P))
        o->top_p = 1;
    o->seen.given |= (UINT64_C(1) << COMPLETE_POLICY) * 2 - 1;
}
