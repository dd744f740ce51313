/* reward_scorer: rewards of texts by the models of `full` mode: one language model with a reward head for each group,
 * and the single one.
 *
 * On disk a folder with group-0, group-1, ... and single, each a Hugging Face directory with a scalar head
 * (score.weight); tokenizer and template are those of `single`. Each sequence runs alone, so a text's rewards do not
 * depend on what is scored beside it. It owns its models. One thread at a time. */
#ifndef EGALIGN_CORE_ALIGN_REWARD_SCORER_H
#define EGALIGN_CORE_ALIGN_REWARD_SCORER_H

#include "base/sha256.h"
#include "core/align/language_model.h"
#include "core/align/response_scorer.h"

struct reward_scorer;

enum { REWARD_SCORER_MODELS_MAX = RESPONSE_SCORER_GROUPS_MAX + 1 };

/* Writes models[0 .. groups - 1] and the single model models[groups] into `folder` (made when it is not there), with
 * the tokenizer of the directory `like` and the template of `dialogue`. */
int reward_scorer_save(const char *folder, int groups, struct lm_model *const *models, const struct dialogue *dialogue,
                       const char *like, struct err *err);

/* The shapes of the models in such a folder, those of the *ret_groups groups and then the single one's; no weights are
 * read. ERR_BAD_FILE when it is not one. */
int reward_scorer_shapes(const char *folder, struct lm_shape ret[REWARD_SCORER_MODELS_MAX], int *ret_groups,
                         struct err *err);

/* Bytes that an opened scorer of these models takes. */
size_t reward_scorer_bytes(const struct lm_shape *shapes, int groups);

/* One number for all that such a folder computes with: SHA-256 over the name and the checkpoint_digest of each model's
 * directory, groups first. *ret_bytes: the size of their files together. Errors as checkpoint_digest. */
int reward_scorer_digest(const char *folder, uint8_t ret[SHA256_SIZE], int64_t *ret_bytes, struct err *err);

/* Loads such a folder; `threads` as language_model_open. ERR_BAD_FILE when it is not one. */
int reward_scorer_open(const char *folder, int threads, struct reward_scorer **ret, struct err *err);
int reward_scorer_groups(const struct reward_scorer *s); /* K */
void reward_scorer_free(struct reward_scorer *s);

/* As PPO and anchoring take it; valid as long as `s`. */
struct response_scorer reward_scorer_as_response(struct reward_scorer *s);

#endif
