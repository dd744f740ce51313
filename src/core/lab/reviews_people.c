#include "core/lab/reviews_people.h"

#include "base/mem.h"

/* The same texts and people for the data set of a fit: response i of the samples has id i there. */
static int add_texts(struct dataset *ds, const struct reviews_writer *w, const struct reviews_samples *s,
                     struct err *err)
{
    for (int i = 0; i < s->prompts; i++)
        if (dataset_add_item(ds, reviews_writer_prompt(w, s->prompt[i]), err) < 0)
            return -1;
    for (int i = 0; i < s->count; i++)
        if (dataset_add_response(ds, i / s->each, reviews_sampled(s, i), err) < 0)
            return -1;
    return 0;
}

/* One judgement of two different responses to a random prompt. */
static int add_judgement(struct dataset *ds, const struct reviews_samples *s, int annotator, enum reviews_taste taste,
                         struct rng *rng, struct err *err)
{
    int first = (int)rng_below(rng, (uint32_t)s->prompts) * s->each;
    uint32_t a = rng_below(rng, (uint32_t)s->each), b = rng_below(rng, (uint32_t)s->each - 1);
    struct comparison c = {.annotator = annotator, .a = first + (int)a, .b = first + (int)(b + (b >= a))};
    c.outcome = reviews_prefers(taste, &s->measure[c.a], &s->measure[c.b], rng) ? CHOICE_A : CHOICE_B;
    return dataset_add_comparison(ds, &c, err) < 0 ? -1 : 0;
}

/* Annotators of the first taste come first; the fit does not look at the order. */
static enum reviews_taste taste_of(const struct reviews_people *people, int annotator)
{
    return annotator < people->size[0] ? REVIEWS_SENTIMENT : REVIEWS_CONCISENESS;
}

static int add_people(struct dataset *ds, const struct reviews_samples *s, const struct reviews_people *people,
                      struct err *err)
{
    struct rng rng;
    rng_init(&rng, people->seed, 0);
    for (int h = 0; h < people->size[0] + people->size[1]; h++) {
        if (dataset_add_annotator(ds, err) < 0)
            return -1;
        for (int c = 0; c < people->comparisons; c++)
            if (add_judgement(ds, s, h, taste_of(people, h), &rng, err) < 0)
                return -1;
    }
    return 0;
}

static void name_groups(struct reviews_judge *j, const struct reviews_people *people)
{
    int counts[REVIEWS_TASTES][FIT_GROUPS_MAX] = {{0}}, right = 0;
    for (int h = 0; h < j->fit->annotators; h++)
        if (j->fit->annotator[h].group >= 0)
            counts[taste_of(people, h)][j->fit->annotator[h].group]++;
    for (int t = 0; t < REVIEWS_TASTES; t++) {
        for (int u = 1; u < j->fit->k; u++)
            if (counts[t][u] > counts[t][j->group[t]])
                j->group[t] = u;
        right += counts[t][j->group[t]];
    }
    j->placed = j->group[0] == j->group[1] ? 0 : (double)right / j->fit->annotators;
}

int reviews_judge_open(const struct reviews_writer *w, const struct reviews_samples *candidates,
                       const struct reviews_people *people, const struct fit_options *options,
                       struct reviews_judge *ret, struct err *err)
{
    struct buf bytes = {0};
    struct dataset *ds = dataset_new_hashed(0, err);
    *ret = (struct reviews_judge){0};
    int failed = ds ? add_texts(ds, w, candidates, err) : -1;
    if (failed == 0)
        failed = add_people(ds, candidates, people, err);
    if (failed == 0)
        failed = fit_run(ds, options, &ret->fit, err);
    if (failed == 0) {
        name_groups(ret, people);
        fit_save(ret->fit, &bytes);
        failed = bytes.failed ? err_memory(err) : scorer_open(bytes.data, bytes.length, &ret->scorer, err);
    }
    buf_free(&bytes);
    dataset_free(ds);
    return failed;
}

void reviews_judge_close(struct reviews_judge *j)
{
    scorer_free(j->scorer);
    fit_free(j->fit);
}
