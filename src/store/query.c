#include "store/query.h"

#include "base/check.h"

static const struct query_text texts[] = {
#include "query_texts.h"
};

_Static_assert(sizeof texts / sizeof texts[0] == QUERY_COUNT, "the generated lists differ");

const struct query_text *query_text(enum query q)
{
    CHECK((int)q >= 0 && q < QUERY_COUNT);
    return &texts[q];
}
