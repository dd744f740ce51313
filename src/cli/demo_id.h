/* demo_id: ids of the comparisons that the demo makes up. Pure; thread rule: none shared. */
#ifndef EGALIGN_CLI_DEMO_ID_H
#define EGALIGN_CLI_DEMO_ID_H

#include "base/rng.h"
#include "base/uuid.h"

/* A UUIDv7 of the judgement's time and the seed's random numbers: loading the demo twice stores it once. */
struct uuid demo_id(int64_t time_us, struct rng *rng);

#endif
