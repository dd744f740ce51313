/* upkeep: the thread that keeps the service's memory true to the database.
 *
 * It connects and migrates, reads the tokens, and then listens: a change of tokens, of a published fit or of a job is
 * told by NOTIFY. When the listening connection was lost, everything is read again after it is back, for what happened
 * meanwhile was not heard. Back-off from 50 ms to 5 s.
 *
 * Thread rule: start and stop from one thread. */
#ifndef EGALIGN_API_UPKEEP_H
#define EGALIGN_API_UPKEEP_H

#include "api/daemon.h"
#include "base/err.h"

struct upkeep;

int upkeep_start(struct api *api, const char *conninfo, struct upkeep **ret, struct err *err);
void upkeep_stop(struct upkeep *u); /* frees it; NULL is fine */

/* Try again now instead of at the end of the back-off. */
void upkeep_hurry(struct upkeep *u);

/* True, with why, when the schema does not fit this program: it does not try again. */
bool upkeep_hopeless(struct upkeep *u, struct err *ret);

#endif
