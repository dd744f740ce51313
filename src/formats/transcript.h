/* transcript: a conversation as one text, with the speakers marked "\n\nHuman:" and "\n\nAssistant:" (HH-RLHF).
 *
 * It refuses speakers other than user and assistant. Views point into the text that was split; joined texts go into a
 * struct buf. Thread rule: no shared state. */
#ifndef EGALIGN_FORMATS_TRANSCRIPT_H
#define EGALIGN_FORMATS_TRANSCRIPT_H

#include "formats/record.h"

/* The messages (struct record_message, in the arena) of a text. `first` speaks until the first mark. Nothing before it
 * is no message of a user, for prompts begin with a mark, but an empty one of an assistant, whose mark is already cut
 * off where an answer begins. */
int transcript_split(struct str text, enum record_role first, struct arena *arena, struct json_list *ret,
                     struct err *err);

/* Appends the messages from `from` on, each with its mark; the first one's mark only if `mark_first`. False when there
 * is another speaker than user and assistant. */
bool transcript_join(const struct json_list *messages, size_t from, bool mark_first, struct buf *out);

/* Length of the beginning of a that ends with the last "\n\nAssistant:" which a and b have in common; 0: none. */
size_t transcript_common(struct str a, struct str b);

/* Appends the messages as the prompt of a language model, or of an encoder of texts: the content of a single one; of
 * several "User: ...", "Assistant: ..." with an empty line between them. As prompt_text in the database's schema. */
void transcript_prompt(const struct json_list *messages, struct buf *out);

/* True when the text holds a mark, so that it would be split when read again. */
bool transcript_marked(struct str text);

/* Appends one turn with its mark. */
void transcript_turn(struct buf *out, enum record_role role, struct str content);

#endif
