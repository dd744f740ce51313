/* load: a project's comparisons as a data set, with what must be known of the rows behind its numbers.
 *
 * The data set knows dense numbers only. Beside it this keeps which annotator has which number, which policy wrote
 * which response, and who preferred what: what publication and the win rates need after the fit. It refuses texts: they
 * become features and are gone, at once (hashed) or through an encoding (encoding.h).
 *
 * Owned by the caller: loaded_free. Immutable once loaded. */
#ifndef EGALIGN_JOBS_LOAD_H
#define EGALIGN_JOBS_LOAD_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/sha256.h"
#include "base/uuid.h"
#include "core/reward/dataset.h"
#include "jobs/held_out.h"
#include "store/fit.h"

struct encoding;
struct pg;

/* Whose comparisons are read. Responses are read all the same, whoever compared them. */
struct load_annotators {
    double held_out; /* share of those who are, 0 .. 1 */
    enum annotator_part part;
};

struct loaded_id {
    struct uuid id;
    int number;
};

struct loaded {
    struct fit_data data; /* which state of the project this is */
    uint8_t digest[SHA256_SIZE]; /* over the ids of the comparisons, in order */
    struct dataset *set; /* NULL while texts wait to be encoded: loaded_encoded */
    int annotators;
    struct uuid *annotator; /* [annotators], ascending */
    int left_out;           /* annotators of the other part */
    int responses;
    int *policy_of;         /* [responses] position in policy, or -1 */
    int policies;
    struct str *policy;     /* [policies] names in order of appearance; in the arena */
    int comparisons;
    struct comparison *comparison; /* [comparisons] */
    struct arena arena;

    /* While loading: */
    struct load_annotators who;
    struct encoding *encoding;  /* the lm encoder; NULL: hashed */
    struct loaded_id *response; /* [responses] sorted by id before the comparisons come */
    int *policy_order;          /* [policies] by name */
    int room_annotators, room_responses, room_policies, room_comparisons;
    int item;                   /* of the last response */
    struct sha256 hash;
};

/* Reads the project's data (one snapshot) and encodes them with `buckets` hashed features (0: the default), or, when
 * `encoding` is not NULL, hands the texts to that: then loaded_encoded must follow. On failure *ret is empty. The
 * connection must be idle. */
int loaded_read(struct pg *pg, const struct uuid *project, struct load_annotators who, int buckets,
                struct encoding *encoding, struct loaded *ret, struct err *err);

/* Makes the data set when the encoding is complete. */
int loaded_encoded(struct loaded *l, struct err *err);
void loaded_free(struct loaded *l);

/* The number of an annotator, or -1. */
int loaded_annotator(const struct loaded *l, const struct uuid *annotator);

#endif
