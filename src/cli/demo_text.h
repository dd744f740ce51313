/* demo_text: prompts and responses of the demo, put together by a small grammar.
 *
 * Sixteen things of a household times five questions make the prompts. A response answers the question in one sentence
 * and goes on for as many sentences as its style has, so that how long-winded a response is can be told from its text
 * alone. It refuses to be realistic beyond that. The same random stream gives the same texts. Thread rule: none shared.
 */
#ifndef EGALIGN_CLI_DEMO_TEXT_H
#define EGALIGN_CLI_DEMO_TEXT_H

#include "base/buf.h"
#include "base/rng.h"

enum { DEMO_PROMPTS = 80 };

enum demo_style { DEMO_BRIEF, DEMO_PLAIN, DEMO_THOROUGH, DEMO_STYLES };

/* The policy name under which responses of a style appear. */
extern const char *const demo_policies[DEMO_STYLES];

/* Appends prompt `index` (0 .. DEMO_PROMPTS - 1). */
void demo_prompt(struct buf *out, int index);

/* Appends a response to prompt `index` in `style`, and returns how many words it has. */
int demo_response(struct buf *out, int index, enum demo_style style, struct rng *rng);

#endif
