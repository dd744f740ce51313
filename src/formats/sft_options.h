/* sft_options: the options of an sft job, which trains a policy on examples, as they are written in a request body and
 * a job.
 *
 * Where it starts (a policy of the project, or a new model), what it learns (a file of examples, or what the project's
 * annotators preferred), how. One table says names, types and ranges; a member that is not given keeps the default of
 * `egalign train sft`. It refuses to look at files and policies.
 *
 * A zeroed struct holds no option at all. Owned by the caller; texts are views; no shared state. */
#ifndef EGALIGN_FORMATS_SFT_OPTIONS_H
#define EGALIGN_FORMATS_SFT_OPTIONS_H

#include "formats/lora_options.h"

enum sft_data_form { SFT_NO_DATA, SFT_OF_PROJECT, SFT_OF_FILE };
enum sft_project_data { SFT_PREFERRED };
enum sft_store { SFT_STORE_FP32, SFT_STORE_BF16 };

struct sft_file {
    struct json_seen seen;
    struct str path; /* absolute */
};

struct sft_new_model {
    struct json_seen seen;
    int64_t layers, width, vocabulary, context;
};

struct sft_settings {
    struct json_seen seen;
    struct str name;         /* of the policy that is made */
    struct str policy;       /* name or id of the one that it starts from */
    struct sft_new_model new_model;
    int data_form;           /* enum sft_data_form */
    int project_data;        /* enum sft_project_data */
    struct sft_file file;
    int64_t steps;
    double epochs;
    int64_t batch_tokens, longest;
    double rate, warm_up, weight_decay, held_out;
    struct str template;
    int64_t frozen;
    bool recompute;
    int store;               /* enum sft_store */
    int64_t seed, evaluate_every, checkpoint_every;
    struct lora_settings lora;
};

/* Bits of seen.given. */
enum {
    SFT_NAME, SFT_POLICY, SFT_NEW, SFT_DATA, SFT_STEPS, SFT_EPOCHS, SFT_BATCH_TOKENS, SFT_LONGEST, SFT_RATE,
    SFT_WARM_UP, SFT_WEIGHT_DECAY, SFT_HELD_OUT, SFT_TEMPLATE, SFT_FROZEN, SFT_RECOMPUTE, SFT_STORE, SFT_SEED,
    SFT_EVALUATE_EVERY, SFT_CHECKPOINT_EVERY, SFT_LORA /* and the three behind it: enum lora_field */
};
enum { SFT_NEW_LAYERS, SFT_NEW_WIDTH, SFT_NEW_VOCABULARY, SFT_NEW_CONTEXT };

extern const char *const sft_settings_stores[]; /* "fp32", "bf16", NULL */
extern const struct json_shape sft_settings_shape;

/* What no table of ranges says: one of policy and new, steps or epochs, a width that heads can share, a template with
 * its place for the prompt. ERR_INVALID_VALUE or ERR_MISSING_MEMBER with a pointer below `pointer` ("" for a document
 * of its own). */
int sft_settings_check(const struct sft_settings *s, const char *pointer, struct err *err);

/* Reads and checks a document; the text is changed and must outlive *ret, text[length] is '\0'. */
int sft_settings_read(char *text, size_t length, struct sft_settings *ret, struct arena *arena, struct err *err);

#endif
