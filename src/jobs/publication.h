/* publication: turns a finished fit into what is stored of it.
 *
 * Matches its groups with those of the fit before (ids and colours go on, new groups get free ones), renders the
 * documents, and computes the entity tag. It refuses to touch the database: the former groups come in, a struct
 * fit_publication goes out (fit_store).
 *
 * Deterministic, but for the ids of new lineages. All memory of a publication is its own; publication_free. */
#ifndef EGALIGN_JOBS_PUBLICATION_H
#define EGALIGN_JOBS_PUBLICATION_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "core/reward/fit.h"
#include "jobs/load.h"
#include "store/fit.h"

enum { PUBLICATION_ETAG_SIZE = 67 }; /* quotes, 64 hexadecimal digits, NUL */

struct publication {
    struct fit_publication fit; /* points into the rest */
    struct buf evidence, summary, warnings, model, win_rates;
    char etag[PUBLICATION_ETAG_SIZE];
    char code_version[96];
    struct arena arena;
};

struct publication_input {
    const char *project; /* name */
    struct uuid fit_id;
    const struct loaded *loaded;
    const struct fit *fit;          /* NULL: too little data, and `lack` says so */
    const char *lack;               /* one sentence */
    const struct fit_former *former;
    const struct fit_options *options;
    const char *policy;             /* whose states are the features; NULL: hashed */
};

/* Fills *ret, which refers to the input. On failure it is empty. */
int publication_make(const struct publication_input *in, struct publication *ret, struct err *err);
void publication_free(struct publication *p);

#endif
