/* fit_read: what the API shows of fits, groups, memberships and win rates. Making them is the jobs'.
 *
 * Functions that give JSON append one complete document to `out`. ERR_NOT_FOUND when the project has no such fit or
 * group. Thread rule: as the pool. */
#ifndef EGALIGN_STORE_FIT_READ_H
#define EGALIGN_STORE_FIT_READ_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "store/page.h"

struct pg;
struct pool;

/* {id, job, state, created_at, published_at, is_published, options, watermark, comparisons, annotators, k, verdict,
 * encoder, ridge, seed, threads, blas, code_version, evidence, summary, warnings, groups, lineage_events} */
int fit_get(struct pool *pool, const struct uuid *project, const struct uuid *fit, struct buf *out, struct err *err);
/* Newest first, without groups, evidence and summary. */
int fit_list(struct pool *pool, const struct uuid *project, const struct page *page, struct buf *out, struct err *err);

/* Makes a fit with results the published one (again) and sends NOTIFY egalign_fit. ERR_NOT_READY when it has none. */
int fit_publish(struct pool *pool, const struct uuid *project, const struct uuid *fit, struct buf *out,
                struct err *err);

/* Groups of the published fit: {"fit": id or null, "items": [...], "next_cursor": null}; empty before the first fit. */
int group_list(struct pool *pool, const struct uuid *project, struct buf *out, struct err *err);
/* `group` is the lineage's id. {id, name, colour, fit, ordinal, weight, size, stability, summary} */
int group_get(struct pool *pool, const struct uuid *project, const struct uuid *group, struct buf *out,
              struct err *err);
int group_rename(struct pool *pool, const struct uuid *project, const struct uuid *group, struct str name,
                 struct buf *out, struct err *err);

/* Memberships of the published fit, by annotator id: {annotator, name, group (null: unassigned), posterior,
 * comparisons}. */
int membership_list(struct pool *pool, const struct uuid *project, const struct page *page, struct buf *out,
                    struct err *err);

/* What scoring with a published fit needs. */
enum { FIT_PUBLISHED_GROUPS = 16 };

struct fit_published {
    struct uuid fit;
    struct buf model;          /* the bytes that scorer_open reads */
    struct buf encoder_policy; /* name or id of the policy whose states are the features; empty: none */
    bool one_suffices;         /* that was its verdict */
    int groups;
    struct uuid group[FIT_PUBLISHED_GROUPS]; /* lineages, by ordinal */
    double weight[FIT_PUBLISHED_GROUPS];     /* shares of the population */
    double size[FIT_PUBLISHED_GROUPS];       /* expected numbers of annotators */
};

/* The fit with this id, or the published one (NULL). ERR_NOT_READY when there is none with groups. *ret is to be
 * zeroed; fit_published_free also after a failure. */
int fit_published(struct pool *pool, const struct uuid *project, const struct uuid *fit, struct fit_published *ret,
                  struct err *err);
int fit_published_on(struct pg *pg, const struct uuid *project, const struct uuid *fit, struct fit_published *ret,
                     struct err *err);
void fit_published_free(struct fit_published *f);

/* The win-rates document as it is served, and its strong ETag with quotes. Before any fit it is the document of state
 * `insufficient_data`, which tells what there is and what is missing. Both are appended. */
int win_rates_get(struct pool *pool, const struct uuid *project, struct buf *body, struct buf *etag, struct err *err);

#endif
