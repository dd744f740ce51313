/* reward_parts: what a struct reward_trainer holds. Private to reward_model.c and reward_state.c. */
#ifndef EGALIGN_CORE_ALIGN_REWARD_PARTS_H
#define EGALIGN_CORE_ALIGN_REWARD_PARTS_H

#include "core/align/reward_model.h"
#include "core/align/snapshot.h"

struct reward_trainer {
    struct lm_model *model;
    const struct reward_data *data;
    struct reward_options options;
    struct lm_run *run;
    struct adamw *adam;
    uint32_t *order; /* [trained] pairs in the order of the epoch */
    size_t trained;  /* pairs with judgements that are not held out */
    struct snapshot_place place;
    int64_t steps;

    /* The batch: sequences 2 i and 2 i + 1 are those of pair i. */
    int *starts;     /* [batch_tokens + 1] */
    int32_t *tokens; /* [batch_tokens] */
    int *rows;       /* [batch_tokens] last token of each sequence */
    int *pairs;      /* [batch_tokens] */
    int count;       /* sequences */
    float *values, *slopes; /* [batch_tokens x heads] */
};

/* The order of the present epoch. */
void reward_shuffle(struct reward_trainer *t);

#endif
