/* language_model: the commands' side of core/align/language_model.h: how many threads this machine has for a
 * model, and options that are numbers. One thread. */
#ifndef EGALIGN_CLI_LANGUAGE_MODEL_H
#define EGALIGN_CLI_LANGUAGE_MODEL_H

#include "core/align/language_model.h"
#include "core/lm/lora.h"

/* Starts BLAS and the pool: `threads` of them, 0 for the machine's cores, 8 at most. */
int language_model_start(struct language_model *l, int threads, struct err *err);

/* Between language_model_start and language_model_load: has the weights in `folder` left in their files when `asked`,
 * or when machine_leaves_in_files says so. */
void language_model_map(struct language_model *l, const char *folder, bool asked);

/* The adapters in `folder` (PEFT's files) for the loaded model, into *ret; NULL when `folder` is. The caller frees. */
int language_model_adapters(const struct language_model *l, const char *folder, struct lm_adapters **ret,
                            struct err *err);

/* The whole number that an option's text must be, within least .. most. Keeps *ret where the text is NULL. */
int option_whole(const char *name, const char *text, int64_t least, int64_t most, int64_t *ret, struct err *err);

/* Likewise for a real number. */
int option_real(const char *name, const char *text, double least, double most, double *ret, struct err *err);

#endif
