/* group_rewards: rewards that groups can be compared by: those of a fit, anchored on reference responses.
 *
 * Bradley-Terry fixes r_u(x, y) only up to a constant for each prompt and says nothing about one group's scale beside
 * another's, so a least group taken over raw rewards means nothing. Two anchors (docs/math.md):
 *   centred   (r_u(x, y) - mean over the references of x) / s_u, with s_u the pooled within-prompt standard deviation
 *             of group u's rewards of the references: nothing changes when a group's reward is scaled, or shifted by
 *             any amount a prompt. Where no prompt has two references, s_u is the deviation between prompts: then a
 *             shift must be the same for all prompts.
 *   win       mean over the references of x of sigma(r_u(x, y) - r_u(x, y_ref)): the probability that the group prefers
 *             y to what the reference writes; in [0, 1], free of shifts. Not of scale, which is part of what a group is
 *             sure of.
 * It refuses a group whose rewards of the references do not vary (ERR_NUMERICAL, which group): it has no scale.
 *
 * Everything has K + 1 columns: the groups, then the single reward. Owned by the caller; immutable once made, and read
 * by any number of threads as far as the response_scorer allows. */
#ifndef EGALIGN_CORE_GROUP_REWARDS_H
#define EGALIGN_CORE_GROUP_REWARDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "core/align/response_scorer.h"

enum anchor { ANCHOR_CENTRED, ANCHOR_WIN };

/* "centred", "win"; -1 for an unknown name. */
const char *anchor_name(enum anchor a);
int anchor_of(const char *name);

/* Prompts and what the reference policy answers them with. Borrowed. */
struct reference_set {
    int prompts;                /* n >= 1 */
    const struct str *prompt;   /* [n] */
    const int *start;           /* [n + 1] the references of prompt i are start[i] .. start[i + 1] - 1, at least one */
    const struct str *response; /* [start[n]] */
};

/* What the rewards of one column were measured by. */
struct anchor_figures {
    double mean;      /* of the references' raw rewards: the mean over prompts of their means */
    double deviation; /* s_u > 0; for ANCHOR_WIN too, where it is not used */
    bool between;     /* s_u is the deviation between prompts, for no prompt has two references */
};

struct group_rewards;

/* Scores the references and anchors on them. The texts of the prompts are copied; the scorer's context must outlive it.
 * ERR_INVALID_VALUE (no prompt, a prompt without reference, one single reference in all), ERR_NUMERICAL (no variance; a
 * reward that is not finite), ERR_NO_MEMORY, and what the scorer says. */
int group_rewards_new(const struct response_scorer *scorer, enum anchor anchor, const struct reference_set *references,
                      struct group_rewards **ret, struct err *err);
void group_rewards_free(struct group_rewards *g);

int group_rewards_groups(const struct group_rewards *g); /* K */
int group_rewards_prompts(const struct group_rewards *g);
enum anchor group_rewards_anchor(const struct group_rewards *g);

/* Column u = 0 .. K. */
struct anchor_figures group_rewards_figures(const struct group_rewards *g, int u);

/* ret[K + 1]: the anchored rewards of a response to prompt `prompt` (its number in the reference set).
 * ERR_NUMERICAL when a reward is not finite. */
int group_rewards_score(const struct group_rewards *g, int prompt, struct str response, double *ret, struct err *err);

/* The same for n responses at once; ret[n][K + 1]. */
int group_rewards_score_all(const struct group_rewards *g, int n, const int *prompt, const struct str *response,
                            double *ret, struct err *err);

/* From raw rewards to anchored ones, for who has scored already; row[K + 1] in place. */
void group_rewards_apply(const struct group_rewards *g, int prompt, double *row);

/* Appends the anchors (not the prompts, not the scorer) in a self-checking form for this kind of machine: part of a
 * checkpoint. `out->failed` tells of missing memory. */
void group_rewards_save(const struct group_rewards *g, struct buf *out);

/* As group_rewards_new with what was saved instead of the references: the same bits. ERR_BAD_FILE when the bytes are
 * damaged, ERR_CONFLICT when they are of other prompts or another number of groups. */
int group_rewards_restore(const struct response_scorer *scorer, int prompts, const struct str *prompt,
                          const void *bytes, size_t length, struct group_rewards **ret, struct err *err);

#endif
