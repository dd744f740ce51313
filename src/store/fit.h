/* fit: asking for a fit, and publishing its results, all in one transaction.
 *
 * A fit is asked for together with the job that makes it. The same inputs (options, program version, and the state of
 * the data) give the fit that is there; so does a fit with the same options that still waits, for it will read what is
 * there when it starts. Publication writes results, groups, memberships, lineage, the win-rates document, the project's
 * pointer and the end of the job, or nothing, and sends NOTIFY egalign_fit with the project's id.
 *
 * It refuses to compute anything: what is published comes in as finished values and JSON documents (src/jobs). Reading
 * fits for the API is fit_read.h.
 *
 * Thread rule: as the pool or the connection. */
#ifndef EGALIGN_STORE_FIT_H
#define EGALIGN_STORE_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"

struct pg;
struct pool;
struct job_lease;

/* Asks for a fit. `options` is the text that fit_settings_write gives; `token` and `traceparent` may be NULL.
 * *ret_created is false when it is there already. ERR_NOT_FOUND when there is no such project, ERR_NOT_READY when the
 * options name a policy that is not there or not ready. */
int fit_request(struct pool *pool, const struct uuid *project, struct str options, const struct uuid *token,
                const char *traceparent, struct uuid *ret_fit, struct uuid *ret_job, bool *ret_created,
                struct err *err);

/* ---- for run-job ---- */

/* The fit that a job makes. */
struct fit_task {
    struct uuid fit;
    char *options; /* JSON text, NUL-terminated, in the caller's arena; may be changed */
    size_t options_length;
};

/* ERR_INTERNAL when the job has none. */
int fit_task_of(struct pg *pg, const struct job_lease *lease, struct arena *arena, struct fit_task *ret,
                struct err *err);

/* The state of a project's data in the caller's snapshot: rows are only ever added, so the counts name it. */
struct fit_data {
    int64_t comparisons, retractions; /* all of them, skips too */
    int64_t watermark;                /* highest comparison.seq; 0 when there is none */
    int64_t as_of;                    /* microseconds since 1970 by the database's clock */
};

/* To be called in the snapshot that the data is read in. */
int fit_data_of(struct pg *pg, const struct uuid *project, struct fit_data *ret, struct err *err);

/* Records what the job has read, so that asking for the same again meanwhile finds it. ERR_LEASE_LOST. */
int fit_begun(struct pg *pg, const struct job_lease *lease, const struct fit_data *data, struct err *err);

/* The groups and members of the fit that lineage is matched against: the published one, or the last one before it that
 * had groups. `groups` is 0 when there is none. All in the caller's arena. */
struct fit_former {
    int groups;
    struct fit_former_group {
        struct uuid lineage;
        int colour;
        struct str name; /* given by an operator; empty before */
    } *group;
    int members;
    struct fit_former_member {
        struct uuid annotator;
        int ordinal; /* -1: unassigned */
    } *member;       /* by rising annotator id */
};

/* All of it in the caller's arena; *ret has no groups when nothing was published. */
int fit_former_of(struct pg *pg, const struct uuid *project, struct arena *arena, struct fit_former *ret,
                  struct err *err);

enum { FIT_DATA_DIGEST = 32 };

/* What is published. All JSON is complete text; views are the caller's and must stay until the call returns. */
struct fit_publication {
    struct uuid fit;
    struct fit_data data;
    uint8_t data_digest[FIT_DATA_DIGEST];
    int comparisons, annotators; /* used */
    int k;                       /* 0: too little data */
    const char *verdict;         /* "groups_found", "one_group_suffices", "insufficient_data" */
    const char *encoder;
    double ridge;
    int64_t seed;
    int threads;
    const char *blas, *code_version;
    struct str evidence, summary, warnings; /* JSON: array or object, object, array */
    struct str model;                       /* bytes; ptr NULL when k is 0 */
    struct fit_publication_group {
        struct uuid lineage;
        bool is_new; /* the lineage begins with this fit */
        int colour;
        double weight;
        int size;
        double stability;   /* NAN for a new one */
        struct str summary; /* JSON object */
    } *group;               /* [k], by ordinal */
    int members;
    struct fit_publication_member {
        struct uuid annotator;
        int ordinal; /* -1: unassigned */
        int comparisons;
        const double *posterior; /* [k] */
    } *member;
    int events;
    struct fit_publication_event {
        const char *kind;            /* appeared, split, merged, vanished */
        const struct uuid *before, *after; /* NULL: none */
        double share;                /* NAN: none */
    } *event;
    struct str win_rates; /* the document */
    const char *etag;     /* strong, with quotes */
};

/* Publishes and ends the job as done, in one transaction that holds the lease. ERR_LEASE_LOST: nothing was written.
 * Soft errors of the database (ERR_DATABASE_CONFLICT) may be tried again. */
int fit_store(struct pg *pg, const struct job_lease *lease, const struct fit_publication *p, struct err *err);

/* ---- for the scheduler ---- */

/* Asks for the fits of all projects that are due by their refit_after_* settings, with their fit_options, unless a fit
 * of theirs waits or runs. One process at a time does it, by an advisory lock; to the others nothing is due. Returns
 * how many were asked for, or -1. */
int fit_schedule(struct pg *pg, struct err *err);

#endif
