/* evaluate_options: the options of an evaluate job, which judges one policy against another in each group.
 *
 * It refuses to know which policies there are. Owned by the caller; texts are views. */
#ifndef EGALIGN_FORMATS_EVALUATE_OPTIONS_H
#define EGALIGN_FORMATS_EVALUATE_OPTIONS_H

#include "formats/complete_options.h"

/* What a member that was not given stands for. */
enum {
    EVALUATE_DEFAULT_ITEMS = 100, EVALUATE_DEFAULT_SAMPLES = 2, EVALUATE_DEFAULT_TOKENS = 128,
    EVALUATE_DEFAULT_REPLICATES = 200
};

struct evaluate_options {
    struct json_seen seen;
    struct str policy, against; /* names or ids */
    struct uuid fit;
    struct json_list prompts;   /* struct complete_prompt */
    int64_t items, samples, max_tokens;
    double temperature;
    int64_t seed, replicates;
};

/* Bits of seen.given. */
enum {
    EVALUATE_POLICY, EVALUATE_AGAINST, EVALUATE_FIT, EVALUATE_PROMPTS, EVALUATE_ITEMS, EVALUATE_SAMPLES,
    EVALUATE_MAX_TOKENS, EVALUATE_TEMPERATURE, EVALUATE_SEED, EVALUATE_REPLICATES
};

extern const struct json_shape evaluate_options_shape;

/* Puts the defaults where numbers were not given, so that what is written says all. */
void evaluate_options_fill(struct evaluate_options *o);

#endif
