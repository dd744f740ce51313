/* block: a handful of judgements that go to the database together, each with its own fate.
 *
 * A row is refused alone when it names what does not exist, or when another content is stored under its id; the same
 * judgement again is a replay, in the database or within the block. Annotators, items and responses are sent only when
 * they are not known (known.h). Block decides and remembers; the statements are rowset's.
 *
 * It refuses to own judgements (pointers, valid until the block is cleared) and to queue. One thread at a time. */
#ifndef EGALIGN_STORE_BLOCK_H
#define EGALIGN_STORE_BLOCK_H

#include <stdbool.h>

#include "base/err.h"
#include "store/judgement.h"
#include "store/known.h"
#include "store/pool.h"
#include "store/rowset.h"

enum { BLOCK_FACTS = 4 }; /* of a row: annotator, item, response a, response b */

struct block_row {
    const struct judgement *judgement;
    long line; /* in its stream; 0 when there is none */
    enum judgement_verdict verdict;
    struct err err;                   /* when refused, with line */
    bool refused_before;              /* by its references, before anything is sent */
    int first;                        /* the row of the same key that is sent; itself as a rule */
    uint8_t stored[JUDGEMENT_DIGEST]; /* digest of what is stored under its key; of a first row */
};

struct block {
    struct known *known;
    struct block_row *rows;
    int count, room;
    size_t bytes;             /* of text */
    int *order;               /* first rows, sorted by key */
    int sent;                 /* how many of them */
    struct known_fact *facts; /* BLOCK_FACTS a row */
    int *parents;             /* scratch: numbers of facts */
    struct rowset rowset;
    unsigned era;
    int careful; /* blocks to come that may hold what is stored already: the last hope that one does not was vain */
};

int block_init(struct block *b, struct known *known, int room, struct err *err); /* room: rows at most */
void block_free(struct block *b);
void block_clear(struct block *b);
void block_add(struct block *b, const struct judgement *judgement, long line); /* asserts that there is room */

/* Stores all rows and gives each its verdict (the pool's `lost` must forget what is known): in one transaction as a
 * rule; when the database refuses the data, in halves, until the bad row stands alone. Soft errors are tried again and
 * a lost connection replaced once, within the deadline; what fails then is refused with the database's error. Never
 * fails as a whole. */
void block_commit(struct block *b, struct pool *pool, int64_t deadline_ns);

/* Stores all rows on a connection that may be in a transaction of the caller. Verdicts are valid when it gives 0 and
 * the transaction commits; then block_learn may be called. */
int block_store(struct block *b, struct pg *pg, struct err *err);
void block_learn(struct block *b);

/* Stores nothing: gives each row the verdict that it would get now, STORED for the new ones, and puts those into the
 * block's rowset. */
int block_check(struct block *b, struct pg *pg, struct err *err);

#endif
