/* bpe_vocabulary: texts of tokens by id, and ids by text.
 *
 * Ids run from 0 without gaps, texts differ; both are enforced when a token is put in. A text is what the file says
 * ("Ġthe", "▁the", "<0x0A>"), not the bytes that it decodes to. It refuses to remove or to rename. The struct owns
 * copies of the texts. Read-only once filled, so any number of threads may read. */
#ifndef EGALIGN_CORE_LM_BPE_VOCABULARY_H
#define EGALIGN_CORE_LM_BPE_VOCABULARY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { BPE_MAX_TOKENS = 1 << 21, BPE_MAX_TEXT = 1 << 16 };

struct bpe_vocabulary;

/* An empty vocabulary for the ids 0 .. room-1 (1 .. BPE_MAX_TOKENS). ERR_BAD_FILE for another room, ERR_NO_MEMORY. */
struct bpe_vocabulary *bpe_vocabulary_new(size_t room, struct err *err);
void bpe_vocabulary_free(struct bpe_vocabulary *v);

/* Puts a token in; the text, 1 .. BPE_MAX_TEXT bytes, is copied. ERR_BAD_FILE for an id out of range or used before,
 * and for a text that is there already. */
int bpe_vocabulary_put(struct bpe_vocabulary *v, int64_t id, struct str text, struct err *err);

/* Tokens put in. Once it equals the room there is no gap. */
size_t bpe_vocabulary_count(const struct bpe_vocabulary *v);

/* The id of `text`; -1 when there is none. */
int32_t bpe_vocabulary_find(const struct bpe_vocabulary *v, struct str text);

/* The text of `id`; ptr NULL when it has none or is out of range. Valid until the next token is put in. */
struct str bpe_vocabulary_text(const struct bpe_vocabulary *v, int64_t id);

#endif
