/* language_model: what the commands on a model's directory open together: the weights, the tokenizer, the template of
 * its prompts, and the threads and products that compute. The struct owns all of it. One thread. */
#ifndef EGALIGN_CLI_LANGUAGE_MODEL_H
#define EGALIGN_CLI_LANGUAGE_MODEL_H

#include "core/align/dialogue.h"
#include "core/lm/gemm.h"
#include "core/lm/model.h"

struct language_model {
    struct lm_model *model;
    struct tokenizer *tokenizer;
    struct dialogue dialogue;
    struct threads *threads;
    struct gemm gemm;
};

/* Starts BLAS and the pool: `threads` of them, 0 for the machine's cores, 8 at most. */
int language_model_start(struct language_model *l, int threads, struct err *err);

/* Loads everything from `folder`; language_model_start came before. ERR_BAD_FILE also when the tokenizer has more
 * tokens than the model. */
int language_model_load(struct language_model *l, const char *folder, struct err *err);

/* Releases what there is. */
void language_model_close(struct language_model *l);

/* ERR_NO_MEMORY, with both figures, when `bytes` are more than the machine has. */
int language_model_fits(size_t bytes, struct err *err);

/* The whole number that an option's text must be, within least .. most. Keeps *ret where the text is NULL. */
int option_whole(const char *name, const char *text, int64_t least, int64_t most, int64_t *ret, struct err *err);

/* Likewise for a real number. */
int option_real(const char *name, const char *text, double least, double most, double *ret, struct err *err);

#endif
