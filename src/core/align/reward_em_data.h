/* reward_em_data: the comparisons of annotators as tokens, with who is thought to belong to which group: what EM over
 * reward models (reward_em.h) learns from, as one thing that can be kept.
 *
 * Owns all of it; built by one thread, then read-only. */
#ifndef EGALIGN_CORE_ALIGN_REWARD_EM_DATA_H
#define EGALIGN_CORE_ALIGN_REWARD_EM_DATA_H

#include <stdio.h>

#include "core/align/reward_em.h"

struct reward_em_data {
    struct reward_data sequences; /* its pairs are not looked at */
    int annotators, groups, comparisons;
    struct reward_em_comparison *comparison;
    double *posterior; /* [annotators x groups] of the fit */
};

/* Makes room for `comparisons` and the posteriors; the three numbers are set. ERR_NO_MEMORY. */
int reward_em_data_allocate(struct reward_em_data *d, struct err *err);
void reward_em_data_free(struct reward_em_data *d);

/* A digest of all of it. */
void reward_em_data_digest(const struct reward_em_data *d, uint8_t ret[SHA256_SIZE]);

/* As reward_data_write and reward_data_load. */
int reward_em_data_write(const struct reward_em_data *d, FILE *file, struct err *err);
int reward_em_data_load(const char *path, struct reward_em_data *ret, struct err *err);

#endif
