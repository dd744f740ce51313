#include <math.h>
#include <string.h>

#include "core/reward/fit.h"

static const char *const assignments[] = {[ASSIGNMENT_SOFT] = "soft", [ASSIGNMENT_HARD] = "hard"};
static const char *const fold_units[] = {[FOLDS_BY_ITEM] = "item", [FOLDS_BY_PAIR] = "pair"};
static const char *const tie_models[] = {[TIES_DAVIDSON] = "davidson", [TIES_HALF] = "half"};

void fit_options_default(struct fit_options *ret)
{
    *ret = (struct fit_options){
        .seed = 1,
        .k_max = 5,
        .restarts = 4,
        .iterations = 100,
        .ridges = 9,
        .ridge_grid = {1, 3, 10, 30, 100, 300, 1000, 3000, 10000},
        .min_group_size = 2,
        .assign_threshold = 0.8,
        .min_comparisons = 10,
        .permutations = 19,
        .significance = 0.05,
        .folds = 5,
        .threads = 1,
    };
}

static int in_range(const char *pointer, double value, double least, double most, struct err *err)
{
    if (value >= least && value <= most)
        return 0;
    return err_at(err, ERR_INVALID_VALUE, pointer, "must be between %g and %g", least, most);
}

static int check_ridges(const struct fit_options *o, struct err *err)
{
    if (o->ridge != 0 && in_range("/ridge", o->ridge, 1e-6, 1e9, err) < 0)
        return -1;
    if (in_range("/ridge_grid", o->ridges, 1, FIT_RIDGES_MAX, err) < 0)
        return -1;
    for (int i = 0; i < o->ridges; i++) {
        if (in_range("/ridge_grid", o->ridge_grid[i], 1e-6, 1e9, err) < 0)
            return -1;
        if (i > 0 && o->ridge_grid[i] <= o->ridge_grid[i - 1])
            return err_at(err, ERR_INVALID_VALUE, "/ridge_grid", "must ascend");
    }
    return 0;
}

/* Even if no permutation gains as much, p is 1 / (1 + permutations): a test that cannot be passed is no test. */
static int check_permutations(const struct fit_options *o, struct err *err)
{
    if (o->k != 0 || o->permutations == 0 || 1.0 / (1 + o->permutations) <= o->significance)
        return 0;
    return err_at(err, ERR_INVALID_VALUE, "/permutations",
                  "%d are too few to reach a significance of %g: at least %.0f, or 0 for no test", o->permutations,
                  o->significance, ceil(1 / o->significance) - 1);
}

int fit_options_check(const struct fit_options *o, struct err *err)
{
    const struct {
        const char *pointer;
        double value, least, most;
    } ranges[] = {
        {"/k", o->k, 0, FIT_GROUPS_MAX},
        {"/k_max", o->k_max, 1, FIT_GROUPS_MAX},
        {"/restarts", o->restarts, 1, 100},
        {"/iterations", o->iterations, 1, 10000},
        {"/min_group_size", o->min_group_size, 1, 1e6},
        {"/assign_threshold", o->assign_threshold, 0.5, 1},
        {"/min_comparisons", o->min_comparisons, 0, 1e6},
        {"/permutations", o->permutations, 0, 10000},
        {"/significance", o->significance, 0.001, 0.5},
        {"/folds", o->folds, 2, 20},
        {"/threads", o->threads, 1, 256},
        {"/assignment", o->assignment, ASSIGNMENT_SOFT, ASSIGNMENT_HARD},
        {"/ties", o->ties, TIES_DAVIDSON, TIES_HALF},
        {"/fold_unit", o->fold_unit, FOLDS_BY_ITEM, FOLDS_BY_PAIR},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (in_range(ranges[i].pointer, ranges[i].value, ranges[i].least, ranges[i].most, err) < 0)
            return -1;
    return check_ridges(o, err) < 0 ? -1 : check_permutations(o, err);
}

static int index_of(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

const char *assignment_name(enum assignment a)
{
    return assignments[a];
}

int assignment_of(const char *name)
{
    return index_of(assignments, 2, name);
}

const char *tie_model_name(enum tie_model t)
{
    return tie_models[t];
}

int fold_unit_of(const char *name)
{
    return index_of(fold_units, 2, name);
}

int tie_model_of(const char *name)
{
    return index_of(tie_models, 2, name);
}
