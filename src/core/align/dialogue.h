/* dialogue: how a prompt and its response become one sequence of tokens, the same wherever a model is trained, scored
 * or sampled.
 *
 * A sequence is: the tokens that begin a text (what the tokenizer puts there, else the end token), the prompt within
 * its template, the response, the end token. The template is text around "{prompt}", kept beside the model in
 * egalign.json; special tokens are known in the template only, never in what people wrote. It refuses chat templates in
 * Jinja. The tokenizer is borrowed; read-only once made. */
#ifndef EGALIGN_CORE_ALIGN_DIALOGUE_H
#define EGALIGN_CORE_ALIGN_DIALOGUE_H

#include "core/lm/tokenizer.h"

enum { DIALOGUE_TEMPLATE_MAX = 4096 };

/* For models that were trained on nothing in particular. */
#define DIALOGUE_TEMPLATE "{prompt}\n\n"

struct dialogue {
    const struct tokenizer *tokenizer;
    char *template;          /* owned */
    struct token_list begin; /* ids in front of every text */
    int32_t end;             /* -1: none */
};

/* `end` is the model's end token, -1 for the tokenizer's own. ERR_INVALID_VALUE for a template without "{prompt}", or
 * longer than DIALOGUE_TEMPLATE_MAX. */
int dialogue_make(const struct tokenizer *tokenizer, const char *template, int32_t end, struct dialogue *ret,
                  struct err *err);

/* With the template that the folder's egalign.json names; DIALOGUE_TEMPLATE when there is none. */
int dialogue_load(const struct tokenizer *tokenizer, const char *folder, int32_t end, struct dialogue *ret,
                  struct err *err);

/* Writes egalign.json into the folder. */
int dialogue_save(const struct dialogue *d, const char *folder, struct err *err);
void dialogue_free(struct dialogue *d);

/* Appends the beginning and the prompt in its template. */
int dialogue_prompt(const struct dialogue *d, struct str prompt, struct token_list *out, struct err *err);

/* Appends a response, and the end token, if there is one. */
int dialogue_response(const struct dialogue *d, struct str response, struct token_list *out, struct err *err);

/* Writes the whole sequence of a prompt and its response into *out, which is emptied first, at most `longest` (>= 4)
 * tokens: a sequence that is too long keeps the end of its prompt, at most half of the room when the response needs it,
 * then the beginning of the response, and its last token. *ret_prompt: tokens in front of the response; an empty
 * response without an end token counts as the prompt's last. 1 when something was cut, 0, or -1; ERR_INVALID_VALUE when
 * there is no token at all. */
int dialogue_sequence(const struct dialogue *d, struct str prompt, struct str response, int longest,
                      struct token_list *out, int *ret_prompt, struct err *err);

/* Appends a text that is no answer: the beginning, the text, the end token. */
int dialogue_text(const struct dialogue *d, struct str text, struct token_list *out, struct err *err);

#endif
