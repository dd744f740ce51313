/* sft_parts: what a struct sft holds. Private to sft.c and sft_state.c. */
#ifndef EGALIGN_CORE_ALIGN_SFT_PARTS_H
#define EGALIGN_CORE_ALIGN_SFT_PARTS_H

#include "core/align/sft.h"
#include "core/align/snapshot.h"

struct sft {
    struct lm_model *model;
    const struct sft_data *data;
    struct sft_options options;
    struct lm_run *run;
    struct adamw *adam;
    struct sft_batch batch;
    float *logp;     /* [batch_tokens] */
    uint32_t *order; /* [trained] examples in the order of the epoch */
    size_t trained;  /* examples that are not held out */
    struct snapshot_place place;
    int64_t steps;
};

/* The order of the present epoch. */
void sft_shuffle(struct sft *s);

#endif
