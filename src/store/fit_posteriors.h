/* fit_posteriors: who belongs to which group of a fit, with what probability; for jobs that train on what groups
 * prefer.
 *
 * All memory is the caller's arena's. Thread rule: as the connection. */
#ifndef EGALIGN_STORE_FIT_POSTERIORS_H
#define EGALIGN_STORE_FIT_POSTERIORS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/uuid.h"

struct pg;

struct fit_posteriors {
    struct uuid fit;
    int groups, count;
    struct uuid *annotator; /* [count] ascending */
    double *posterior;      /* [count x groups] */
};

/* Of `fit`, or of the project's published one when it is NULL. ERR_NOT_READY when there is no such fit, or it found no
 * groups for want of data. */
int fit_posteriors_read(struct pg *pg, const struct uuid *project, const struct uuid *fit, struct arena *arena,
                        struct fit_posteriors *ret, struct err *err);

/* Where an annotator is among them; -1 for one that the fit has not seen. */
int fit_posteriors_place(const struct fit_posteriors *p, const struct uuid *annotator);

#endif
