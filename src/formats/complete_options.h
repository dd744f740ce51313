/* complete_options: the options of a complete job, which samples responses of a policy.
 *
 * One table for the body of POST .../policies/{policy}/completions, where the policy is in the path, and for the
 * options of the job, where it is a member. It refuses to know what a prompt means: texts become items, ids name them.
 *
 * Owned by the caller; texts are views. */
#ifndef EGALIGN_FORMATS_COMPLETE_OPTIONS_H
#define EGALIGN_FORMATS_COMPLETE_OPTIONS_H

#include "base/json.h"

/* What a member that was not given stands for. */
enum { COMPLETE_DEFAULT_SAMPLES = 1, COMPLETE_DEFAULT_TOKENS = 256 };

enum complete_prompt_form { COMPLETE_NO_PROMPT, COMPLETE_TEXT, COMPLETE_ITEM };

/* {"item": id} */
struct complete_item {
    struct json_seen seen;
    struct uuid id;
};

struct complete_prompt {
    int form;                  /* enum complete_prompt_form */
    struct str text;           /* COMPLETE_TEXT */
    struct complete_item item; /* COMPLETE_ITEM */
};

struct complete_options {
    struct json_seen seen;
    struct json_list prompts; /* struct complete_prompt */
    int64_t samples, max_tokens;
    double temperature;
    int64_t top_k;
    double top_p;
    int64_t seed;
    struct str policy; /* name or id */
};

/* Bits of seen.given. */
enum {
    COMPLETE_PROMPTS, COMPLETE_SAMPLES, COMPLETE_MAX_TOKENS, COMPLETE_TEMPERATURE, COMPLETE_TOP_K, COMPLETE_TOP_P,
    COMPLETE_SEED, COMPLETE_POLICY
};

extern const struct json_field complete_prompt_item;   /* of a list of struct complete_prompt */
extern const struct json_shape complete_body_shape;    /* without the policy */
extern const struct json_shape complete_options_shape; /* with it */

/* Puts the defaults where nothing was given, so that what is written says all; the seed must be there. */
void complete_options_fill(struct complete_options *o);

#endif
