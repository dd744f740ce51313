/* judge: matching the groups of a fit that judges with those of the fit that a policy was trained on.
 *
 * A policy must not grade itself: who judges it is a fit on annotators that the training fit has not seen. The two
 * share no annotator, so their groups are matched by what they prefer: the agreement of groups u and v is the cosine of
 * their margins over the same pairs of responses, and the matching is the one with the greatest sum of agreements
 * (assignment problem). A group is left without judge when none agrees with it by JUDGE_LEAST_AGREEMENT, when the group
 * that does is of too few people, or when another does nearly as well.
 *
 * Pure; any thread. */
#ifndef EGALIGN_CORE_JUDGE_H
#define EGALIGN_CORE_JUDGE_H

#include <stdbool.h>

#include "core/reward/fit.h"

#define JUDGE_LEAST_AGREEMENT 0.3 /* cosine */
#define JUDGE_LEAST_LEAD 0.02     /* before the next group that it might be */
#define JUDGE_LEAST_SIZE 2.0      /* expected annotators of the judging group */

enum judge_lack { JUDGE_FOUND, JUDGE_NONE_AGREES, JUDGE_TOO_SMALL, JUDGE_AMBIGUOUS };

struct judge_match {
    int group[FIT_GROUPS_MAX];            /* of the judge, per group of the training fit; -1: none */
    double agreement[FIT_GROUPS_MAX];     /* cosine with the one that it was matched with; NAN without any */
    double same_choice[FIT_GROUPS_MAX];   /* share of pairs on which the two choose alike, ties as half; NAN */
    double runner_up[FIT_GROUPS_MAX];     /* greatest cosine with another group of the judge; NAN without one */
    double size[FIT_GROUPS_MAX];          /* expected annotators of the matched group */
    enum judge_lack lack[FIT_GROUPS_MAX]; /* why there is none */
};

/* Margins trained[n][trained_groups] and judging[n][judging_groups] of the same n pairs of responses;
 * size[judging_groups]. Zero groups of the judge match nothing. */
void judge_match(int n, int trained_groups, const double *trained, int judging_groups, const double *judging,
                 const double *size, struct judge_match *ret);

/* One sentence for people: why a group has no judge; "" when it has. */
const char *judge_lack_sentence(enum judge_lack lack);

#endif
