/* batch: ragged sequences packed one behind the other, without padding.
 *
 * T tokens of S sequences lie in one array; everything per token in the engine is [T][columns] in that order. A
 * sequence may continue one whose earlier tokens are in a cache (attention.h): `pasts` says how many. Who needs the
 * hidden states of some tokens only says so in `wanted`: the last block then works on those after its attention. The
 * arrays are the caller's. */
#ifndef EGALIGN_CORE_LM_BATCH_H
#define EGALIGN_CORE_LM_BATCH_H

#include <stddef.h>
#include <stdint.h>

struct lm_batch {
    int sequences;         /* S >= 1 */
    const int *starts;     /* [S + 1]: sequence s has tokens starts[s] .. starts[s + 1] - 1; starts[0] is 0 */
    const int32_t *tokens; /* [T] token ids */
    const int *pasts;      /* [S] tokens before these, in the cache; NULL: none */
    const int *slots;      /* [S] place of each sequence in the cache; NULL without one */
    const int *wanted;     /* [wanted_count] tokens, ascending; NULL: all */
    int wanted_count;      /* >= 1 */
};

static inline int batch_tokens(const struct lm_batch *b)
{
    return b->starts[b->sequences];
}

static inline int batch_past(const struct lm_batch *b, int sequence)
{
    return b->pasts ? b->pasts[sequence] : 0;
}

#endif
