/* known: which annotators, items and responses this process has seen committed; a cache of fixed size.
 *
 * An entry is one fact: this id, of this kind, below this parent, in this project, is stored. Facts enter only after
 * the transaction that stored them has committed, and nothing that the service does ever makes one false; when a
 * connection is lost, in use or idle, all are dropped (pool_options.lost), for the database that comes back may be
 * another one: restored, or promoted without the last commits.
 * It refuses to be complete: a fact may be evicted at any time, and then the row is just sent again.
 *
 * Thread rule: any thread; a lookup or a learning of many facts holds one lock for a moment. */
#ifndef EGALIGN_STORE_KNOWN_H
#define EGALIGN_STORE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/uuid.h"

struct known;

enum known_kind { KNOWN_ANNOTATOR = 1, KNOWN_ITEM, KNOWN_RESPONSE };

struct known_fact {
    struct uuid id;
    struct uuid parent; /* of a response its item, else zeros */
    struct uuid project;
    enum known_kind kind;
    bool holds; /* answer of known_ask */
};

/* Room for `facts` facts, rounded up to a power of two; 49 bytes each, touched as they are used. NULL with err. */
struct known *known_new(size_t facts, struct err *err);
void known_free(struct known *k);

/* Fills `holds` of each. */
void known_ask(struct known *k, struct known_fact *facts, size_t count);

/* A number that changes when everything is forgotten: what was stored before that must not be learnt after it. */
unsigned known_era(struct known *k);
/* Enters those of the facts whose `holds` is false, if the era is still the same. */
void known_learn(struct known *k, const struct known_fact *facts, size_t count, unsigned era);
void known_forget(struct known *k);

#endif
