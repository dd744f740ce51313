/* rng: counter-based random numbers, Philox4x32-10 (Salmon et al., SC 2011).
 *
 * A stream is a key and a counter: the same (seed, stream) gives the same numbers whatever else runs, on any machine
 * and any number of threads. Not for secrets: those come from rng_secret. A struct rng belongs to one thread. */
#ifndef EGALIGN_BASE_RNG_H
#define EGALIGN_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4]; /* the last block of output */
    int used;          /* how much of it is used; 4 means all */
    int has_spare;
    double spare; /* second normal deviate of a Box-Muller pair */
};

/* The raw function: 128 bits of output for a counter and a key, 10 rounds. */
void rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t ret[4]);

/* Stream `stream` of `seed`: streams of one seed do not overlap. */
void rng_init(struct rng *r, uint64_t seed, uint64_t stream);

uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);
double rng_uniform(struct rng *r);              /* [0, 1), 53 bits */
double rng_normal(struct rng *r);               /* mean 0, variance 1 */
uint32_t rng_below(struct rng *r, uint32_t n);  /* 0 .. n-1 without bias; n > 0 */
void rng_shuffle(struct rng *r, uint32_t *indices, size_t n);

/* Secret bytes from the kernel (getrandom). */
int rng_secret(void *bytes, size_t length, struct err *err);

#endif
