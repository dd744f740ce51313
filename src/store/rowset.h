/* rowset: comparisons and what they refer to, as columns: the parameters of the ingest statements.
 *
 * A rowset is filled row by row and sent with one statement, whatever the number of rows. It can be written to a file
 * and read back: that is how the blocks of a long batch wait for the end of the stream. Rows must come sorted by key,
 * the same way in every rowset: then two transactions that store the same rows wait for each other and never in a
 * circle.
 *
 * It refuses to decide anything: which rows go in is block's business. Failed allocations are reported by the
 * statement. A zeroed struct with rowset_start is ready; release with rowset_free. One thread at a time. */
#ifndef EGALIGN_STORE_ROWSET_H
#define EGALIGN_STORE_ROWSET_H

#include <stdio.h>

#include "base/err.h"
#include "store/judgement.h"
#include "store/pg.h"

enum { ROWSET_COMPARISON = 15, ROWSET_ANNOTATOR = 3, ROWSET_ITEM = 4, ROWSET_RESPONSE = 4 };

struct rowset {
    struct pg_array comparison[ROWSET_COMPARISON]; /* in the order of ingest_comparisons.sql */
    struct pg_array annotator[ROWSET_ANNOTATOR];   /* the next three in that of ingest_parents.sql */
    struct pg_array item[ROWSET_ITEM];
    struct pg_array response[ROWSET_RESPONSE];
    struct pg_array line; /* of each comparison in its stream */
};

void rowset_start(struct rowset *rows); /* empties it; memory is kept */
void rowset_free(struct rowset *rows);
int rowset_count(const struct rowset *rows); /* comparisons */

/* Add one row: a comparison, or what it refers to. */
void rowset_add_comparison(struct rowset *rows, const struct judgement *j, long line);
void rowset_add_annotator(struct rowset *rows, const struct judgement *j);
void rowset_add_item(struct rowset *rows, const struct judgement *j);
void rowset_add_response(struct rowset *rows, const struct judgement *j, const struct judgement_response *response);

/* Stores all in one statement. *ret has the (project id, id) of the comparisons that are new; the caller's. */
int rowset_store(struct rowset *rows, struct pg *pg, struct pg_result **ret, struct err *err);

/* The same where nothing of it is expected to be stored already, for a third less work. When something is:
 * ERR_CONFLICT, and nothing was stored. */
int rowset_store_new(struct rowset *rows, struct pg *pg, struct err *err);

/* The two halves of rowset_store, for long batches: what comparisons refer to; then the comparisons, counting the new
 * ones. */
int rowset_store_parents(struct rowset *rows, struct pg *pg, struct err *err);
int rowset_store_comparisons(struct rowset *rows, struct pg *pg, int *ret_new, struct err *err);

/* One row (line) for each comparison of the set that is stored with another digest. *ret is the caller's. */
int rowset_conflicts(struct rowset *rows, struct pg *pg, struct pg_result **ret, struct err *err);

/* ERR_STORAGE_FULL when the disk has no room. Reading gives 1, or 0 at the end of the file. */
int rowset_write(const struct rowset *rows, FILE *file, struct err *err);
int rowset_read(struct rowset *rows, FILE *file, struct err *err);

#endif
