/* language_model: what whoever works with a model's directory opens together: the weights, the tokenizer, the template
 * of its prompts, and the threads and products that compute. It refuses to choose how many threads and how much memory
 * there are: the caller knows the machine. The struct owns all of it. One thread. */
#ifndef EGALIGN_CORE_ALIGN_LANGUAGE_MODEL_H
#define EGALIGN_CORE_ALIGN_LANGUAGE_MODEL_H

#include "core/align/dialogue.h"
#include "core/lm/gemm.h"
#include "core/lm/model.h"

struct language_model {
    struct lm_model *model;
    struct tokenizer *tokenizer;
    struct dialogue dialogue;
    struct threads *threads;
    struct gemm gemm;
    bool leave_in_files; /* set between open and load: a mapped model (core/lm/mapped.h), which must be BF16 */
};

/* Starts BLAS and a pool of `threads` (at least 1); the matrix backend is fp32. language_model_close must follow in any
 * case. */
int language_model_open(struct language_model *l, int threads, struct err *err);

/* Takes the matrix backend called `name` instead of fp32; NULL is "auto". ERR_USAGE, ERR_NUMERICAL as gemm_backend. */
int language_model_use(struct language_model *l, const char *name, struct err *err);

/* Loads everything from `folder`; language_model_open came before. ERR_BAD_FILE also when the tokenizer has more tokens
 * than the model. */
int language_model_load(struct language_model *l, const char *folder, struct err *err);

/* Releases what there is; a zeroed struct is fine. */
void language_model_close(struct language_model *l);

#endif
