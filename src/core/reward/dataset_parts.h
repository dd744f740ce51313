/* dataset_parts: the inside of struct dataset, for the reward wing and its tests only; see dataset.h. */
#ifndef EGALIGN_CORE_DATASET_PARTS_H
#define EGALIGN_CORE_DATASET_PARTS_H

#include "base/arena.h"
#include "core/reward/dataset.h"

enum encoder { ENCODER_HASHED, ENCODER_DENSE };

struct dataset {
    enum encoder encoder;
    int buckets, dimension;
    uint8_t digest[32]; /* of what made dense features; zeros: not told */
    struct arena texts; /* the prompts */
    int items, item_room;
    struct str *prompts; /* [items] */
    int responses, response_room;
    int *item_of;    /* [responses] */
    float *features; /* [responses x dimension], unscaled */
    int annotators;
    int comparisons, comparison_room;
    struct comparison *comparison; /* [comparisons] in the order of adding */
};

#endif
