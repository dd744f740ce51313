/* event: what happened in a project, in the order in which it became true.
 *
 * Triggers write it in the transaction in which it happens (migrations/0004_events.sql): a job was asked for or changed
 * its state, another fit was published, a group split, an evaluation was published. Numbers are 1, 2, 3 ... of the
 * project, without gaps and visible in their order, so that whoever has seen one has seen all before it. It refuses to
 * change or remove any. Thread rule: as the pool. */
#ifndef EGALIGN_STORE_EVENT_H
#define EGALIGN_STORE_EVENT_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"

struct pool;

struct event {
    int64_t number;
    struct str kind; /* "job", "fit", "group" or "evaluation" */
    struct str json; /* {number, at, ...}, on one line */
};

/* Hands out what happened after event `after` (0: from the start), in order, at most `limit` events. The event and its
 * texts last as long as the call of `take`. */
int event_list(struct pool *pool, const struct uuid *project, int64_t after, int limit,
               void (*take)(void *context, const struct event *event), void *context, struct err *err);

/* The number of the last event; 0 before the first. */
int event_last(struct pool *pool, const struct uuid *project, int64_t *ret, struct err *err);

#endif
