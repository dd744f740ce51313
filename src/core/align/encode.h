/* encode: texts to features of a language model: what the `lm` encoder of the reward mixture sees of a response.
 *
 * A (prompt, response) becomes one sequence by its dialogue, as in training and scoring. Its features are the hidden
 * state (after the last norm) of the last token, then the mean of those of the response's tokens, the end token
 * included: 2 D floats. A sequence that is too long keeps the end of its prompt, at most half of the room when the
 * response needs it, then the beginning of the response, and the end token. It lies in align/ because it needs the
 * dialogue; the mixture, which is below, takes the features as numbers (reward/dataset.h) or through a struct
 * scorer_encoder (scorer.h).
 *
 * Sequences are packed into batches. Attention and everything per token does not see the neighbours; only the order of
 * the sums in a matrix product may depend on the number of rows. ENCODE_EXACT, the default of the service, therefore
 * runs each sequence alone: its features are the same bits whatever is encoded beside it, before it, or on how many
 * threads; packing gives the same to rounding (about 1e-6 of the largest) and is faster where sequences are short or
 * the model is mapped.
 *
 * The model (loaded or mapped) and the dialogue are borrowed; they must not change meanwhile. One thread. */
#ifndef EGALIGN_CORE_ALIGN_ENCODE_H
#define EGALIGN_CORE_ALIGN_ENCODE_H

#include "base/sha256.h"
#include "core/align/dialogue.h"
#include "core/lm/transformer.h"
#include "core/scorer.h"

enum { ENCODE_VERSION = 1, ENCODE_LONGEST = 1024 /* tokens of a sequence, when the context is longer */ };

enum encode_packing { ENCODE_EXACT, ENCODE_PACKED };

struct encode_options {
    struct gemm gemm;
    enum encode_packing packing;
    int batch_tokens;    /* of a packed batch at most; 0: 4096, or the longest sequence where that is more */
    size_t memory_limit; /* bytes of working memory; 0: no limit */
};

struct encode;

/* Floats of one response: 2 D. */
static inline int encode_dimension(const struct lm_shape *shape)
{
    return 2 * shape->width;
}

/* What the features depend on beside the texts: the digest of the checkpoint (checkpoint_digest, or a policy's), how
 * states are pooled, where sequences are cut. Cached features and stored fits are named by it. */
void encode_identity(const uint8_t checkpoint[SHA256_SIZE], const struct lm_shape *shape, uint8_t ret[SHA256_SIZE]);

/* Working memory for one model. ERR_NO_MEMORY, also above the limit, ERR_INVALID_VALUE for a context of less than 4. */
int encode_open(const struct lm_model *model, const struct dialogue *dialogue, const struct encode_options *options,
                struct encode **ret, struct err *err);
void encode_close(struct encode *e);

/* ret[n x 2 D]: the features of n responses, in order. ERR_INVALID_VALUE for a text that the vocabulary cannot express,
 * ERR_NUMERICAL when a state is not finite, ERR_NO_MEMORY. */
int encode_texts(struct encode *e, int n, const struct str *prompts, const struct str *responses, float *ret,
                 struct err *err);

/* Sequences and tokens that went through the model so far. */
struct encode_counts {
    long sequences, tokens, cut; /* cut: sequences that were too long */
};

/* All since encode_open. */
struct encode_counts encode_counts(const struct encode *e);

/* `e` as a scorer takes it, under the identity `digest`. Valid as long as `e`. */
struct scorer_encoder encode_for_scorer(struct encode *e, const uint8_t digest[SHA256_SIZE]);

#endif
