#include "jobs/settings.h"

#include <string.h>

static void apply_integers(const struct fit_settings *s, struct fit_options *o)
{
    const struct json_integer integers[] = {
        {FIT_K, s->k, &o->k},
        {FIT_K_MAX, s->k_max, &o->k_max},
        {FIT_RESTARTS, s->restarts, &o->restarts},
        {FIT_ITERATIONS, s->iterations, &o->iterations},
        {FIT_MIN_COMPARISONS, s->min_comparisons, &o->min_comparisons},
        {FIT_PERMUTATIONS, s->permutations, &o->permutations},
        {FIT_FOLDS, s->folds, &o->folds},
    };
    json_take_integers(&s->seen, integers, sizeof integers / sizeof integers[0]);
}

static void apply_reals(const struct fit_settings *s, struct fit_options *o)
{
    const struct json_real reals[] = {
        {FIT_RIDGE, s->ridge, &o->ridge},
        {FIT_MIN_GROUP_SIZE, s->min_group_size, &o->min_group_size},
        {FIT_ASSIGN_THRESHOLD, s->assign_threshold, &o->assign_threshold},
        {FIT_SIGNIFICANCE, s->significance, &o->significance},
    };
    json_take_reals(&s->seen, reals, sizeof reals / sizeof reals[0]);
}

int settings_apply(const struct fit_settings *s, int threads, struct fit_options *ret, int *ret_buckets,
                   struct err *err)
{
    _Static_assert((int)FIT_OPTIONS_GRID_MAX == (int)FIT_RIDGES_MAX, "the grid of the table is that of the engine");
    fit_options_default(ret);
    apply_integers(s, ret);
    apply_reals(s, ret);
    ret->threads = threads;
    if (json_given(&s->seen, FIT_SEED))
        ret->seed = (uint64_t)s->seed;
    if (json_given(&s->seen, FIT_ASSIGNMENT))
        ret->assignment = (enum assignment)assignment_of(fit_settings_assignments[s->assignment]);
    if (json_given(&s->seen, FIT_TIES))
        ret->ties = (enum tie_model)tie_model_of(fit_settings_ties[s->ties]);
    if (json_given(&s->seen, FIT_FOLD_UNIT))
        ret->fold_unit = (enum fold_unit)fold_unit_of(fit_settings_fold_units[s->fold_unit]);
    if (json_given(&s->seen, FIT_STRENGTH_WEIGHTS))
        ret->strength_weights = s->strength_weights;
    if (json_given(&s->seen, FIT_RIDGE_GRID)) {
        ret->ridges = (int)s->ridge_grid.count;
        memcpy(ret->ridge_grid, s->ridge_grid.items, s->ridge_grid.count * sizeof ret->ridge_grid[0]);
    }
    *ret_buckets = json_given(&s->seen, FIT_BUCKETS) ? (int)s->buckets : 0;
    return fit_options_check(ret, err);
}
