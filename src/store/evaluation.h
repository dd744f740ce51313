/* evaluation: how the groups judge one policy against another: asking for it, what the job reads, publishing it.
 *
 * An evaluation comes into being together with its job. Publishing stores its document and the project's standing, a
 * document over all evaluations that the win rates carry (win_rates_get), and ends the job, in one transaction; then
 * NOTIFY egalign_fit, for the win rates have changed. The standing belongs to the project and not to a fit: it survives
 * refits. It refuses to judge and to know what the documents say. Functions for the API append one complete JSON
 * document to `out`. Thread rule: as the pool or the connection. */
#ifndef EGALIGN_STORE_EVALUATION_H
#define EGALIGN_STORE_EVALUATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include "store/page.h"

struct pg;
struct pool;
struct job_lease;
struct policy_order;

/* ---- for the API ---- */

struct evaluation_order {
    const struct policy_order *order; /* the job, and the policies that it reads */
    struct uuid policy;
    struct uuid against;
    const struct uuid *fit; /* NULL: the published one */
};

/* The parent of a policy: 1 and its id, 0 when it has none, -1 with err. */
int evaluation_parent(struct pool *pool, const struct uuid *project, const struct uuid *policy, struct uuid *ret,
                      struct err *err);

/* Whether the project has groups to judge by: `fit`, or the published one (NULL). ERR_UNKNOWN_REFERENCE (no such fit),
 * ERR_NOT_READY (no results, or too little data). */
int evaluation_judgeable(struct pool *pool, const struct uuid *project, const struct uuid *fit, struct err *err);

/* Queues the job and its evaluation in one transaction. Errors as policy_order. */
int evaluation_request(struct pool *pool, const struct uuid *project, const struct evaluation_order *order,
                       struct uuid *ret_evaluation, struct uuid *ret_job, struct err *err);

/* {id, job, state, policy, against, fit, created_at, published_at, result: {...} or null}. ERR_NOT_FOUND. */
int evaluation_get(struct pool *pool, const struct uuid *project, const struct uuid *evaluation, struct buf *out,
                   struct err *err);
int evaluation_list(struct pool *pool, const struct uuid *project, const struct page *page, struct buf *out,
                    struct err *err);

/* ---- for run-job ---- */

struct evaluation_policy {
    struct uuid id;
    char *name; /* in the caller's arena */
};

struct evaluation_task {
    struct uuid id;
    struct evaluation_policy policy, against;
    bool has_parent;
    struct evaluation_policy parent; /* of `policy`, when it is ready: its reference */
    struct uuid fit;         /* the one asked for, else the published one */
    char *fit_options;       /* JSON text, NUL-terminated; may be changed */
    size_t fit_options_length;
    struct str model;        /* bytes of its rewards */
    int groups;              /* K */
    struct evaluation_group {
        struct uuid lineage;
        struct str name;
        double weight;
    } *group;                /* by ordinal */
};

/* What the job has to do; all of it in the caller's arena. ERR_NOT_READY: there is no fit with groups (any
 * more). */
int evaluation_task_of(struct pg *pg, const struct job_lease *lease, struct arena *arena, struct evaluation_task *ret,
                       struct err *err);

/* Up to `most` items of the project, by id: as good as drawn, for ids are digests. Ids and, in `ret_text`, the prompts
 * as a language model is given them. *ret_count may be 0. */
int evaluation_items(struct pg *pg, const struct uuid *project, int most, struct arena *arena, struct uuid **ret_id,
                     struct str **ret_text, int *ret_count, struct err *err);

/* People's own judgements of responses of the two policies, by annotators: `outcome` is 1 when `policy` won, 0 for a
 * tie or both bad, -1 when it lost; `ordinal` the group of the fit, -1 for who is not in it. */
struct evaluation_judgement {
    struct uuid annotator;
    int outcome, ordinal;
};
int evaluation_judgements(struct pg *pg, const struct uuid *project, const struct evaluation_task *task,
                          struct arena *arena, struct evaluation_judgement **ret, int *ret_count, struct err *err);

/* One published evaluation as the standing needs it, oldest first. */
struct evaluation_figures {
    struct uuid id;
    struct str policy, against, objective; /* objective.ptr NULL: the policy was not trained for one */
    int64_t published_at;
    struct str result; /* its document */
};

/* Publishes: stores the document and the fit, renders the standing from all evaluations of the project by `render`
 * (which appends to `out`), stores that, ends the job. ERR_LEASE_LOST: nothing was written. Soft errors of the database
 * may be tried again. */
int evaluation_store(struct pg *pg, const struct job_lease *lease, const struct evaluation_task *task,
                     struct str document,
                     int (*render)(void *context, int count, const struct evaluation_figures *all, struct buf *out,
                                   struct err *err),
                     void *context, struct err *err);

#endif
