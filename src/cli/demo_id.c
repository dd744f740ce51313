#include "cli/demo_id.h"

struct uuid demo_id(int64_t time_us, struct rng *rng)
{
    struct uuid id;
    uint64_t ms = (uint64_t)time_us / 1000, low = rng_u64(rng);
    uint32_t high = rng_u32(rng);
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    id.bytes[6] = (uint8_t)(0x70 | (high >> 8 & 0x0F));
    id.bytes[7] = (uint8_t)high;
    for (int i = 0; i < 8; i++)
        id.bytes[8 + i] = (uint8_t)(low >> (8 * i));
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3F));
    return id;
}
