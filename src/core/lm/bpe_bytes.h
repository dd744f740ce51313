/* bpe_bytes: the alphabet in which byte-level BPE files spell bytes.
 *
 * GPT-2 writes each byte as one visible character: the 188 visible Latin-1 characters stand for themselves, the other
 * 68 bytes are U+0100 and up, in their order (openai/gpt-2, src/encoder.py, bytes_to_unicode). It refuses to know of
 * tokens. No shared state. */
#ifndef EGALIGN_CORE_LM_BPE_BYTES_H
#define EGALIGN_CORE_LM_BPE_BYTES_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

enum { BPE_BYTE_CHARACTERS = 324 }; /* code points below which all of the alphabet lies */

/* The code point that stands for `byte`. */
unsigned bpe_bytes_character(unsigned char byte);

/* The byte that code point `character` stands for; -1 when it is not of the alphabet. */
int bpe_bytes_byte(unsigned character);

/* Appends `bytes` in the alphabet, as UTF-8. */
void bpe_bytes_spell(struct buf *out, struct str bytes);

/* Appends the bytes that `text` spells; false, with nothing of use appended, when a character is not of the alphabet.
 */
bool bpe_bytes_read(struct buf *out, struct str text);

#endif
