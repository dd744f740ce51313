/* projects: what is answered from memory about projects: the ids that their names stand for, and their win rates.
 *
 * Names never change, so an id that was once found is good for ever. The win rates of a project are the bytes that the
 * database holds for its published fit; they stay until a notification drops them. Before the first fit the document
 * tells how much data there is: it is shown for a moment and then read again behind the back of the request. It refuses
 * to touch the database. Thread rule: every function from any thread. */
#ifndef EGALIGN_API_PROJECTS_H
#define EGALIGN_API_PROJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "api/document.h"
#include "base/str.h"
#include "base/uuid.h"

struct projects;

struct projects *projects_new(void); /* NULL when out of memory */
void projects_free(struct projects *p);

/* The id of a project that is known here. */
bool projects_find(struct projects *p, struct str name, struct uuid *ret);

/* Remembers it; when there is no memory, it is merely not remembered. */
void projects_remember(struct projects *p, struct str name, const struct uuid *id);

/* The win rates of a project by name: one reference, or NULL. *ret_refresh is set for at most one caller at a time, who
 * should read them again, for they are no longer fresh. */
struct document *projects_win_rates(struct projects *p, struct str name, bool *ret_refresh);

/* To be taken before the database is read, and given back with what was read: a document that was dropped meanwhile is
 * not put back. */
uint64_t projects_generation(struct projects *p);

/* Keeps a reference of its own to `d`, unless the project is not known here or the generation has passed. `lasting`:
 * until dropped; else it is fresh for two seconds. `d` NULL ends a refresh that failed. */
void projects_put_win_rates(struct projects *p, const struct uuid *id, struct document *d, bool lasting,
                            uint64_t generation);

/* Drops the win rates of one project, or of all when `id` is NULL. */
void projects_drop_win_rates(struct projects *p, const struct uuid *id);

#endif
