#include "base/rng.h"

#include <math.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"

void rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t ret[4])
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k[2] = {key[0], key[1]};
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next[4] = {(uint32_t)(p1 >> 32) ^ c[1] ^ k[0], (uint32_t)p1, (uint32_t)(p0 >> 32) ^ c[3] ^ k[1],
                            (uint32_t)p0};
        memcpy(c, next, sizeof c);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    memcpy(ret, c, sizeof c);
}

void rng_init(struct rng *r, uint64_t seed, uint64_t stream)
{
    *r = (struct rng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                      .counter = {0, 0, (uint32_t)stream, (uint32_t)(stream >> 32)},
                      .used = 4};
}

uint32_t rng_u32(struct rng *r)
{
    if (r->used == 4) {
        rng_philox(r->counter, r->key, r->block);
        if (++r->counter[0] == 0)
            r->counter[1]++;
        r->used = 0;
    }
    return r->block[r->used++];
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t high = rng_u32(r);
    return high << 32 | rng_u32(r);
}

double rng_uniform(struct rng *r)
{
    return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

double rng_normal(struct rng *r)
{
    if (r->has_spare) {
        r->has_spare = 0;
        return r->spare;
    }
    double radius = sqrt(-2 * log(1 - rng_uniform(r))), angle = 2 * M_PI * rng_uniform(r);
    r->spare = radius * sin(angle);
    r->has_spare = 1;
    return radius * cos(angle);
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
    CHECK(n > 0);
    uint32_t threshold = -n % n, x; /* Lemire 2019: refuse the few values that would bias */
    uint64_t product;
    do {
        x = rng_u32(r);
        product = (uint64_t)x * n;
    } while ((uint32_t)product < threshold);
    return (uint32_t)(product >> 32);
}

void rng_shuffle(struct rng *r, uint32_t *indices, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_below(r, (uint32_t)i);
        uint32_t swap = indices[i - 1];
        indices[i - 1] = indices[j];
        indices[j] = swap;
    }
}

int rng_secret(void *bytes, size_t length, struct err *err)
{
    CHECK(length <= 256); /* up to here getrandom never returns short */
    return getrandom(bytes, length, 0) == (ssize_t)length ? 0 : err_errno(err, "getrandom");
}
