/* reviews_people: simulated annotators of two known tastes who compare sampled reviews, and the fit of a mixture to
 * what they say.
 *
 * Each person compares random pairs of responses to a prompt, by Bradley-Terry on the utility of his taste. The fit
 * sees texts and annotator numbers only; who has which taste is used afterwards, to say which of its groups speaks for
 * which taste and how many people were placed right. Deterministic for a seed. A judge is owned by the caller;
 * immutable once made. */
#ifndef EGALIGN_CORE_LAB_REVIEWS_PEOPLE_H
#define EGALIGN_CORE_LAB_REVIEWS_PEOPLE_H

#include "core/lab/reviews_writer.h"
#include "core/reward/fit.h"
#include "core/scorer.h"

struct reviews_people {
    int size[REVIEWS_TASTES]; /* annotators of each taste */
    int comparisons;          /* of each annotator */
    uint64_t seed;
};

struct reviews_judge {
    struct fit *fit;
    struct scorer *scorer;
    int group[REVIEWS_TASTES]; /* that speaks for a taste: which most of its people are assigned to */
    double placed;             /* share of all people who are assigned to the group of their taste */
};

/* Fits the people's judgements of `candidates` (at least two to a prompt). ERR_INVALID_VALUE, and what fit_run says.
 * reviews_judge_close in any case. */
int reviews_judge_open(const struct reviews_writer *w, const struct reviews_samples *candidates,
                       const struct reviews_people *people, const struct fit_options *options,
                       struct reviews_judge *ret, struct err *err);
void reviews_judge_close(struct reviews_judge *j);

#endif
