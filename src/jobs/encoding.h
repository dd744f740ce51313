/* encoding: a project's responses as features of a policy's hidden states, each response encoded once.
 *
 * What the cache in the database knows is read first; the texts of the rest are collected while the comparisons are
 * read, and encoded afterwards, outside of any transaction, for that takes long. Each batch goes into the cache at
 * once, so a job that is killed goes on where it was. The checkpoint is only loaded when something must be encoded.
 *
 * Responses are numbered in the order of adding, from 0. Owned by the job (encoding_close); one thread. */
#ifndef EGALIGN_JOBS_ENCODING_H
#define EGALIGN_JOBS_ENCODING_H

#include "core/reward/dataset.h"
#include "jobs/reporter.h"

struct encoding;

/* Looks the policy up (ERR_UNKNOWN_REFERENCE, ERR_NOT_READY, ERR_BAD_FILE) and reads what is cached. */
int encoding_open(struct reporter *reporter, struct str policy, struct encoding **ret, struct err *err);
void encoding_close(struct encoding *e);

/* The policy's name; its encoder's digest. As long as `e`. */
const char *encoding_policy(const struct encoding *e);
const uint8_t *encoding_digest(const struct encoding *e);

/* Adds an item; or a response to the item added last. Texts are copied where they are needed. */
int encoding_add_item(struct encoding *e, const struct uuid *id, struct str prompt, struct err *err);
int encoding_add_response(struct encoding *e, const struct uuid *id, struct str text, struct err *err);

/* Encodes what is missing and caches it; tells progress from `from` to `to` of the job. *ret_encoded: how many.
 * ERR_LEASE_LOST, ERR_BAD_FILE when the checkpoint is not what was registered any more. */
int encoding_complete(struct encoding *e, double from, double to, int *ret_encoded, struct err *err);

/* A data set of all items and responses, complete, with their numbers; annotators and comparisons are for the caller to
 * add. NULL with err on failure. */
struct dataset *encoding_dataset(const struct encoding *e, struct err *err);

#endif
