/* tokenizer: text to token ids and back, for the two families of tokenizers that the engine's models use.
 *
 * Byte-level BPE (GPT-2, Llama 3, Qwen): decode(encode(x)) is x for any bytes. BPE over characters with byte fallback
 * (Llama 2, Mistral, Tulu): the same, but that U+2581 comes back as a space. Bytes that are no UTF-8 are pieces of
 * their own. It reads tokenizer.json, or vocab.json with merges.txt, as hostile input, and refuses by name every
 * feature that would change the ids and is not implemented (NFC, WordPiece, lstrip, dropout ...). "truncation" and
 * "padding" are passed over: they concern batches. It refuses to apply chat templates.
 *
 * A tokenizer is read-only once made: any number of threads may use it. The caller frees it, and what it fills. */
#ifndef EGALIGN_CORE_LM_TOKENIZER_H
#define EGALIGN_CORE_LM_TOKENIZER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { TOKENIZER_MAX_FILE = 64 << 20, TOKENIZER_MAX_TEXT = 1 << 30 }; /* bytes */

struct tokenizer;

/* A growable list of ids; zeroed it is empty. */
struct token_list {
    int32_t *ids;
    size_t count, room;
    bool failed; /* there was no memory; further ids are dropped */
};

/* Appends an id. */
void token_list_put(struct token_list *tokens, int32_t id);
void token_list_free(struct token_list *tokens);

/* From the text of a tokenizer.json. ERR_BAD_FILE, ERR_NO_MEMORY. */
struct tokenizer *tokenizer_parse(struct str json, struct err *err);

/* From the texts of GPT-2's vocab.json and merges.txt; "<|endoftext|>" is special when it is there. */
struct tokenizer *tokenizer_parse_pair(struct str vocabulary, struct str merges, struct err *err);

/* From a Hugging Face directory: tokenizer.json, else vocab.json with merges.txt. ERR_BAD_FILE also when there is
 * neither. */
struct tokenizer *tokenizer_load(const char *folder, struct err *err);

/* Frees the tokenizer; NULL is fine. */
void tokenizer_free(struct tokenizer *t);

/* Writes tokenizer.json, tokenizer_config.json and, of byte-level BPE, vocab.json and merges.txt into the folder, which
 * must exist; transformers loads them. Each file is replaced whole. ERR_SYSTEM, ERR_NO_MEMORY. */
int tokenizer_save(const struct tokenizer *t, const char *folder, struct err *err);

/* The tokenizer.json alone. */
int tokenizer_compose(const struct tokenizer *t, struct buf *out, struct err *err);

enum tokenizer_flag {
    TOKENIZER_SPECIALS = 1, /* encode: the texts of special tokens become those tokens (never do that to what users
                               wrote); decode: special tokens are written too */
    TOKENIZER_FRAME = 2,    /* encode: with the tokens that the model expects around a text, such as <s> */
    TOKENIZER_CONTINUED = 4 /* the text goes on where another one ended: no space is put in front or taken away */
};

/* Appends the ids of `text` (any bytes, at most TOKENIZER_MAX_TEXT) to *out. ERR_INVALID_VALUE for a character that the
 * vocabulary cannot express, ERR_TOO_LARGE, ERR_NO_MEMORY; then the contents of *out are of no use. */
int tokenizer_encode(const struct tokenizer *t, struct str text, unsigned flags, struct token_list *out,
                     struct err *err);

/* Appends the bytes of `count` ids to *out. ERR_INVALID_VALUE for an id out of range, ERR_NO_MEMORY. */
int tokenizer_decode(const struct tokenizer *t, const int32_t *ids, size_t count, unsigned flags, struct buf *out,
                     struct err *err);

/* Ids are 0 .. count-1. */
size_t tokenizer_count(const struct tokenizer *t);

/* The id whose text in the file is `text` ("</s>", "<|endoftext|>", "Ġthe"); -1 when there is none. */
int32_t tokenizer_find(const struct tokenizer *t, const char *text);

/* That text; ptr NULL for an id out of range. As long as the tokenizer. */
struct str tokenizer_text(const struct tokenizer *t, int64_t id);

/* Whether the token frames texts instead of being part of one. */
bool tokenizer_is_special(const struct tokenizer *t, int64_t id);

/* The special token that ends a text: the first there is of <|endoftext|>, </s>, <|end_of_text|>; -1 when none is. The
 * model's config.json takes precedence where it names one. */
int32_t tokenizer_end(const struct tokenizer *t);

#endif
