/* judging: what the groups of a fit think of responses of two policies, by a judge who was not asked before.
 *
 * The judge is a mixture fitted, in this job, on the annotators that the fit held out (held_out.h), with the fit's own
 * options and its number of groups; its groups are matched with the fit's by what they prefer (core/align/judge.h).
 * Beside its word stands that of the fit itself, the training reward, which the policy may have learnt to please.
 * Too few held-out annotators: the judge says nothing, and why.
 *
 * Owned by the job: judging_close. One thread. */
#ifndef EGALIGN_JOBS_JUDGING_H
#define EGALIGN_JOBS_JUDGING_H

#include "core/align/evaluate.h"
#include "core/align/judge.h"
#include "formats/fit_options.h"
#include "jobs/load.h"
#include "jobs/reporter.h"
#include "store/evaluation.h"

struct judging {
    struct reporter *reporter;
    const struct evaluation_task *task;
    struct fit_settings settings;
    struct fit_options options;
    int buckets;
    struct encoding *encoding; /* NULL: hashed features */
    struct loaded loaded;      /* comparisons of the held-out annotators */
    struct fit *fit;           /* the judge; NULL when there are too few, and `lack` says so */
    char lack[sizeof((struct err *)0)->message];
    struct judge_match match;
    double from, to;           /* shares of the job that this is */
    struct arena arena;

    /* Found: by column, the groups of the task's fit, then the single reward. */
    struct win_rate judged[EVALUATE_COLUMNS_MAX];  /* n 0 where there is no judge */
    struct win_rate trained[EVALUATE_COLUMNS_MAX]; /* by the fit itself; no bootstrap */
    struct win_rate human[EVALUATE_COLUMNS_MAX];   /* people's own judgements, by their group; last: all people */
    int replicates;                                /* of the bootstrap */
};

/* Responses of one policy to the prompts, `samples` each. */
struct judging_responses {
    const struct uuid *item; /* [prompts] */
    const struct str *prompt;
    int prompts, samples;
    const struct uuid *a_id, *b_id; /* [prompts x samples] */
    const struct str *a, *b;
};

/* Judges; fills what is found. ERR_LEASE_LOST, what reading, encoding and fitting say. judging_close must follow in any
 * case. */
int judging_run(struct judging *j, const struct judging_responses *r, int replicates, uint64_t seed, struct err *err);
void judging_close(struct judging *j);

#endif
