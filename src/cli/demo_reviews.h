/* demo_reviews: what the demo of policies needs that is not the service's: texts to learn from, prompts, and simulated
 * people who judge what a policy wrote (core/lab/reviews.h). Private to `egalign demo`. One thread. */
#ifndef EGALIGN_CLI_DEMO_REVIEWS_H
#define EGALIGN_CLI_DEMO_REVIEWS_H

#include <stdint.h>

#include "base/err.h"

struct demo_reviews {
    uint64_t seed;
    int64_t count;              /* of reviews or prompts; 0: all there are */
    int held_out;               /* prompts: those that no training sees */
    int64_t majority, minority; /* people */
    int64_t comparisons;        /* of each */
};

/* Examples to learn from, {"prompt", "response"} a line, on standard output. ERR_SYSTEM. */
int demo_write_reviews(const struct demo_reviews *d, struct err *err);

/* Prompts, one a line. */
int demo_write_prompts(const struct demo_reviews *d, struct err *err);

/* Reads items from standard input, {"prompt", "responses": [{"text", "policy"}, ...]} a line, and writes what people
 * say of their responses, as comparisons. ERR_INSUFFICIENT_DATA when no item has two different responses. */
int demo_judge(const struct demo_reviews *d, struct err *err);

#endif
