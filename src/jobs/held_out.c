#include "jobs/held_out.h"

#include <stdint.h>

#include "base/sha256.h"

double held_out_lot(const struct uuid *annotator)
{
    static const char purpose[] = "held out"; /* so that the lot is independent of any other digest of the id */
    struct sha256 hash;
    uint8_t digest[SHA256_SIZE];
    uint64_t bits = 0;
    sha256_init(&hash);
    sha256_update(&hash, purpose, sizeof purpose);
    sha256_update(&hash, annotator->bytes, sizeof annotator->bytes);
    sha256_final(&hash, digest);
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | digest[i];
    return (double)(bits >> 11) * 0x1p-53;
}

bool held_out_is_in(const struct uuid *annotator, double share, enum annotator_part part)
{
    return (held_out_lot(annotator) < share) == (part == ANNOTATORS_HELD_OUT);
}
