#include "formats/register_options.h"

enum { NAME_MOST = 63, FOLDER_MOST = 1000, RECIPE_MOST = 16384 };

static const struct json_field fields[] = {
    [REGISTER_NAME] = JSON_FIELD(STR, struct register_options, name, "name", .flags = JSON_REQUIRED, .least = 1,
                                 .most = NAME_MOST,
                                 .about = "Name of the policy, which also tags its responses: letters, digits, '.', "
                                          "'_', '-'. Never changes, and is never given again.",
                                 .example = "\"gpt2-sft\""),
    [REGISTER_FOLDER] = JSON_FIELD(STR, struct register_options, folder, "folder", .flags = JSON_REQUIRED, .least = 1,
                                   .most = FOLDER_MOST,
                                   .about = "Absolute path of a Hugging Face model directory on the machines of the "
                                            "service, in `model_folder` or one of `policy_folders`.",
                                   .example = "\"/var/lib/egalign/models/imported/gpt2-sft\""),
    [REGISTER_PARENT] = JSON_FIELD(STR, struct register_options, parent, "parent", .flags = JSON_NULLABLE, .least = 1,
                                   .most = NAME_MOST, .about = "The policy that it was made from, by name or id.",
                                   .example = "null"),
    [REGISTER_RECIPE] = JSON_FIELD(RAW, struct register_options, recipe, "recipe", .flags = JSON_RAW_OBJECT,
                                   .most = RECIPE_MOST, .about = "How it was made; kept and shown, never looked at.",
                                   .example = "{\"made_by\":\"fine-tuning elsewhere\"}"),
};

const struct json_shape register_options_shape =
    JSON_SHAPE(struct register_options, fields, "NewPolicy", "A checkpoint directory to be taken as a policy.");
