/* checkpoint_digest: one number for all that a model directory computes with.
 *
 * SHA-256 over name, size and content of each file that makes the model (weights, configuration, tokenizer, template:
 * *.safetensors, *.json, merges.txt, tokenizer.model), in order of name. What else lies in the folder does not count,
 * nor do folders within. It is what cached features, fits and policies are tied to. No shared state. */
#ifndef EGALIGN_CORE_LM_CHECKPOINT_DIGEST_H
#define EGALIGN_CORE_LM_CHECKPOINT_DIGEST_H

#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"

/* *ret_bytes (may be NULL): the size of these files together. ERR_BAD_FILE when none of them is there or a name is too
 * long, ERR_SYSTEM when one cannot be read, ERR_NO_MEMORY. */
int checkpoint_digest(const char *folder, uint8_t ret[SHA256_SIZE], int64_t *ret_bytes, struct err *err);

#endif
