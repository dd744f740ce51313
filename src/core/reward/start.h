/* start: where a run of EM begins; responsibilities q[annotators x k] to be handed to mixture_run.
 *
 * Pure functions of (seed, stream); one thread. */
#ifndef EGALIGN_CORE_START_H
#define EGALIGN_CORE_START_H

#include "core/reward/mixture.h"

/* Clusters the annotators by what the pooled reward gets wrong about them: the vectors
 * v_h = sum_{c in h} sigma(-m_c) (phi(winner) - phi(loser)) / sqrt(n_h) (the score of the log-likelihood at the pooled
 * reward; at zero reward half the net-win vector), on their leading singular directions, by k-means. `pooled`[dim]. */
int start_spectral(struct mixture *m, struct logistic *l, const struct sample *s, const double *pooled, uint64_t seed,
                   uint64_t stream, struct err *err);

/* Each annotator belongs mostly to a group drawn at random. */
void start_random(struct mixture *m, uint64_t seed, uint64_t stream);

/* Annotator h belongs to group h mod k (the paper's Algorithm 2 as published). */
void start_round_robin(struct mixture *m);

#endif
