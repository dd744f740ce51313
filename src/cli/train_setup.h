/* train_setup: the command line of `egalign train sft`, and all that must be there before the first step: the
 * tokenizer, the examples as tokens, the model. Private to the command. One thread. */
#ifndef EGALIGN_CLI_TRAIN_SETUP_H
#define EGALIGN_CLI_TRAIN_SETUP_H

#include "cli/language_model.h"
#include "core/align/sft_start.h"
#include "core/lm/safetensors.h"

struct train {
    struct sft_start start;
    const char *out;
    const char *backend; /* NULL: auto */
    int64_t threads, checkpoint_every, evaluate_every;
    char *template; /* of `start`; owned; NULL: not given */
    const char *matrices; /* that get adapters, comma-separated; NULL: the family's */
    int64_t lora;         /* rank of the adapters; 0: none, the model itself is trained */
    double lora_alpha;    /* 0: twice the rank */
    bool merge;           /* adapters are added to the model in the end */
    enum safetensors_dtype store;
    bool json;
    struct sft_options options;
    struct language_model lm;
    struct sft_data data;
};

/* ERR_USAGE. train_close must follow in any case. */
int train_parse(int argc, char **argv, struct train *t, struct err *err);

/* Reads the file, makes or loads model and tokenizer, and writes the tokenizer and the template into `out`, which must
 * not hold a model yet. */
int train_prepare(struct train *t, struct err *err);
void train_close(struct train *t);

#endif
