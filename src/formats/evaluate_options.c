#include "formats/evaluate_options.h"

enum { PROMPTS_MOST = 1000, SAMPLES_MOST = 16, TOKENS_MOST = 4096, REPLICATES_MOST = 2000, NAME_MOST = 63 };

static const struct json_field fields[] = {
    [EVALUATE_POLICY] = JSON_FIELD(STR, struct evaluate_options, policy, "policy", .flags = JSON_REQUIRED, .least = 1,
                                   .most = NAME_MOST, .about = "The policy that is judged, by name or id.",
                                   .example = "\"maxmin\""),
    [EVALUATE_AGAINST] = JSON_FIELD(STR, struct evaluate_options, against, "against", .least = 1, .most = NAME_MOST,
                                    .about = "What it is judged against; its parent, which it was trained from, when "
                                             "absent.",
                                    .example = "\"gpt2-sft\""),
    [EVALUATE_FIT] = JSON_FIELD(UUID, struct evaluate_options, fit, "fit",
                                .about = "The fit whose groups are asked; the published one when absent. The judge is "
                                         "fitted on the annotators that it held out."),
    [EVALUATE_PROMPTS] = JSON_FIELD(LIST, struct evaluate_options, prompts, "prompts",
                                    .flags = JSON_DISTINCT, .least = 1, .most = PROMPTS_MOST,
                                    .item = &complete_prompt_item,
                                    .item_size = sizeof(struct complete_prompt),
                                    .about = "What both policies answer; items of the project when absent.",
                                    .example = "[\"Why is the sky blue?\"]"),
    [EVALUATE_ITEMS] = JSON_FIELD(INT, struct evaluate_options, items, "items", .least = 1, .most = PROMPTS_MOST,
                                  .about = "How many items, when no prompts are given; 100 when absent.",
                                  .example = "100"),
    [EVALUATE_SAMPLES] = JSON_FIELD(INT, struct evaluate_options, samples, "samples", .least = 1, .most = SAMPLES_MOST,
                                    .about = "Responses of each policy to each prompt; 2 when absent.",
                                    .example = "2"),
    [EVALUATE_MAX_TOKENS] = JSON_FIELD(INT, struct evaluate_options, max_tokens, "max_tokens", .least = 1,
                                       .most = TOKENS_MOST,
                                       .about = "Tokens of a response at most; 128 when absent.", .example = "128"),
    [EVALUATE_TEMPERATURE] = JSON_FIELD(REAL, struct evaluate_options, temperature, "temperature", .low = 0.01,
                                        .high = 100, .about = "1, or absent, samples the policies as they are."),
    [EVALUATE_SEED] = JSON_FIELD(INT, struct evaluate_options, seed, "seed", .least = 0, .most = INT64_MAX,
                                 .about = "Of the samples and the bootstrap; 0 when absent.", .example = "7"),
    [EVALUATE_REPLICATES] = JSON_FIELD(INT, struct evaluate_options, replicates, "replicates", .least = 0,
                                       .most = REPLICATES_MOST,
                                       .about = "Of the bootstrap over annotators and prompts; 200 when absent, 0: "
                                                "none."),
};

const struct json_shape evaluate_options_shape =
    JSON_SHAPE(struct evaluate_options, fields, "EvaluateOptions",
               "One policy to be judged against another by the groups of a fit, on responses of both to the same "
               "prompts.");

void evaluate_options_fill(struct evaluate_options *o)
{
    const struct {
        int field, value;
        int64_t *to;
    } defaults[] = {
        {EVALUATE_ITEMS, EVALUATE_DEFAULT_ITEMS, &o->items},
        {EVALUATE_SAMPLES, EVALUATE_DEFAULT_SAMPLES, &o->samples},
        {EVALUATE_MAX_TOKENS, EVALUATE_DEFAULT_TOKENS, &o->max_tokens},
        {EVALUATE_SEED, 0, &o->seed},
        {EVALUATE_REPLICATES, EVALUATE_DEFAULT_REPLICATES, &o->replicates},
    };
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        if (!json_given(&o->seen, defaults[i].field))
            *defaults[i].to = defaults[i].value;
        o->seen.given |= UINT64_C(1) << defaults[i].field;
    }
    if (!json_given(&o->seen, EVALUATE_TEMPERATURE))
        o->temperature = 1;
    o->seen.given |= UINT64_C(1) << EVALUATE_TEMPERATURE;
}
