/* win_rates: how the groups of a fit fare, as the document that dashboards poll.
 *
 * Counts, for each group and each two candidate sources (response.policy), how the members of the group judged the one
 * against the other: wins, ties (and "both bad") as half a win, and Wilson's interval on as many independent judgements
 * as they are worth, for those of a person are alike (clustered_trials). Judgements of unassigned annotators belong to
 * no group, unless one group suffices: then they all are that group's. Beside that it carries the held-out accuracy
 * of each group's own reward and of the single reward, and flags who is worst off: the group that the single reward
 * predicts worst, and for each policy the group that likes it least.
 *
 * The document:
 *   {"status": "ok" | "one_group_suffices" | "insufficient_data", "project", "fit_id", "as_of", "k", "reason",
 *    "comparisons", "annotators", "unassigned", "interval": "wilson 95 %",
 *    "missing": {"comparisons": n, "annotators": n},                                      (insufficient_data only)
 *    "groups": [{"id", "ordinal", "name", "colour", "weight", "size", "worst_off",
 *                "accuracy": {"group": P, "single": P}}],
 *    "accuracy": {"group": P, "single": P},
 *    "policies": [name], "policies_left_out": n,
 *    "win_rates": [{"group", "policy", "opponent", "wins", "ties", "n", "effective_n", "rate", "low", "high"}],
 *    "worst_off": [{"policy", "group", "n", "effective_n", "rate", "low", "high"}]}
 * P: {"rate", "n", "low", "high"}; rate null when n is 0
 *
 * How the project's policies stand (standing.h) is not of a fit: it is put in when the document is read.
 *
 * Pure: the same fit gives the same bytes. One thread. */
#ifndef EGALIGN_JOBS_WIN_RATES_H
#define EGALIGN_JOBS_WIN_RATES_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "core/reward/fit.h"
#include "jobs/load.h"

enum { WIN_RATES_POLICIES = 64 }; /* most sources shown: those compared most often */

/* How a group is called outside of the fit. */
struct win_rates_group {
    struct uuid lineage;
    struct str name;
    int colour;
};

struct win_rates_input {
    const char *project; /* name */
    struct uuid fit_id;
    const struct loaded *loaded;
    const struct fit *fit;               /* NULL: too little data */
    const struct win_rates_group *group; /* [fit->k] */
    const char *reason;                  /* one sentence: why this many groups, or why none */
    int missing_comparisons, missing_annotators; /* without a fit: how many more are needed */
};

/* Appends the document. ERR_NO_MEMORY. */
int win_rates_write(const struct win_rates_input *in, struct buf *out, struct err *err);

/* Appends the member "accuracy": {"group": P, "single": P}. */
void win_rates_accuracy(struct buf *out, const struct fit_accuracy *accuracy);

#endif
