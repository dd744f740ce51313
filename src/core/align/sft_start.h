/* sft_start: what must be there before the first step of supervised training: a tokenizer, a model, the template of its
 * prompts, and the examples as tokens; and the folder of the result with all of it but the weights.
 *
 * A model comes from a directory, or is made: L layers of width D in GPT-2's shape with random weights, and a
 * byte-level BPE trained on the examples. The command and the job both start here, so that the same options give the
 * same model.
 *
 * Examples come from the caller, who reads them as often as he is asked, always the same ones in the same order. It
 * refuses to know where they are from. No shared state. */
#ifndef EGALIGN_CORE_ALIGN_SFT_START_H
#define EGALIGN_CORE_ALIGN_SFT_START_H

#include "core/align/language_model.h"
#include "core/align/sft.h"

/* Hands over each example: a prompt with its response, or a text (prompt.ptr NULL); the views last for the call. */
typedef int sft_take(void *context, struct str prompt, struct str text, struct err *err);
typedef int sft_read(void *source, sft_take *take, void *context, struct err *err);

struct sft_start {
    const char *init;            /* a model's directory; NULL: a new model */
    int layers, width;           /* of a new one; the width is a multiple of SFT_START_WIDTH */
    int64_t vocabulary, context; /* of a new one: tokens, longest sequence */
    const char *template;        /* around a prompt; NULL: that of `init`, or DIALOGUE_TEMPLATE */
    uint64_t seed;               /* of random weights, and of what is held out */
    double held_out;             /* share of the examples that only test, 0 .. 0.5 */
    int64_t longest;             /* tokens of an example at most, and of the context; 0: SFT_START_LONGEST */
    sft_read *read;
    void *source;
};

enum { SFT_START_WIDTH = 32, SFT_START_LONGEST = 1024 };

#define SFT_LORA_RATE 2e-4 /* by default: adapters bear ten times the rate of a whole model */

/* Defaults: vocabulary 8192, context 512, 2 % held out, seed 1. */
void sft_start_default(struct sft_start *ret);

/* Defaults of training: 2 epochs of 4096 tokens a step; a rate of 0.001 with weight decay 0.1 for a new model, of
 * 0.00002 without decay for one that is trained further. */
void sft_options_default(bool is_new, struct sft_options *ret);

/* Loads or makes everything. `l` was opened; language_model_close and sft_data_free must follow in any case.
 * ERR_BAD_FILE, ERR_INVALID_VALUE for a shape that is none, ERR_INSUFFICIENT_DATA, ERR_NO_MEMORY. */
int sft_start_make(const struct sft_start *start, struct language_model *l, struct sft_data *ret_data, struct err *err);

/* Makes the folder of the result, when it is not there, and writes the template into it, and the tokenizer when that is
 * new (one that is not is copied by checkpoint_save). */
int sft_start_folder(const struct sft_start *start, const struct language_model *l, const char *out, struct err *err);

#endif
