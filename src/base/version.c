#include "base/version.h"

#ifndef EGALIGN_REVISION
#define EGALIGN_REVISION "unknown"
#endif

const char version_number[] = EGALIGN_VERSION;
const char version_revision[] = EGALIGN_REVISION;
